import { type Job, JobRefused } from '../../stores/index.ts';
import type { Log } from '../log.ts';
import { BatchJob } from './batch-job.ts';
import { placeDigest, readClaim } from './claim.ts';
import type { Sink } from './sink.ts';

/** What a trail has to carry a job with. */
export interface Means {
  /** The trail's directory. */
  readonly path: string;
  readonly sinks: readonly Sink[];
  readonly log?: Log;
}

/**
 * Brings the records of a job to its sink. Rejects where the sink does not take them, and with `JobRefused` (told to the
 * log) where this process has no such sink or cannot read them whole.
 */
export async function carry(job: Job, { path, sinks, log }: Means): Promise<void> {
  try {
    if (job instanceof BatchJob) await hand(job, named(sinks, job.sink));
    else await collect(job, path, sinks);
  } catch (error) {
    if (error instanceof JobRefused) {
      log?.change('audit job', job.id, 'warn', 'an audit job is not for this process and goes back', { error });
    }
    throw error;
  }
}

function named(sinks: readonly Sink[], name: string): Sink {
  const sink = sinks.find((one) => one.name === name);
  if (sink === undefined) throw new JobRefused('sink_unknown', `No sink is called ${name}`);
  return sink;
}

/** Gives the sink of a job its records as they lie in memory. Rejects where it does not take them. */
export async function hand(job: BatchJob, sink: Sink): Promise<void> {
  if (job.run !== undefined && sink.append !== undefined) await sink.append(job.run);
  else await sink.write(job.records(), { late: job.late });
  job.handed = true;
}

/** From where another process wrote them down. */
async function collect(job: Job, path: string, sinks: readonly Sink[]): Promise<void> {
  const claimed = readClaim(job, path);
  const { late, place } = claimed;
  const sink = named(sinks, claimed.sink);
  if (place !== placeDigest(sink)) {
    throw new JobRefused('sink_elsewhere', `Sink ${claimed.sink} writes to another place here`);
  }
  await sink.write(await claimed.records(), { late });
}
