import { inspect } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { loadConfig, printable } from '../../src/config.ts';
import { Place, problemsOf } from './place.ts';

let place: Place | undefined;
afterEach(() => place?.remove());

describe('a configuration', () => {
  it('may be empty: every key has a default', async () => {
    place = new Place();
    const { settings, problems } = await place.load();
    expect(problems).toEqual([]);
    expect(settings?.server).toMatchObject({ host: '127.0.0.1', port: 8080, workers: 1, body_bytes_max: 33554432 });
    expect(settings?.admin).toMatchObject({ host: '127.0.0.1', port: 8081, keys: [] });
    expect(settings?.metrics).toEqual({ host: '127.0.0.1', port: 9090 });
    expect(settings?.state).toMatchObject({ driver: 'embedded', path: `${place.path}/data`, on_loss: 'closed' });
    expect(settings?.routing).toMatchObject({ retries: 2, timeout_ms: 600000, circuit: { failures: 5 } });
    expect(settings?.providers.map(({ id }) => id)).toEqual(['demo']);
    expect(settings?.policyFiles.map(({ path }) => path)).toEqual(['policies/security/one.yaml']);
    expect(settings?.audit.sinks).toEqual([{ type: 'file', path: `${place.path}/data/audit` }]);
  });

  it('is frozen all through', async () => {
    place = new Place(`organizations: [{ id: acme, teams: [{ id: research, keys: ["\${K}"] }] }]`);
    const { settings } = await place.load({ K: 'k' });
    const walk = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return;
      expect(Object.isFrozen(value)).toBe(true);
      Object.values(value).forEach(walk);
    };
    walk(settings);
  });

  it('tells every problem, each with file, line and column and what was probably meant', async () => {
    const text = [
      'server:',
      '  prot: 9000',
      '  host: 7',
      'rooting: {}',
      'organizations:',
      '  - id: acme',
      '    teams:',
      '      - { id: a b, budget: [] }',
      'state: { driver: reddis }',
      'server_name: x',
    ].join('\n');
    expect(await problemsOf(text)).toEqual([
      "2:3 unknown key 'prot'; did you mean 'port'?",
      '3:9 must be text',
      "4:1 unknown key 'rooting'; did you mean 'routing'?",
      '8:15 must match ^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$ (Letters, digits, . _ -)',
      "8:20 unknown key 'budget'; did you mean 'budgets'?",
      "9:18 must be one of embedded, redis; did you mean 'redis'?",
      "10:1 unknown key 'server_name'",
    ]);
  });

  it('points at broken YAML and at keys that stand twice', async () => {
    expect((await problemsOf('server:\n  port: [1\n'))[0]).toMatch(/^\d+:\d+ /);
    expect((await problemsOf('metrics: { port: 1 }\nmetrics: { port: 2 }'))[0]).toMatch(/^2:1 .*unique/);
    expect(await problemsOf('a: 1\n---\nb: 2')).toEqual(['2:1 one document is expected']);
  });

  it('survives nesting without end and aliases that multiply', async () => {
    expect(await problemsOf(`server: ${'['.repeat(20_000)}`)).not.toEqual([]);
    const bomb = ['a: &a [x, x, x, x, x, x, x, x, x]'];
    for (let i = 1; i < 9; i += 1) {
      const before = String.fromCharCode(96 + i);
      bomb.push(
        `${String.fromCharCode(97 + i)}: &${String.fromCharCode(97 + i)} [${Array(9).fill(`*${before}`).join()}]`,
      );
    }
    expect((await problemsOf(bomb.join('\n')))[0]).toMatch(/alias/i);
  });

  it('of a key written in two ways tells only the faults of the way that was meant', async () => {
    const keys = (entry: string) => `organizations: [{ id: a, teams: [{ id: t, keys: [${entry}] }] }]`;
    expect(await problemsOf(keys(`{ key: "\${K}", may_asert: true }`), { K: 'k' })).toEqual([
      "1:65 unknown key 'may_asert'; did you mean 'may_assert'?",
    ]);
    expect(await problemsOf(keys('[]'))).toEqual(['1:50 must be text or a mapping']);
  });

  it('says no to what is not built yet, at the key that asks', async () => {
    const asked: [string, string][] = [
      ['server: { tls: { cert_file: a, key_file: b } }', '1:11'],
      ['admin: { oidc: { issuer: a, audience: b } }', '1:10'],
      ['database: { url: "postgres://localhost/x" }', '1:13'],
      ['policies: { source: registry }', '1:13'],
      ['cache: { enabled: true }', '1:10'],
      ['rails: { shield: { url: "http://localhost" } }', '1:10'],
      ['audit: { content: full }', '1:10'],
      ['audit: { hot_days: 7 }', '1:10'],
      ['audit: { sinks: [{ type: s3 }] }', '1:26'],
      ['telemetry: { otlp_endpoint: "http://localhost" }', '1:14'],
    ];
    for (const [text, at] of asked) {
      expect(await problemsOf(text), text).toEqual([expect.stringMatching(new RegExp(`^${at} not supported yet: `))]);
    }
  });

  it('leases nothing where nothing is shared', async () => {
    expect(await problemsOf('state: { mode: leased }')).toEqual([
      "1:10 'leased' needs the driver 'redis': nothing is shared",
    ]);
    expect(await problemsOf('state: { driver: redis, url: "redis://h", mode: leased, on_loss: local_share }')).toEqual(
      [],
    );
  });

  it('lets the environment go over the file, and says so when it is wrong', async () => {
    place = new Place('server: { port: 1000, host: 127.0.0.2 }');
    const { settings } = await place.load({
      PORT: '2000',
      HOST: '::1',
      METRICS_PORT: '0',
      LOG_LEVEL: 'debug',
      WORKERS: '1',
      REDIS_URL: 'redis://:hunter2@localhost:6379',
      GRPC_PORT: '50052',
    });
    expect(settings?.grpc).toEqual({ host: '127.0.0.1', port: 50052, publishing: false });
    expect(settings?.server).toMatchObject({ port: 2000, host: '::1' });
    expect(settings?.metrics.port).toBe(0);
    expect(settings?.telemetry.log_level).toBe('debug');
    expect(settings?.state.driver).toBe('redis');
    expect(settings?.state.url?.reveal()).toBe('redis://:hunter2@localhost:6379');
    const wrong = await place.load({ PORT: 'many', WORKERS: '4', DATABASE_URL: 'postgres://x' });
    expect(wrong.problems).toEqual([
      { file: 'environment', key: 'server.port', message: 'PORT: must be a whole number' },
    ]);
    const taken = await place.load({ PORT: '2000', HOST: '127.0.0.1', GRPC_PORT: '2000' });
    expect(taken.problems.map(({ message }) => message)).toEqual([
      "GRPC_PORT: the listener 'server' is at 127.0.0.1:2000 already",
    ]);
    const unbuilt = await place.load({ DATABASE_URL: 'postgres://x' });
    expect(unbuilt.problems.map(({ message }) => message)).toEqual([
      'DATABASE_URL: not supported yet: a database; leave it out',
    ]);
  });

  it('reads numbers and booleans through references, and text as it stands', async () => {
    place = new Place(`server: { port: "\${P:-8090}" }\nauth: { keys: "\${KEYS}" }\nmetrics: { host: "\${H}.1" }`);
    const { settings, problems } = await place.load({ KEYS: 'true', H: '127.0.0' });
    expect(problems).toEqual([]);
    expect(settings?.server.port).toBe(8090);
    expect(settings?.auth.keys).toBe(true);
    expect(settings?.metrics.host).toBe('127.0.0.1');
    expect(await problemsOf('server: { port: "8090" }')).toEqual(['1:17 must be a whole number']);
  });

  it('refuses money the ledger cannot count exactly, and budgets that would share a counter', async () => {
    const budgets = (text: string) => problemsOf(`organizations: [{ id: a, budgets: [${text}] }]`);
    expect(await budgets('{ window: day, limit_usd: 9007199.254740991 }')).toEqual([]);
    expect(await budgets('{ window: day, limit_usd: 9007200 }')).toEqual([expect.stringContaining('at most 9007199')]);
    expect(await budgets('{ window: day, limit_usd: 0.0000000001 }')).toEqual([
      expect.stringContaining('nine decimals'),
    ]);
    expect(await budgets('{ window: day }')).toEqual([expect.stringContaining('exactly one of')]);
    expect(await budgets('{ window: day, limit_usd: 1 }, { window: day, limit_usd: 2 }')).toEqual([
      expect.stringContaining('share one counter'),
    ]);
    expect(await budgets('{ window: day, limit_usd: 1, time_zone: Mars/Olympus }')).toEqual([
      expect.stringContaining('not a known time zone'),
    ]);
  });

  it('refuses limits that contradict themselves, at the key that does', async () => {
    const inOrganization = (text: string) => problemsOf(`organizations: [{ id: a, ${text} }]`);
    // The place that is told stands behind the mark.
    const mark = '@';
    const wrong: [string, string][] = [
      ['budgets: [@{ window: rolling, limit_usd: 1 }]', "a rolling window needs 'rolling_hours'"],
      [
        'budgets: [{ window: day, limit_usd: 1, rolling_hours: @24 }]',
        "'rolling_hours' is for 'window: rolling', not for 'day'",
      ],
      [
        'budgets: [{ window: total, limit_usd: 1, time_zone: @Europe/Berlin }]',
        "a window that is 'total' turns in no time zone",
      ],
      ['budgets: [{ window: day, limit_usd: 1, on_exceed: @substitute }]', "'substitute' needs 'substitute_model'"],
      [
        'budgets: [{ window: day, limit_usd: 1, substitute_model: @demo-small }]',
        "'substitute_model' is for 'on_exceed: substitute'",
      ],
      [
        'budgets: [{ window: day, limit_usd: 1, on_exceed: substitute, substitute_model: @dmo }]',
        "no provider and no entry of models has a model 'dmo'",
      ],
      ['budgets: [{ window: day, limit_usd: 1, queue_ms: @5 }]', "'queue_ms' is for 'on_exceed: throttle'"],
      [
        'budgets: [{ window: day, limit_usd: 1, on_exceed: warn, on_loss: @open }]',
        "a budget that only warns refuses nobody: 'on_loss' would mean nothing",
      ],
      ['limits: { queue_ms: @100 }', "'queue_ms' needs a limit beside it"],
      ['model_limits: [@{ match: gpt-4o }]', 'limits nothing'],
      [
        'tag_limits: [{ match: x, limits: { concurrent: 1 } }, { match: @x, limits: { concurrent: 2 } }]',
        "'x' is there twice: they would share one counter",
      ],
      [
        'model_limits: [{ match: x/y, limits: { concurrent: 1 } }], teams: [{ id: x, model_limits: [{ match: @y, limits: { concurrent: 2 } }] }]',
        "'y' of team 'x' and 'x/y' of its organization would share one counter",
      ],
      [
        'tag_limits: [{ match: x/y, limits: { concurrent: 1 } }], teams: [{ id: x, tag_limits: [{ match: @y, limits: { concurrent: 2 } }] }]',
        "'y' of team 'x' and 'x/y' of its organization would share one counter",
      ],
      [
        'projects: { default: { budgets: [@{ window: day }] } }',
        'a budget has exactly one of limit_usd, limit_tokens, limit_requests',
      ],
      ['teams: [{ id: t, users: { jane: { @budget: [] } } }]', "unknown key 'budget'; did you mean 'budgets'?"],
    ];
    for (const [text, problem] of wrong) {
      const column = `organizations: [{ id: a, ${text}`.indexOf(mark) + 1;
      expect.soft(await inOrganization(text.replace(mark, '')), text).toEqual([`1:${column} ${problem}`]);
    }
    expect(
      await inOrganization(`
        budgets: [{ window: rolling, rolling_hours: 24, limit_usd: 1 }, { window: rolling, rolling_hours: 1, limit_usd: 1 },
          { window: day, limit_usd: 1, on_exceed: substitute, substitute_model: demo-small },
          { window: week, limit_tokens: 5, on_exceed: throttle, queue_ms: 100, on_loss: open }],
        limits: { requests_per_second: 5, output_tokens_per_minute: 7, queue_ms: 100, on_loss: open },
        projects: { default: { budgets: [{ window: day, limit_usd: 1 }] }, apollo: {} },
        model_limits: [{ match: gpt-4o*, limits: { concurrent: 1 } }],
        tag_limits: [{ match: batch, budgets: [{ window: total, limit_requests: 1 }] }]`),
    ).toEqual([]);
  });

  it.each([[`"\${MINE}"`], [`{ key: "\${MINE}", id: batch }`]])(
    'has no provider that is sent the key of a caller: %s',
    async (key) => {
      place = new Place(`organizations: [{ id: acme, teams: [{ id: research, keys: ["\${OTHER}", ${key}] }] }]`);
      const auth = `auth: { type: bearer, key: "\${OPENAI_API_KEY:-}" }\nenabled_if: "\${OPENAI_API_KEY:-}"\n`;
      place.write(
        'providers/openai.yaml',
        `id: openai\nformat: openai\nbase_url: http://127.0.0.1/v1\n${auth}models: { m: {} }\n`,
      );
      const problems = async (OPENAI_API_KEY: string) =>
        (await place!.load({ MINE: 'one-of-ours', OTHER: 'another', OPENAI_API_KEY })).problems.map(
          ({ line, message }) => `${line} ${message}`,
        );
      expect(await problems('one-of-ours')).toEqual([
        "1 this is the key that provider 'openai' is sent: set its variable where clients run, not where the gateway does",
      ]);
      expect(await problems('the-vendors-own')).toEqual([]);
      expect(await problems('')).toEqual([]);
    },
  );

  it('refuses what is defined twice and what is defined nowhere', async () => {
    expect(await problemsOf('organizations: [{ id: a }, { id: a }]')).toEqual([
      "1:34 organization 'a' is defined twice",
    ]);
    expect(await problemsOf('organizations: [{ id: a, teams: [{ id: t }, { id: t }] }]')).toEqual([
      "1:51 team 't' is defined twice",
    ]);
    const teams = `teams: [{ id: t, keys: ["\${A}"] }, { id: u, keys: ["\${B}"] }]`;
    expect(await problemsOf(`organizations: [{ id: a, ${teams} }]`, { A: 'same', B: 'same' })).toEqual([
      "1:77 the same key is given to team 't' as well: a key names one caller",
    ]);
    expect(await problemsOf('models: { fast: { candidates: [{ provider: nobody, model: m }] } }')).toEqual([
      "1:44 there is no provider 'nobody'",
    ]);
    expect(await problemsOf('passthrough: [{ provider: demo }]')).toEqual(["1:15 'reserve_usd' is missing"]);
    expect(await problemsOf('server: { port: 8081 }')).toEqual([
      expect.stringContaining("the listener 'server' is at 127.0.0.1:8081 already"),
    ]);
  });

  it('names a missing file', async () => {
    place = new Place();
    const { problems } = await loadConfig({ file: 'nowhere.yaml', env: {}, cwd: place.path });
    expect(problems).toEqual([{ file: 'nowhere.yaml', message: 'does not exist' }]);
  });
});

