import { type DestinationStream, type Logger, pino } from 'pino';
import { loggedError, scrub } from './scrub.ts';

/**
 * Everything a log line may carry: ids, names from the configuration, codes and numbers. Headers and bodies have no
 * field here, so they cannot be logged.
 */
export interface LogFields {
  readonly exchange?: string | undefined;
  readonly request_id?: string | undefined;
  readonly route?: string | undefined;
  readonly organization?: string | undefined;
  readonly team?: string | undefined;
  /** Public id of a key. */
  readonly key?: string | undefined;
  readonly provider?: string | undefined;
  readonly model?: string | undefined;
  readonly policy?: string | undefined;
  readonly rule?: string | undefined;
  readonly rail?: string | undefined;
  readonly program?: string | undefined;
  readonly decision?: string | undefined;
  readonly ending?: string | undefined;
  /** A failure's code, or a signal's or system error's name. */
  readonly code?: string | undefined;
  readonly state?: string | undefined;
  /** A path of ours, or of the configuration. */
  readonly file?: string | undefined;
  readonly host?: string | undefined;
  readonly version?: string | undefined;
  readonly spool?: string | undefined;
  readonly sink?: string | undefined;
  readonly hash?: string | undefined;
  readonly sig?: string | undefined;
  readonly port?: number | undefined;
  readonly status?: number | undefined;
  readonly attempt?: number | undefined;
  readonly ms?: number | undefined;
  readonly at_ms?: number | undefined;
  readonly count?: number | undefined;
  readonly bytes?: number | undefined;
  readonly seq?: number | undefined;
  /** Number of a worker's place. */
  readonly worker?: number | undefined;
  readonly lost?: number | undefined;
  readonly missing?: number | undefined;
  readonly cost_nusd?: number | undefined;
  readonly streamed?: boolean | undefined;
  /** Any thrown value: name, code and place are kept, messages that may quote data are not. */
  readonly error?: unknown;
}

type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';

export interface LogOptions {
  readonly level: Level | 'silent';
  /** A file path, a stream, or standard output. */
  readonly destination?: string | DestinationStream;
}

type Say = (message: string, fields?: LogFields) => void;

/** Messages are constants of the program; what varies goes into the fields. */
export interface Log {
  readonly debug: Say;
  readonly info: Say;
  readonly warn: Say;
  readonly error: Say;
  readonly fatal: Say;
  /** One line when `what` changes its state, and none while it stays (nor for a first state at `info`). */
  change(
    what: string,
    state: string,
    level: Exclude<Level, 'trace' | 'fatal'>,
    message: string,
    fields?: LogFields,
  ): void;
  /** From now on what is below this level is not written. */
  level(level: Level | 'silent'): void;
  /** A log whose lines all carry these fields. */
  child(fields: LogFields): Log;
  flush(): void;
}

const names: Readonly<Record<Exclude<keyof LogFields, 'error'>, true>> = {
  exchange: true,
  request_id: true,
  route: true,
  organization: true,
  team: true,
  key: true,
  provider: true,
  model: true,
  policy: true,
  rule: true,
  rail: true,
  program: true,
  decision: true,
  ending: true,
  code: true,
  state: true,
  file: true,
  host: true,
  version: true,
  spool: true,
  sink: true,
  hash: true,
  sig: true,
  port: true,
  status: true,
  attempt: true,
  ms: true,
  at_ms: true,
  count: true,
  bytes: true,
  seq: true,
  worker: true,
  lost: true,
  missing: true,
  cost_nusd: true,
  streamed: true,
};

/** What of the fields may be printed. Types are no wall at run time, so the list is asked again. */
function printed(fields: LogFields): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (name === 'error') {
      if (value !== undefined) out.error = loggedError(value);
    } else if (Object.hasOwn(names, name)) {
      if (typeof value === 'string') out[name] = scrub(value, 200);
      else if (typeof value === 'number' || typeof value === 'boolean') out[name] = value;
    }
  }
  return out;
}

function wrap(logger: Logger, states: Map<string, string>): Log {
  const say =
    (level: Level): Say =>
    (message, fields) => {
      if (!logger.isLevelEnabled(level)) return;
      if (fields === undefined) logger[level](scrub(message));
      else logger[level](printed(fields), scrub(message));
    };
  const log: Log = {
    debug: say('debug'),
    info: say('info'),
    warn: say('warn'),
    error: say('error'),
    fatal: say('fatal'),
    change(what, state, level, message, fields) {
      const before = states.get(what);
      if (before === state) return;
      states.set(what, state);
      if (before === undefined && level === 'info') return;
      say(level)(message, { ...fields, state });
    },
    level(level) {
      logger.level = level;
    },
    child: (fields) => wrap(logger.child(printed(fields)), states),
    flush: () => logger.flush(),
  };
  return log;
}

/** JSON lines with RFC 3339 times. */
export function openLog(options: LogOptions): Log {
  const settings = {
    level: options.level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  const { destination } = options;
  const stream = typeof destination === 'string' ? pino.destination({ dest: destination, mkdir: true }) : destination;
  return wrap(stream === undefined ? pino(settings) : pino(settings, stream), new Map());
}
