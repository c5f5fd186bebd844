import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from './world.ts';

const evaluated = (...args: string[]) => run(tmpdir(), ['eval', ...args]);

async function answers(lines: readonly unknown[], ...args: string[]): Promise<readonly unknown[]> {
  const input = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n');
  const { code, out, err } = await run(tmpdir(), ['eval', '--lines', ...args], { input });
  expect([code, err]).toEqual([0, '']);
  return out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
}

const int = (value: string) => ({ type: 'int', value });

describe('llm-policy eval', () => {
  it('computes an expression on values given by name', async () => {
    expect(await evaluated('1 + 2 * 3')).toMatchObject({ code: 0, out: '7\n' });
    const context = '{"llm": {"estimatedTokens": 400, "estimatedCost": 0.2}, "x": 5}';
    expect(
      await evaluated('llm.estimatedTokens < 500 && llm.estimatedCost > 0.05', '--context', context),
    ).toMatchObject({
      code: 0,
      out: 'true\n',
    });
    expect(await evaluated('x + 1 > 5', '--context', context, '--json')).toMatchObject({
      code: 0,
      out: '{"value":true}\n',
    });
    expect(await evaluated('"a" + "b"')).toMatchObject({ code: 0, out: 'ab\n' });
    expect(await evaluated('-1 + x', '--context', context)).toMatchObject({ code: 0, out: '4\n' });
  });

  it('takes facts as rules do: those not given are missing, times are times, and functions name them', async () => {
    const context = '{"usage": {"team": {"requests_per_hour": 5}}, "request": {"time": "2026-01-05T09:30:00Z"}}';
    const asked = 'requestCount("team", "hour") > 3 && hourOfDay("UTC") == 9 && !containsPII() && team.tier != "free"';
    expect(await evaluated(asked, '--context', context)).toMatchObject({ code: 0, out: 'true\n' });
  });

  it('exits with 1 and points at the character where there is no value', async () => {
    const { code, err, out } = await evaluated('1 + tim', '--context', '{"time": 1}');
    expect([code, out]).toEqual([1, '']);
    expect(err).toBe('1:5: unknown name tim (did you mean time?)\n  1 + tim\n      ^^^\n');
    expect(await evaluated('1 / 0', '--json')).toMatchObject({ code: 1 });
    expect((await evaluated('x.y', '--context', '{"x": {}}')).err).toContain('missing');
  });

  it('answers typed lines by the standard, integers exact to 64 bits', async () => {
    expect(
      await answers(
        [
          { expr: 'x + 1', bindings: { x: int('9223372036854775806') } },
          { expr: 'x + 1', bindings: { x: int('9223372036854775807') } },
          { expr: 'x + 1', bindings: { x: { type: 'double', value: '2' } } },
          { expr: "[1u, 1.5, 'a', b'\\x00', null, true, duration('90s'), timestamp('2026-01-01T00:00:00Z'), type(1)]" },
          { expr: 'm[1u]', bindings: { m: { type: 'map', value: [[int('1'), { type: 'string', value: 'one' }]] } } },
          { expr: '{"a": [1]}' },
          { expr: 'unknown || true' },
        ],
        '--typed',
      ),
    ).toEqual([
      int('9223372036854775807'),
      { error: { message: expect.stringContaining('range') } },
      { error: { message: expect.stringContaining('overload') } },
      {
        type: 'list',
        value: [
          { type: 'uint', value: '1' },
          { type: 'double', value: '1.5' },
          { type: 'string', value: 'a' },
          { type: 'bytes', value: 'AA==' },
          { type: 'null', value: null },
          { type: 'bool', value: true },
          { type: 'duration', value: '90s' },
          { type: 'timestamp', value: '2026-01-01T00:00:00Z' },
          { type: 'type', value: 'int' },
        ],
      },
      { type: 'string', value: 'one' },
      {
        type: 'map',
        value: [
          [
            { type: 'string', value: 'a' },
            { type: 'list', value: [int('1')] },
          ],
        ],
      },
      { type: 'bool', value: true },
    ]);
  });

  it('answers plain lines as policies compute', async () => {
    expect(
      await answers([
        { expr: 'x + 0.5', bindings: { x: 1 } },
        { expr: 'size(xs.filter(x, x > 1))', bindings: { xs: [1, 2, 3] } },
        { expr: "m.?a.orValue('none')", bindings: { m: {} } },
        { expr: 'm.a > 3', bindings: { m: {} } },
      ]),
    ).toEqual([1.5, 2, 'none', false]);
  });

  it('goes on after a bad line', async () => {
    const deep = `${'{"type":"list","value":['.repeat(20_000)}${']}'.repeat(20_000)}`;
    const bad = [
      'not json',
      '[]',
      '{"expr": 3}',
      '{"expr": "1", "bindings": []}',
      { expr: '1 +' },
      { expr: 'x', bindings: { x: 3 } },
      { expr: 'x', bindings: { x: { type: 'int', value: '3.5' } } },
      { expr: 'x', bindings: { x: { type: 'dragon', value: '3' } } },
      `{"expr": "x", "bindings": {"x": ${deep}}}`,
      { expr: '('.repeat(100_000) },
      { expr: 'a'.repeat(1_000_000) },
    ];
    const found = await answers([...bad, '', { expr: '1' }], '--typed');
    expect(found.slice(0, -1)).toEqual(bad.map(() => ({ error: { message: expect.stringMatching(/./) } })));
    expect(found.at(-1)).toEqual(int('1'));
  });

  it('names that objects answer to are no values', async () => {
    expect(
      await answers([
        { expr: 'constructor', bindings: {} },
        { expr: 'x.toString', bindings: { x: {} } },
      ]),
    ).toEqual([
      { error: { message: expect.stringContaining('unknown name') } },
      { error: { message: expect.stringContaining('missing') } },
    ]);
  });

  it('answers each line as it comes', async () => {
    const program = join(import.meta.dirname, '../../dist/cli.js');
    expect(existsSync(program)).toBe(true);
    const child = spawn(process.execPath, [program, 'eval', '--lines', '--typed']);
    child.stdout.setEncoding('utf8');
    const answer = () => new Promise<string>((resolve) => child.stdout.once('data', resolve));
    child.stdin.write('{"expr": "1 + 1"}\n');
    expect(JSON.parse(await answer())).toEqual(int('2'));
    child.stdin.write('{"expr": "2 + 2"}\n');
    expect(JSON.parse(await answer())).toEqual(int('4'));
    child.stdin.end();
    expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(0);
  });
});
