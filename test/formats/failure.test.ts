import { describe, expect, test } from 'vitest';
import { Failure, type FailureCode, failures } from '../../src/exchange/index.ts';
import { anthropicMessages, formatByName, formats, openaiChat, parseStrict } from '../../src/formats/index.ts';
import { names } from './recording.ts';
import { thrown } from './thrown.ts';

const parse = (bytes: Buffer) => JSON.parse(bytes.toString());

describe('a failure told to a client', () => {
  test('has its code, message and facts in each format', () => {
    const failure = new Failure('insufficient_quota', 'The team is out of money.', {
      param: 'model',
      extra: { scope: 'team:research', limit: 50, message: 'never this' },
    });
    expect(parse(openaiChat.failureBody(failure, 'req_1'))).toEqual({
      error: {
        message: 'The team is out of money.',
        type: 'insufficient_quota',
        param: 'model',
        code: 'insufficient_quota',
        scope: 'team:research',
        limit: 50,
      },
    });
    expect(parse(anthropicMessages.failureBody(failure, 'req_1'))).toEqual({
      type: 'error',
      error: {
        type: 'rate_limit_error',
        message: 'The team is out of money.',
        code: 'insufficient_quota',
        param: 'model',
        scope: 'team:research',
        limit: 50,
      },
      request_id: 'req_1',
    });
  });

  test('is rendered for every entry of the table', () => {
    for (const code of Object.keys(failures) as FailureCode[]) {
      for (const name of names) {
        const { error } = parse(formats[name].failureBody(new Failure(code, 'Why.'), 'req_1'));
        expect(error).toMatchObject({ code, message: 'Why.' });
        expect(typeof error.type).toBe('string');
      }
    }
  });

  test.each([
    [400, 'invalid_request_error'],
    [404, 'not_found_error'],
    [422, 'invalid_request_error'],
    [429, 'rate_limit_error'],
    [503, 'api_error'],
    [504, 'timeout_error'],
    [529, 'overloaded_error'],
  ])('has the type Anthropic gives the status %d', (status, type) => {
    const body = anthropicMessages.failureBody(new Failure('upstream_error', 'x', { status }), 'r');
    expect(parse(body).error.type).toBe(type);
  });
});

describe("a provider's error reply", () => {
  const body = Buffer.from(
    '{"error": {"message":"Slow down","type":"requests","param":null,"code":"rate_limit_exceeded"}}',
  );

  test('keeps its status, message, code and Retry-After, and its bytes for a client of the same format', () => {
    const failure = openaiChat.upstreamFailure(429, { 'retry-after': '7' }, body);
    expect(failure.code).toBe('upstream_error');
    expect(failure).toMatchObject({ status: 429, retryable: true, message: 'Slow down' });
    expect(failure.detail).toMatchObject({ retryAfterSeconds: 7, upstreamCode: 'rate_limit_exceeded' });
    expect(openaiChat.failureBody(failure, 'r')).toEqual(body);
    expect(parse(anthropicMessages.failureBody(failure, 'r')).error).toEqual({
      type: 'rate_limit_error',
      message: 'Slow down',
      code: 'rate_limit_exceeded',
    });
  });

  test.each([
    [{ 'retry-after-ms': '1200' }, 2],
    [{ 'retry-after': '0.2' }, 1],
    [{ 'retry-after': 'Thu, 01 Jan 2026 00:00:30 GMT', date: 'Thu, 01 Jan 2026 00:00:00 GMT' }, 30],
    [{ 'retry-after': 'Thu, 01 Jan 2026 00:00:00 GMT', date: 'Thu, 01 Jan 2026 00:00:30 GMT' }, 0],
    [{ 'retry-after': 'soon' }, undefined],
    [{}, undefined],
  ])('reads when to come back from %j', (headers, seconds) => {
    expect(openaiChat.upstreamFailure(503, headers as Record<string, string>, body).detail.retryAfterSeconds).toBe(
      seconds,
    );
  });

  test.each([401, 403])('of status %d is about our own credentials and passes nothing on', (status) => {
    const failure = openaiChat.upstreamFailure(
      status,
      {},
      Buffer.from('{"error":{"message":"Incorrect API key provided: sk-abc"}}'),
    );
    expect([failure.code, failure.status, failure.retryable]).toEqual(['upstream_auth', 502, false]);
    expect(`${failure.message}${JSON.stringify(failure.detail)}`).not.toContain('sk-abc');
    expect(openaiChat.failureBody(failure, 'r').toString()).not.toContain('sk-abc');
  });

  test('of status 529 stays 529', () => {
    const overloaded = Buffer.from('{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}');
    const failure = anthropicMessages.upstreamFailure(529, {}, overloaded);
    expect([failure.status, failure.retryable]).toEqual([529, true]);
    expect(anthropicMessages.failureBody(failure, 'r')).toEqual(overloaded);
  });

  test('says itself whether to try again, and a spent account does not come back', () => {
    expect(openaiChat.upstreamFailure(400, { 'x-should-retry': 'true' }, body).retryable).toBe(true);
    expect(openaiChat.upstreamFailure(500, { 'x-should-retry': 'false' }, body).retryable).toBe(false);
    expect(openaiChat.upstreamFailure(400, {}, body).retryable).toBe(false);
    const spent = Buffer.from(
      '{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}',
    );
    expect(openaiChat.upstreamFailure(429, {}, spent).retryable).toBe(false);
  });

  test('that is no JSON gives its status alone', () => {
    const failure = openaiChat.upstreamFailure(502, {}, Buffer.from('<html>nginx internal 10.0.0.7</html>'));
    expect(failure.message).toBe('The provider answered with status 502.');
    expect(failure.detail.upstreamBody).toBeUndefined();
    expect(openaiChat.upstreamFailure(302, {}, Buffer.alloc(0)).status).toBe(502);
  });

  test.each([
    ['{"detail":"Not here"}', 'Not here'],
    ['{"error":"model not found"}', 'model not found'],
    ['{"object":"error","message":"bad","code":400}', 'bad'],
  ])('is understood in the dialects of imitators: %s', (text, message) => {
    expect(openaiChat.upstreamFailure(400, {}, Buffer.from(text)).message).toBe(message);
  });
});

describe('the face of the room', () => {
  test('finds formats by name', () => {
    for (const name of names) expect(formatByName(name)).toBe(formats[name]);
    expect(formatByName('toString')).toBeUndefined();
    expect(formats['openai-chat'].name).toBe('openai-chat');
  });

  test('offers strict reading to other surfaces', () => {
    expect(parseStrict(Buffer.from('{"a":1}'))).toEqual({ a: 1 });
    expect(thrown(() => parseStrict(Buffer.from('{"a":1,"a":1}'))).code).toBe('invalid_request');
  });
});
