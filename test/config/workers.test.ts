import { availableParallelism } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { workerCount } from '../../src/gateway/slots.ts';
import { Place, problemsOf } from './place.ts';

let place: Place | undefined;
afterEach(() => place?.remove());

const redis = 'state: { driver: redis, url: "redis://localhost" }';

describe('server.workers', () => {
  it('is a number, or auto, in the file, through a reference or from WORKERS', async () => {
    const workers = async (text: string, env: Record<string, string> = {}) => {
      place = new Place(`${redis}\n${text}`);
      const { settings, problems } = await place.load(env);
      place.remove();
      expect(problems).toEqual([]);
      return settings?.server.workers;
    };
    expect(await workers('')).toBe(1);
    expect(await workers('server: { workers: 3 }')).toBe(3);
    expect(await workers('server: { workers: auto }')).toBe('auto');
    expect(await workers(`server: { workers: "\${W}" }`, { W: '4' })).toBe(4);
    expect(await workers(`server: { workers: "\${W:-auto}" }`)).toBe('auto');
    expect(await workers('server: { workers: 2 }', { WORKERS: '5' })).toBe(5);
    expect(await workers('', { WORKERS: 'auto' })).toBe('auto');
  });

  it('that is auto is as many as run at once here', async () => {
    place = new Place(`${redis}\nserver: { workers: auto }`);
    const { settings } = await place.load({});
    expect(workerCount(settings!)).toBe(availableParallelism());
    const { settings: three } = await place.load({ WORKERS: '3' });
    expect(workerCount(three!)).toBe(3);
  });

  it('is told where it is neither', async () => {
    for (const wrong of ['many', 'true', '[]'])
      expect(await problemsOf(`${redis}\nserver: { workers: ${wrong} }`)).toEqual([
        '2:20 must be a whole number or auto',
      ]);
    expect(await problemsOf(`${redis}\nserver: { workers: 0 }`)).toEqual(['2:20 must be >= 1']);
    expect(await problemsOf(redis, { WORKERS: 'many' })).toEqual(['-:- WORKERS: must be a whole number or auto']);
  });

  it('needs a ledger that processes can share: the embedded one refuses more than one, and says what to change', async () => {
    for (const workers of ['2', 'auto']) {
      const [problem = '', ...more] = await problemsOf(`server: { workers: ${workers} }`);
      expect(more).toEqual([]);
      expect(problem).toMatch(
        /^1:20 more than one worker needs .* 'state\.driver' to redis \(or REDIS_URL\), or use 1$/,
      );
    }
    const [fromEnvironment = ''] = await problemsOf('', { WORKERS: '2' });
    expect(fromEnvironment).toMatch(/WORKERS: more than one worker needs/);
  });
});