describe('secrets of a configuration', () => {
  const team = (key: string) => `organizations: [{ id: a, teams: [{ id: t, keys: [${key}] }] }]`;

  it('come through one reference and nothing beside it', async () => {
    const env = { K: 'value' };
    expect(await problemsOf(team(`"\${K}"`), env)).toEqual([]);
    for (const literal of ['sk-literal', '12345', `"sk-\${K}"`, `"\${NONE:-sk-literal}"`, `"\${K}\${K}"`, 'true']) {
      expect(await problemsOf(team(literal), env), literal).toEqual([
        expect.stringMatching(/^1:50 (a secret may not stand|must be text)/),
      ]);
    }
    expect(await problemsOf(team(`"\${UNSET}"`))).toEqual(['1:50 the environment variable UNSET is not set']);
    expect(await problemsOf(team(`"\${UNSET:-}"`))).toEqual([]);
    expect(await problemsOf(team(`"\${vault:a#b}"`))).toEqual([
      expect.stringContaining("'vault' are not supported yet"),
    ]);
    expect(await problemsOf(team(`"\${aws-sm:a#b}"`))).toEqual([expect.stringContaining('not supported yet')]);
  });

  it('or are a keyed hash, whole', async () => {
    expect(await problemsOf(team(`"hash:v1:${'a'.repeat(43)}"`))).toEqual([]);
    expect(await problemsOf(team('"hash:v1:abc"'))).toEqual(['1:50 not a whole keyed hash: it was cut or changed']);
    expect(await problemsOf(`auth: { hash_secret: "hash:v1:${'a'.repeat(43)}" }`)).toEqual([
      expect.stringContaining('a secret may not stand in the file'),
    ]);
  });

  it('do not hide in an address', async () => {
    const state = (url: string) => problemsOf(`state: { driver: redis, url: "${url}" }`, { PW: 'p', HOST: 'h' });
    expect(await state('redis://localhost:6379')).toEqual([]);
    expect(await state(`redis://:\${PW}@localhost:6379`)).toEqual([]);
    for (const url of [
      'redis://:pw@localhost',
      `redis://u:pw@\${HOST}`,
      `redis://:\${NO:-pw}@h`,
      `\${NO:-redis://:pw@h}`,
    ]) {
      expect(await state(url), url).toEqual([expect.stringContaining('a secret may not stand in the file')]);
    }
  });

  it('never show, however the settings are printed', async () => {
    place = new Place(
      `${team(`"\${K}"`)}\nadmin: { keys: ["\${A}"] }\nstate: { driver: redis, url: "redis://:\${P}@h" }\nauth: { hash_secret: "\${H}" }`,
    );
    place.write(
      'providers/other.yaml',
      `id: other\nformat: openai\nbase_url: https://x.test/v1\nauth: { type: bearer, key: "\${O}" }\nheaders: { x-secret-key: "\${O}" }\nmodels: { m2: {} }\n`,
    );
    const env = { K: 'team-s3cret', A: 'admin-s3cret', P: 'redis-s3cret', H: 'hash-s3cret', O: 'other-s3cret' };
    const loaded = await place.load(env);
    expect(loaded.problems).toEqual([]);
    const settings = loaded.settings!;
    expect(settings.organizations[0]?.teams[0]?.keys[0]).toMatchObject({ empty: false });
    const shown = [
      JSON.stringify(printable(settings)),
      inspect(printable(settings), { depth: 20, showHidden: true }),
      inspect(
        { ...settings, providers: settings.providers.map(({ headers, ...rest }) => rest) },
        { depth: 20, showHidden: true },
      ),
      loaded.fingerprint,
    ];
    for (const text of shown) expect(text).not.toContain('s3cret');
    expect(JSON.stringify(printable(settings))).toContain('[secret]');
  });

  it('never show in a problem', async () => {
    place = new Place(
      `server: { port: "\${S}", host: "\${S}" }\nstate: { driver: "\${S}" }\norganizations: [{ id: "\${S}" }]`,
    );
    const { problems } = await place.load({ S: 's3cret value' });
    expect(problems.length).toBeGreaterThan(2);
    expect(JSON.stringify(problems)).not.toContain('s3cret');
  });
});
