import { expect, onTestFinished, test } from 'vitest';
import { type Job, JobFailed, type JobQueue, type QueueOptions, QueueUnavailable } from '../../src/stores/index.ts';

const soon = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** What every job queue keeps. `make` gives an empty queue each time. */
export function queueContract(make: (options: QueueOptions) => JobQueue | Promise<JobQueue>): void {
  async function open(options: Partial<QueueOptions> = {}): Promise<JobQueue> {
    const queue = await make({ attempts: 3, backoff_ms: 5, ...options });
    onTestFinished(() => queue.close());
    return queue;
  }

  test('a job is done when its handler is', async () => {
    const queue = await open();
    let finished = false;
    await queue.work(async (job) => {
      expect(job).toEqual({ id: 'a', payload: '{"text":"grüße\\n"}' });
      await soon(30);
      finished = true;
    });
    await queue.submit({ id: 'a', payload: '{"text":"grüße\\n"}' });
    expect(finished).toBe(true);
  });

  test('a handler of the process that waits for a job gets the very object that was put in', async () => {
    const queue = await open();
    class Large implements Job {
      readonly id = 'large';
      readonly payload = 'few bytes';
      readonly held = Buffer.from('what need not leave the process');
    }
    const job = new Large();
    const seen: Job[] = [];
    await queue.work(async (one) => void seen.push(one));
    await queue.submit(job);
    expect(seen[0]).toBe(job);
  });

  test('jobs put in before there is a handler wait for it', async () => {
    const queue = await open();
    const done: string[] = [];
    const waiting = queue.submit({ id: 'a', payload: '' });
    await soon(30);
    await queue.work(async (job) => void done.push(job.id));
    await waiting;
    expect(done).toEqual(['a']);
  });

  test('jobs are done one at a time, in the order they were put in', async () => {
    const queue = await open();
    const seen: string[] = [];
    let running = 0;
    await queue.work(async (job) => {
      running += 1;
      expect(running).toBe(1);
      await soon(Number(job.payload));
      seen.push(job.id);
      running -= 1;
    });
    const ids = ['a', 'b', 'c', 'd', 'e'];
    await Promise.all(ids.map((id, at) => queue.submit({ id, payload: String(10 - 2 * at) })));
    expect(seen).toEqual(ids);
  });

  test('the same id put in twice is done once', async () => {
    const queue = await open();
    const seen: Job[] = [];
    await queue.work(async (job) => {
      seen.push(job);
      await soon(20);
    });
    await Promise.all([queue.submit({ id: 'a', payload: '1' }), queue.submit({ id: 'a', payload: '1' })]);
    expect(seen).toHaveLength(1);
  });

  test('a handler that fails is tried again', async () => {
    const queue = await open();
    let tries = 0;
    await queue.work(async () => {
      tries += 1;
      if (tries < 3) throw new Error('not yet');
    });
    await queue.submit({ id: 'a', payload: '' });
    expect(tries).toBe(3);
  });

  test('a job that failed as often as it may says so, does not stop the next, and may come again', async () => {
    const queue = await open({ attempts: 2 });
    let tries = 0;
    let broken = true;
    await queue.work(async (job) => {
      if (job.id === 'next') return;
      tries += 1;
      if (broken) throw new Error('broken');
    });
    await expect(queue.submit({ id: 'a', payload: '' })).rejects.toThrow(JobFailed);
    expect(tries).toBe(2);
    await queue.submit({ id: 'next', payload: '' });
    broken = false;
    await queue.submit({ id: 'a', payload: '' });
    expect(tries).toBe(3);
  });

  test('closing lets the running job finish; what waits is unavailable, and so is what comes later', async () => {
    const queue = await open();
    let finished = false;
    let begun: () => void = () => {};
    const started = new Promise<void>((resolve) => {
      begun = resolve;
    });
    await queue.work(async () => {
      begun();
      await soon(60);
      finished = true;
    });
    const running = queue.submit({ id: 'a', payload: '' }).catch(() => {});
    const waiting = queue.submit({ id: 'b', payload: '' });
    const refused = expect(waiting).rejects.toThrow(QueueUnavailable);
    await started;
    await queue.close();
    expect(finished).toBe(true);
    await refused;
    await running;
    await expect(queue.submit({ id: 'c', payload: '' })).rejects.toThrow(QueueUnavailable);
  });
}
