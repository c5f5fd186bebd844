import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Failure, Secret } from '../../src/exchange/index.ts';
import { type Log, type LogFields, openLog } from '../../src/observe/index.ts';

function open(): { log: Log; lines: () => Record<string, unknown>[]; text: () => string } {
  let text = '';
  const write = (line: string): void => {
    text += line;
  };
  const log = openLog({ level: 'debug', destination: { write } });
  const lines = () =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { log, lines, text: () => text };
}

describe('a log', () => {
  test('writes JSON lines with level, time, message and its fields', () => {
    const { log, lines } = open();
    log.child({ spool: 'one' }).warn('sink waits', { sink: 'file', ms: 12, streamed: false });
    expect(lines()).toEqual([
      {
        level: 'warn',
        time: expect.stringMatching(/^\d{4}-.*Z$/),
        spool: 'one',
        sink: 'file',
        ms: 12,
        streamed: false,
        msg: 'sink waits',
      },
    ]);
  });

  test('prints no field it does not know, whatever a caller smuggles in', () => {
    const { log, text } = open();
    const smuggled = {
      headers: { authorization: 'Bearer topsecret1234' },
      body: 'my prompt',
      authorization: 'topsecret1234',
      team: { name: 'my prompt' },
      key: new Secret('topsecret1234'),
      model: ['my prompt'],
    };
    log.info('call', smuggled as unknown as LogFields);
    expect(text()).not.toMatch(/topsecret|prompt|authorization|headers|body/);
  });

  test('prints no credential, in a field or in a message', () => {
    const { log, text } = open();
    for (const secret of [
      'Bearer abcdef0123456789',
      'sk-proj-abcdef0123456789',
      'https://user:hunter2hunter2@host/x',
      'api_key=abcdef0123456789',
      'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdef',
      'AKIAIOSFODNN7EXAMPLE',
      'ghp_abcdefghijklmnopqrstuvwxyz',
    ]) {
      log.info(`failed with ${secret}`, { file: `x ${secret} y`, code: secret });
    }
    expect(text()).not.toMatch(/abcdef|hunter2|IOSFODNN7/);
    expect(text()).toContain('[secret]');
  });

  test('an error keeps its name, code and place, and not what it quotes', () => {
    const { log, lines, text } = open();
    let broken: unknown;
    try {
      JSON.parse('{"prompt": my card is 4111111111111111}');
    } catch (error) {
      broken = error;
    }
    log.error('cannot read', { error: new Error('reading\n    at my prompt', { cause: broken }) });
    log.error('no file', {
      error: Object.assign(new Error('ENOENT: /home/ann/x'), { code: 'ENOENT', syscall: 'open' }),
    });
    log.error('refused', {
      error: new Failure('upstream_error', 'the provider repeats: my prompt', { cause: broken }),
    });
    log.error('bug', {
      error: (() => {
        try {
          return (undefined as never as { a: number }).a;
        } catch (error) {
          return error;
        }
      })(),
    });
    log.error('thrown', { error: 'a string with my prompt' });
    expect(text()).not.toMatch(/prompt|4111|home/);
    const [first, second, third, fourth] = lines().map((line) => line.error as Record<string, unknown>);
    expect(first).toMatchObject({ name: 'Error', cause: { name: 'SyntaxError' } });
    expect((first?.at as string[] | undefined)?.[0]).toMatch(/log\.test\.ts/);
    expect(second).toMatchObject({ code: 'ENOENT', syscall: 'open' });
    expect(third).toMatchObject({ name: 'Failure', code: 'upstream_error' });
    expect(fourth).toMatchObject({ name: 'TypeError', message: expect.stringContaining('undefined') });
  });

  test('says a change of state once, and nothing while it stays', () => {
    const { log, lines } = open();
    for (const state of ['up', 'up', 'down', 'down', 'down', 'up', 'up']) {
      log.change('redis', state, state === 'up' ? 'info' : 'warn', `redis is ${state}`);
    }
    expect(lines().map((line) => line.msg)).toEqual(['redis is down', 'redis is up']);
  });

  test('a secret prints as [secret] in every way of printing', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 12, maxLength: 40 }).filter((text) => !'[secret]'.includes(text)),
        (value) => {
          const { log, text } = open();
          const secret = new Secret(value);
          log.info(`${secret}`, { error: new TypeError(`bad ${secret}`), code: secret as unknown as string });
          expect(text()).not.toContain(JSON.stringify(value).slice(1, -1));
        },
      ),
      { numRuns: 50 },
    );
  });
});
