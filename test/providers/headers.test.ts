import { describe, expect, test } from 'vitest';
import { replyHeaderList, replyHeaders, requestHeaders } from '../../src/providers/index.ts';

describe("a client's headers on their way to a provider", () => {
  test('lose every credential', () => {
    const secret = 'secret';
    const headers = requestHeaders(
      {
        authorization: secret,
        'x-api-key': secret,
        'api-key': secret,
        'x-goog-api-key': secret,
        cookie: secret,
        'proxy-authorization': secret,
        'x-amz-security-token': secret,
        'x-some-auth-token': secret,
        'cf-access-client-secret': secret,
        'openai-organization': 'org',
        'openai-project': 'proj',
      },
      true,
    );
    expect(headers).toEqual({});
  });

  test("lose what belongs to the hop, to the client's place, or to us", () => {
    const headers = requestHeaders(
      {
        host: 'gateway',
        connection: 'keep-alive, X-Hop',
        'x-hop': '1',
        'keep-alive': 'timeout=5',
        te: 'trailers',
        trailer: 'x',
        'transfer-encoding': 'chunked',
        upgrade: 'h2c',
        expect: '100-continue',
        'content-length': '12',
        'accept-encoding': 'gzip',
        forwarded: 'for=1.2.3.4',
        'x-forwarded-for': '1.2.3.4',
        'x-real-ip': '1.2.3.4',
        'cf-connecting-ip': '1.2.3.4',
        'x-llm-user': 'u',
        'x-llm-approval': 'a',
      },
      true,
    );
    expect(headers).toEqual({});
  });

  test('pass otherwise', () => {
    const client = { 'content-type': 'application/json', 'user-agent': 'app/1', traceparent: '00-x', 'x-custom': 'v' };
    expect(requestHeaders(client, true)).toEqual(client);
    expect(requestHeaders({ 'x-many': ['a', 'b'] } as never, true)).toEqual({ 'x-many': 'a, b' });
  });

  test("keep a vendor's betas in its own format alone", () => {
    const client = { 'anthropic-beta': 'b-1', 'openai-beta': 'a=v2', 'anthropic-version': '2024-01-01' };
    expect(requestHeaders(client, true)).toEqual(client);
    expect(requestHeaders(client, false)).toEqual({});
  });

  test("are completed with what the format needs, and a client's own version wins in its own format", () => {
    const format = { 'content-type': 'application/json', 'anthropic-version': '2023-06-01' };
    const client = { 'content-type': 'text/plain', 'anthropic-version': '2024-01-01' };
    expect(requestHeaders(client, true, format)).toEqual({
      'content-type': 'application/json',
      'anthropic-version': '2024-01-01',
    });
    expect(requestHeaders(client, false, format)).toEqual(format);
  });

  test('are judged alike however many names have been seen', () => {
    for (let i = 0; i < 2000; i += 1) requestHeaders({ [`x-flood-${i}`]: '1' }, true);
    expect(requestHeaders({ 'x-late-api-key': 's', 'x-late': '1' }, true)).toEqual({ 'x-late': '1' });
  });
});

describe("a provider's headers on their way to a client", () => {
  test('lose cookies, account details, and what holds for its bytes or its origin', () => {
    const headers = replyHeaders({
      'set-cookie': '__cf_bm=1',
      'openai-organization': 'org',
      'openai-project': 'proj',
      'anthropic-organization-id': 'org',
      connection: 'keep-alive, x-hop',
      'x-hop': '1',
      'keep-alive': 'timeout=5',
      'transfer-encoding': 'chunked',
      'content-length': '12',
      'content-encoding': 'gzip',
      date: 'now',
      'alt-svc': 'h3=":443"',
      'strict-transport-security': 'max-age=1',
      'access-control-allow-origin': '*',
      'www-authenticate': 'Bearer',
      location: 'https://elsewhere',
    });
    expect(headers).toEqual({});
  });

  test('pass otherwise, and under another name where the name is ours', () => {
    expect(
      replyHeaders({
        'content-type': 'text/event-stream',
        'openai-processing-ms': '12',
        'cf-ray': 'r',
        'request-id': 'req_1',
        'x-request-id': 'req_2',
        'retry-after': '3',
        'x-ratelimit-remaining-tokens': '7',
        'x-llm-provider': 'theirs',
        'cache-control': 'no-cache',
      }),
    ).toEqual({
      'content-type': 'text/event-stream',
      'openai-processing-ms': '12',
      'cf-ray': 'r',
      'request-id': 'req_1',
      'x-llm-upstream-request-id': 'req_2',
      'x-llm-upstream-retry-after': '3',
      'x-llm-upstream-ratelimit-remaining-tokens': '7',
      'x-llm-upstream-provider': 'theirs',
      'x-llm-upstream-cache-control': 'no-cache',
    });
  });

  test('leave once under a name that two of them become: the last counts', () => {
    const upstream = { 'x-request-id': 'a', 'cf-ray': 'r', 'x-llm-request-id': 'b', 'x-llm-upstream-request-id': 'c' };
    expect(replyHeaderList(upstream).pairs).toEqual(['x-llm-upstream-request-id', 'c', 'cf-ray', 'r']);
    expect(replyHeaders(upstream)).toEqual({ 'x-llm-upstream-request-id': 'c', 'cf-ray': 'r' });
  });
});
