import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { type Output, outputTo } from '../../src/surfaces/cli/output.ts';
import { Place } from '../config/place.ts';
import { run } from './world.ts';

const here = (...args: string[]) => run(tmpdir(), args);

describe('the command line', () => {
  it('lists its commands, and tells how to use each', async () => {
    const overview = await here('--help');
    expect(overview.code).toBe(0);
    for (const name of ['config', 'keys', 'validate', 'evaluate', 'test', 'fmt'])
      expect(overview.out).toContain(`  ${name} `);
    expect((await here('help')).out).toBe(overview.out);
    const keys = await here('keys', '--help');
    expect(keys).toMatchObject({ code: 0, err: '' });
    expect(keys.out).toContain('llm-policy keys rotate ID');
    expect((await here('help', 'keys')).out).toBe(keys.out);
  });

  it('says its version', async () => {
    expect(await here('--version')).toEqual({ code: 0, out: '1.2.3\n', err: '' });
  });

  it('exits with 2 when it is used wrongly, and says what was probably meant', async () => {
    const cases: [string[], string][] = [
      [['konfig'], "there is no command 'konfig'; did you mean 'config'?"],
      [['evaluat'], "did you mean 'evaluate'?"],
      [['eval'], 'needs one expression'],
      [['eval', '1', '--lines'], 'from the lines'],
      [['xyzzy'], "'llm-policy --help' lists them"],
      [['config'], "say 'config check'"],
      [['config', 'chek'], "there is no 'config chek'; did you mean 'config check'?"],
      [['audit', 'verfy'], "did you mean 'audit verify'?"],
      [['budgets', 'lst'], "did you mean 'budgets list'?"],
      [['keys', 'show'], "there is no 'keys show'; say 'keys create', 'keys list', 'keys revoke' or 'keys rotate'"],
      [['--verbose'], "there is no option '--verbose'; a command comes first"],
      [['config', 'check', 'more'], "takes no 'more'"],
      [['keys', 'create'], 'needs --team'],
      [['keys', 'create', '--teem', 'a'], "unknown option '--teem'; did you mean '--team'?"],
      [['keys', 'create', '--team'], "Option '--team <value>' argument missing"],
      [['keys', 'create', '--team', 'a', '--expires-days', '-1'], '--expires-days'],
      [['keys', 'create', '--team', 'a', '--expires-at', 'tomorrow'], 'is a time such as'],
      [['keys', 'revoke'], 'needs the id of one key'],
      [['keys', 'list', '--config'], "'--config' needs a file"],
      [['validate'], 'needs a file'],
      [['evaluate', 'x'], 'needs --context'],
      [['evaluate', 'x', '--context', '[1]'], 'is a JSON object'],
      [['evaluate', 'x', '--context', '{'], 'is not JSON'],
      [['evaluate', 'x', '--context', '{}', '--default', 'maybe'], 'is allow or deny'],
      [['fmt', 'x', '--check', '--write'], 'not both'],
    ];
    for (const [args, message] of cases) {
      const { code, err, out } = await here(...args);
      expect([code, out], args.join(' ')).toEqual([2, '']);
      expect(err).toContain(message);
    }
    expect((await here()).code).toBe(2);
  });

  it('exits with 3 for what it cannot do, or not yet', async () => {
    expect(await here('bundle')).toMatchObject({ code: 3, err: "llm-policy: 'bundle' is not supported yet\n" });
    expect(await here('validate', 'absent.yaml')).toMatchObject({
      code: 3,
      err: 'llm-policy: absent.yaml does not exist\n',
    });
    expect((await here('test', '--coverage=80')).code).toBe(3);
  });

  it('says what is missing in a directory, and what is wrong in a configuration', async () => {
    const place = new Place('server: { prot: 1 }\n');
    place.write('empty/readme.md', 'nothing');
    const there = async (...args: string[]) => (await run(place.path, args)).err;
    expect(await there('validate', 'empty')).toBe('llm-policy: empty holds no policies (*.yaml, *.json)\n');
    expect(await there('test', 'empty')).toBe('llm-policy: empty holds no tests (*.policytest.yaml)\n');
    expect(await there('audit', 'query', '--config', 'gateway.yaml')).toMatch(
      /^llm-policy: gateway\.yaml:1:11: unknown key 'prot'.*\n$/,
    );
    place.remove();
  });

  it('tells programs of trouble in JSON', async () => {
    const { code, out, err } = await here('--json', 'bundle');
    expect(JSON.parse(out)).toEqual({ error: { message: "'bundle' is not supported yet", kind: 'failed' } });
    expect([code, err]).toEqual([3, '']);
  });

  const shown = (columns: number | undefined, write: (out: Output) => void): string => {
    let text = '';
    const stdout = columns === undefined ? {} : { isTTY: true, columns };
    write(outputTo({ ...stdout, write: (more) => (text += more) }, { write: () => undefined }));
    return text;
  };
  const headings = ['name', 'spent', 'empty', 'state'];
  const rows = [
    ['a', '$10.00', '-', 'fine'],
    ['a longer name', '$0.0001 est.', '', '-'],
  ];

  it('lets no name in a table steer the terminal', () => {
    const text = shown(undefined, (out) =>
      out.table(
        ['a', 'b'],
        [
          ['\u001b[2Jx', 'long value'],
          ['y', 'z'],
        ],
      ),
    );
    expect(text).toBe('A      B\n\ufffd[2Jx  long value\ny      z\n');
  });

  it('shows tables with figures to the right and without empty columns', () => {
    expect(shown(undefined, (out) => out.table(headings, rows))).toBe(
      'NAME                  SPENT  STATE\na                    $10.00  fine\na longer name  $0.0001 est.  -\n',
    );
  });

  it('shows a row as a block where the terminal is too narrow, and never cuts what must be copied', () => {
    expect(shown(34, (out) => out.table(headings, rows)).split('\n')[0]).toMatch(/^NAME +SPENT +STATE$/);
    expect(shown(33, (out) => out.table(headings, rows))).toBe(
      'NAME   a\nSPENT  $10.00\nSTATE  fine\n\nNAME   a longer name\nSPENT  $0.0001 est.\nSTATE  -\n',
    );
  });

  it('breaks a long paragraph where the terminal ends, between words', () => {
    const say = (out: Output) =>
      out.item('ok  ', 'one two three four five six seven eight\n/a/path/that/is/longer/than/a/line');
    expect(shown(28, say)).toBe(
      'ok  one two three four five\n    six seven eight\n    /a/path/that/is/longer/than/a/line\n',
    );
    expect(shown(undefined, say)).toBe(
      'ok  one two three four five six seven eight\n    /a/path/that/is/longer/than/a/line\n',
    );
  });
});
