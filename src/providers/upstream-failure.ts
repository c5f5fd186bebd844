import { Failure } from '../exchange/index.ts';

/** Which of a call's times ran out. */
export type TimedPhase = 'connect' | 'first_byte' | 'idle' | 'total';

const waitedFor: Record<TimedPhase, string> = {
  connect: 'did not accept a connection',
  first_byte: 'did not begin its reply',
  idle: 'fell silent in its reply',
  total: 'did not finish its reply',
};

export function timedOut(provider: string, phase: TimedPhase, timeout_ms: number, cause?: unknown): Failure {
  return new Failure('upstream_timeout', `Provider ${provider} ${waitedFor[phase]} within ${timeout_ms} ms.`, {
    extra: { phase, timeout_ms },
    cause,
  });
}

/** How far a call had come when its connection failed. */
export type CallPhase = 'connect' | 'head' | 'body';

/** What the transport tells of a connection, as a Failure. Before a connection was there nothing was sent: unreachable. */
export function connectionFailure(provider: string, phase: CallPhase, error: Error, idle_ms: number): Failure {
  const code = errorCode(error);
  if (code === 'UND_ERR_INVALID_ARG' || code === 'UND_ERR_NOT_SUPPORTED') {
    return new Failure('internal_error', 'The gateway could not write this call.', { cause: error });
  }
  if (phase === 'connect') {
    if (code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'ETIMEDOUT') {
      return new Failure('upstream_timeout', `Provider ${provider} ${waitedFor.connect} in time.`, {
        extra: { phase },
        cause: error,
      });
    }
    return new Failure('upstream_unreachable', `Provider ${provider} could not be reached (${code}).`, {
      extra: { reason: code },
      cause: error,
    });
  }
  if (code === 'UND_ERR_BODY_TIMEOUT') return timedOut(provider, 'idle', idle_ms, error);
  const where = phase === 'head' ? 'before its reply began' : 'in the middle of its reply';
  return new Failure('upstream_error', `Provider ${provider} broke off ${where} (${code}).`, {
    extra: { phase, reason: code },
    cause: error,
  });
}

/** A body that is not in the encoding it says it is in: all of it may have come. */
export function damaged(provider: string, error: Error): Failure {
  const { code, message, detail } = connectionFailure(provider, 'body', error, 0);
  return new Failure(code, message, { ...detail, unread: true });
}

/** The code of what really happened: a TLS or DNS error may be wrapped, or one of several addresses tried. */
function errorCode(error: Error): string {
  const known = error as Error & { code?: unknown; errors?: unknown };
  if (typeof known.code === 'string') return known.code;
  if (Array.isArray(known.errors) && known.errors[0] instanceof Error) return errorCode(known.errors[0]);
  return error.cause instanceof Error ? errorCode(error.cause) : error.name;
}
