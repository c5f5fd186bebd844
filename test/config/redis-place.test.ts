import { describe, expect, it } from 'vitest';
import { Place, problemsOf } from './place.ts';

const env = { PW: 's3cret', EMPTY: '', URL: 'redis://:pw@h:6379' };
const state = (text: string) => problemsOf(`state: { driver: redis, ${text} }`, env);

describe('where the Redis is', () => {
  it('is said in one way: an address, sentinels or a cluster', async () => {
    expect(await state(`url: "rediss://h:6379/2", username: u, password: "\${PW}", tls: { servername: r }`)).toEqual(
      [],
    );
    const sentinel = `sentinel: { name: m, nodes: ["a:26379", "[::1]:26380"], username: s, password: "\${PW}", tls: {} }`;
    expect(await state(`${sentinel}, password: "\${PW}", tls: { ca_file: ca.crt }`)).toEqual([]);
    expect(await state('cluster: { nodes: ["a.b-c:7000"] }')).toEqual([]);
    expect(await state('key_prefix: x')).toEqual([expect.stringContaining('needs one, or a sentinel or a cluster')]);
    expect(await state(`url: redis://h, ${sentinel}`)).toEqual([expect.stringContaining("'url' says where")]);
    expect(await state(`cluster: { nodes: ["a:1"] }, ${sentinel}`)).toEqual([
      expect.stringContaining("'sentinel' says where the Redis is already"),
    ]);
  });

  it('is not said twice by the environment', async () => {
    const text = 'state: { driver: redis, cluster: { nodes: ["a:7000"] } }';
    expect(await problemsOf(text, { REDIS_URL: 'redis://h:6379' })).toEqual([
      expect.stringContaining("'url' says where the Redis is already"),
    ]);
  });

  it.each([
    ['url: http://h:80', 'must be redis://host:port or rediss://host:port'],
    ['url: "redis://h:6379/2?x=1"', 'the number of a database and nothing else'],
    ['url: redis://h:6379, tls: { servername: r }', 'the url is redis://, which is not encrypted'],
    ['url: rediss://h:6379, tls: { cert_file: c }', "needs its 'key_file'"],
    ['cluster: { nodes: ["a:1"] }, tls: { key_file: c }', "needs its 'cert_file'"],
    ['sentinel: { name: m, nodes: ["a:1"], tls: { key_file: c } }', "needs its 'cert_file'"],
    ['url: redis://h, username: u', "a username needs a 'password' beside it"],
    ['sentinel: { name: m, nodes: ["a:1"], username: u }', "a username needs a 'password' beside it"],
    [`url: "\${URL}", password: "\${PW}"`, 'the url has credentials already'],
    ['cluster: { nodes: ["a:70000"] }', '70000 is no port'],
    ['cluster: { nodes: ["a"] }', 'host:port'],
    ['cluster: { nodes: [] }', 'fewer than 1'],
    ['sentinel: { nodes: ["a:1"] }', "'name' is missing"],
    ['url: redis://h, password: literal', 'a secret may not stand in the file'],
    ['url: rediss://h, tls: { cafile: c }', "unknown key 'cafile'; did you mean 'ca_file'?"],
  ])('is refused where it contradicts itself: %s', async (text, message) => {
    expect(await state(text)).toEqual([expect.stringContaining(message)]);
  });

  it.each(['cluster: { nodes: ["a:1"] }', 'sentinel: { name: m, nodes: ["a:1"] }', 'tls: {}', `password: "\${PW}"`])(
    'is not said where the ledger is embedded: %s',
    async (text) => {
      const problems = await problemsOf(`state: { ${text} }`, env);
      expect(problems).toEqual([expect.stringContaining("is for the driver 'redis', and the driver is 'embedded'")]);
    },
  );

  it('has its files where providers and policies are, and never shows its secrets', async () => {
    const place = new Place(`state: { driver: redis, url: rediss://h, password: "\${PW}", tls: { ca_file: ca.crt } }`);
    try {
      const { settings } = await place.load(env);
      expect(settings?.state.tls?.ca_file).toBe(`${place.path}/ca.crt`);
      expect(settings?.state.password?.reveal()).toBe('s3cret');
      expect(JSON.stringify(settings)).not.toContain('s3cret');
    } finally {
      place.remove();
    }
  });
});
