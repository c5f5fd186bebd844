import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { entryFor, passEntries, readTarget } from '../../src/pipeline/pass-route.ts';
import { teamKey } from '../support/gateway.ts';
import { type PassingHouse, passProvider, standing, startPassing } from '../support/passing.ts';
import { type RawReply, rawRequest } from '../support/raw-http.ts';

let house: PassingHouse;
beforeAll(async () => {
  house = await startPassing({ entries: [{ paths: ['/files', '/files/*', '/images/*'] }] });
});
beforeEach(() => house.api.reset());
afterAll(() => house.close());

const at = `/passthrough/${passProvider}`;
const get = (target: string, key: string = teamKey): Promise<RawReply> =>
  rawRequest(house.gateway.origin, { method: 'GET', target, headers: [['Authorization', `Bearer ${key}`]] });
const code = ({ body }: RawReply) => (JSON.parse(body) as { error: { code: string } }).error.code;

describe('a path that could be read in two ways is refused, and nothing leaves', () => {
  const tricks = [
    '/files/../models',
    '/files/..',
    '/files/./a',
    '/..',
    '/files/%2e%2e/models',
    '/files/%2E./models',
    '/files/.%2e',
    '/files/%252e%252e/models',
    '/files/%25252e%25252e/models',
    '/files/..;/models',
    '/files/.;a=b/models',
    '/files/..%3b/models',
    '/files%2f..%2fmodels',
    '/files/a%2Fb',
    '/files/a%252fb',
    '/files//models',
    '//files',
    '//evil.example/files',
    '/files/\\..\\models',
    '/files\\..\\models',
    '/files/..%5cmodels',
    '/files/a%5cb',
    '/files/a%00',
    '/files/a%0d%0aX-Injected:%201',
    '/files/a%7f',
    '/files/a%',
    '/files/a%zz',
    '/files/a%c',
    '/files/a%a0',
    '/files/a%c0%ae%c0%ae',
    '/files/a#b',
  ];
  test.each(tricks)('%s', async (trick) => {
    const before = await standing(house);
    const reply = await get(at + trick);
    expect([trick, reply.status, code(reply)]).toEqual([trick, 400, 'invalid_request']);
    expect(house.api.calls).toEqual([]);
    expect(await standing(house)).toEqual(before);
    // Whoever is nobody is told nothing of paths.
    expect([400, 401]).toContain((await get(at + trick, 'wrong')).status);
    expect(house.api.calls).toEqual([]);
  });

  test('another spelling of the prefix is no way in', async () => {
    for (const target of [
      `//passthrough/${passProvider}/files`,
      `/passthrough//${passProvider}/files`,
      `/Passthrough/${passProvider}/files`,
      `/passthrough/${passProvider.toUpperCase()}/files`,
      `/p%61ssthrough/${passProvider}/files`,
      `/passthrough%2f${passProvider}/files`,
      `/passthrough/%66ake-openai/files`,
      `/v1/../passthrough/${passProvider}/files`,
      `/passthrough/${passProvider}`,
      `/passthrough/${passProvider}/`,
      '/passthrough/',
      '/passthrough',
      `http://evil.example/passthrough/${passProvider}/files`,
    ]) {
      const { status } = await get(target);
      expect([target, [400, 404].includes(status)]).toEqual([target, true]);
    }
    expect(house.api.calls).toEqual([]);
  });

  test('nothing a caller sends names another provider address', async () => {
    const headers: [string, string][] = [
      ['Host', 'evil.example'],
      ['X-Forwarded-Host', 'evil.example'],
      ['Forwarded', 'host=evil.example'],
      ['X-Original-URL', '/models'],
      ['X-Rewrite-Url', 'http://evil.example/'],
      ['Authorization', `Bearer ${teamKey}`],
    ];
    const query = '?url=http://evil.example/&base_url=//evil.example#';
    const target = `${at}/files/http:@evil.example:80/a${query.slice(0, -1)}`;
    expect((await rawRequest(house.gateway.origin, { method: 'GET', target, headers })).status).toBe(200);
    expect(house.api.calls).toMatchObject([
      {
        url: `/v1/files/http:@evil.example:80/a${query.slice(0, -1)}`,
        headers: { host: new URL(house.api.origin).host },
      },
    ]);
    expect((await get(`${at}/files/a${query}`)).status).toBe(400);
  });
});

describe('a path that is clear passes in its one spelling', () => {
  test.each([
    ['/files', '/files'],
    ['/files/a.b..c/...d', '/files/a.b..c/...d'],
    ['/files/%7Euser/%66ile%2d1', '/files/~user/file-1'],
    ['/f%69les/x', '/files/x'],
    ['/files/a%20b%c3%a9', '/files/a%20b%C3%A9'],
    ['/files/a%3Ab@c:d;e=f,g', '/files/a%3Ab@c:d;e=f,g'],
    ['/files/50%25', '/files/50%25'],
    ['/files/a?b=../c//%2e%2e', '/files/a?b=../c//%2e%2e'],
  ])('%s', async (sent, arrived) => {
    expect((await get(at + sent)).status).toBe(200);
    expect(house.api.calls.map(({ url }) => url)).toEqual([`/v1${arrived}`]);
  });
});

describe('whatever is asked', () => {
  const piece = fc.constantFrom(
    ...['/', '//', '..', '.', '%2e', '%2F', '%5c', '%25', '%00', '\\', ';', '#', '?', ':', '@', '%61', '%', 'a', 'é'],
  );
  const tails = fc
    .array(fc.oneof(piece, fc.string({ maxLength: 3 })), { maxLength: 12 })
    .map((parts) => parts.join(''));

  test('what passes stays below the base, on its origin, in the spelling that was judged', () => {
    fc.assert(
      fc.property(tails, (tail) => {
        let read: ReturnType<typeof readTarget>;
        try {
          read = readTarget(`${at}/${tail}`);
        } catch {
          return;
        }
        const base = 'https://api.example/v1';
        const url = new URL(base + read.path + read.query);
        expect(url.origin).toBe('https://api.example');
        expect(url.pathname.startsWith('/v1/')).toBe(true);
        // A reader that decodes once more finds no further step and no separator.
        const again = decodeURIComponent(read.path);
        expect(again.split('/').length).toBe(read.path.split('/').length);
        expect(again.split('/').some((segment) => /^\.{1,2}$/.test(segment))).toBe(false);
        // Reading the spelling again changes nothing.
        expect(readTarget(at + read.path + read.query)).toEqual(read);
      }),
      { numRuns: 3000 },
    );
  });

  test('an entry lets pass what its methods and globs say, and nothing else', () => {
    const entries = passEntries([
      { provider: 'p', reserve_usd: 1, methods: ['GET'], paths: ['/a', '/b/*'] },
      { provider: 'p', reserve_usd: 2, methods: ['GET', 'POST'], paths: ['/b/c*d'] },
    ]);
    const of = (method: string, path: string, provider = 'p') => {
      try {
        return entryFor(entries, method, { provider, path, query: '' }).reserve_nusd / 1e9;
      } catch {
        return undefined;
      }
    };
    expect([of('GET', '/a'), of('GET', '/b/x'), of('GET', '/b/cxd'), of('POST', '/b/cxd')]).toEqual([1, 1, 1, 2]);
    expect([of('GET', '/ab'), of('POST', '/a'), of('get', '/a'), of('GET', '/b'), of('GET', '/a', 'q')]).toEqual(
      Array.from({ length: 5 }),
    );
    expect(() => passEntries([{ provider: 'p', reserve_usd: 0.0000000001, methods: [], paths: [] }])).toThrow(
      RangeError,
    );
  });
});
