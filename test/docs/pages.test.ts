import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loadConfig, loadPdpConfig, problemText } from '../../src/config.ts';
import { failures } from '../../src/exchange/index.ts';
import { parsePolicies, runPolicyTests } from '../../src/policy/index.ts';
import type { Command } from '../../src/surfaces/cli/command.ts';
import { type Block, blocksOf, fileOf, root } from './blocks.ts';
import { generated } from './generated.ts';

const pages = [
  'README.md',
  'CHANGELOG.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const textOf = (page: string) => readFileSync(join(root, page), 'utf8');

const scratch = mkdtempSync(join(tmpdir(), 'llm-policy-pages-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe('generated parts', () => {
  const mark = /<!-- generated: (\w+) -->\n([\s\S]*?)<!-- end of generated -->/g;
  const parts = pages.flatMap((page) => Array.from(textOf(page).matchAll(mark), ([, name = '']) => [page, name]));

  it('are all of those there are', () => {
    expect(parts.map(([, name]) => name).sort()).toEqual(Object.keys(generated).sort());
  });

  // UPDATE_DOCS=1 writes them anew.
  it.each(parts)('%s says of %s what the code says', (page = '', name = '') => {
    const made = `\n${generated[name]?.() ?? ''}\n\n`;
    const text = textOf(page);
    if (process.env.UPDATE_DOCS === '1') {
      writeFileSync(
        join(root, page),
        text.replace(mark, (whole, one: string, before: string) =>
          one === name ? whole.replace(`-->\n${before}<!--`, () => `-->\n${made}<!--`) : whole,
        ),
      );
    } else {
      const found = Array.from(text.matchAll(mark)).find(([, one]) => one === name);
      expect(found?.[2]).toBe(made);
    }
  });
});

describe('links', () => {
  const links = pages
    .flatMap((page) =>
      Array.from(textOf(page).matchAll(/\]\(([^)\s]+)\)/g), ([, target = '']) => [page, target] as const),
    )
    .filter(([, target]) => !/^https?:/.test(target));

  /** A heading's anchor, as GitHub makes it. */
  const anchor = (heading: string) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .trim()
      .replaceAll(' ', '-');

  it('are there', () => expect(links.length).toBeGreaterThan(30));

  it.each(links)('%s leads to %s', (page, target) => {
    const [path = '', place] = target.split('#');
    const file = path === '' ? join(root, page) : resolve(root, dirname(page), path);
    expect(existsSync(file), `${path} is there`).toBe(true);
    if (place === undefined) return;
    const anchors = Array.from(readFileSync(file, 'utf8').matchAll(/^#+ (.*)$/gm), ([, heading = '']) =>
      anchor(heading),
    );
    expect(anchors).toContain(place);
  });
});

describe('YAML that pages show', () => {
  const blocks = pages.flatMap((page) => blocksOf(page).filter(({ language }) => language === 'yaml'));
  const kind = (pattern: RegExp) => blocks.filter((block) => pattern.test(fileOf(block) ?? '')).map(named);
  const named = (block: Block) => [block.place, fileOf(block) ?? '', block] as const;

  it('is a file of a known kind, each', () => {
    const known = /^(config\/(gateway|pdp)|deploy\/kubernetes\/[\w-]+|(providers|policies)\/.*)\.yaml$/;
    expect(blocks.filter((block) => !known.test(fileOf(block) ?? '')).map(({ place }) => place)).toEqual([]);
  });

  const load = async (text: string) => {
    writeFileSync(join(scratch, 'gateway.yaml'), text);
    const { problems } = await loadConfig({ file: 'gateway.yaml', env: {}, cwd: scratch, base: root });
    return problems.map(problemText);
  };

  it.each(kind(/^config\/pdp/))("%s is a daemon's configuration that loads (%s)", async (_place, _file, { text }) => {
    writeFileSync(join(scratch, 'pdp.yaml'), text);
    const { problems } = await loadPdpConfig({ file: 'pdp.yaml', env: {}, cwd: scratch, base: root });
    expect(problems.map(problemText)).toEqual([]);
  });

  it.each(kind(/^config\/gateway/))('%s is a configuration that loads (%s)', async (_place, _file, { text }) => {
    expect(await load(text)).toEqual([]);
  });

  it.each(kind(/^providers\//))('%s is a provider that loads (%s)', async (_place, file, { text }) => {
    writeFileSync(join(scratch, basename(file)), text);
    expect(await load(`providers: ["${join(scratch, basename(file))}", ./providers/demo.yaml]`)).toEqual([]);
  });

  it.each(kind(/^policies\/.*(?<!policytest)\.yaml$/))('%s is a policy that loads (%s)', (_place, file, { text }) => {
    expect(parsePolicies(text, { file })).toHaveLength(1);
  });

  it.each(kind(/\.policytest\.yaml$/))('%s is a test that passes (%s)', (_place, file, { text }) => {
    const policy = (reference: string) => {
      const shown = blocks.find((block) => fileOf(block) === join(dirname(file), reference));
      return parsePolicies(shown?.text ?? '', { file: reference });
    };
    const { failed, passed } = runPolicyTests(text, policy, { file });
    expect([failed, passed > 0]).toEqual([0, true]);
  });
});

/** Options of every command. */
const everywhere = new Set(['--json', '--config', '--help']);

describe('what pages say of the program', () => {
  it('errors.md tells every failure with its status, and whether it is worth trying again', () => {
    const rows = Array.from(textOf('docs/errors.md').matchAll(/^\| `(\w+)` \| (\d+) \| (yes|no) \|/gm));
    const told = rows.map(([, name, status, retry]) => [name, Number(status), retry === 'yes']);
    const real = Object.entries(failures).map(([name, { status, retryable }]) => [name, status, retryable]);
    expect(told.sort()).toEqual(real.sort());
  });

  it('api.md tells every route', () => {
    const folder = join(root, 'src/surfaces/http');
    const sources = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'));
    const routes = new Set(
      sources.flatMap((text) => Array.from(text.matchAll(/'(\/[a-z0-9_/:*]+)'/g), ([, route = '']) => route)),
    );
    expect(routes.size).toBeGreaterThan(15);
    const page = textOf('docs/api.md');
    const shown = (route: string) => route.replace(/\/\*$/, '').replaceAll(/:(\w+)/g, '{$1}');
    expect([...routes].filter((route) => route !== '/*' && !page.includes(shown(route)))).toEqual([]);
  });

  it('commands and options that pages name are there', async () => {
    const folder = join(root, 'src/surfaces/cli');
    const exported = await Promise.all(readdirSync(folder).map((name) => import(join(folder, name))));
    const usages = new Map(
      exported
        .flatMap((module) => Object.values(module as object))
        .filter((value): value is Command => typeof value?.run === 'function' && typeof value.usage === 'string')
        .map(({ name, usage }) => [name, usage]),
    );
    const lines = pages.flatMap((page) =>
      Array.from(textOf(page).matchAll(/npx llm-policy ([^\n`#]+)/g), ([, line = '']) => [page, line.trim()] as const),
    );
    expect(lines.length).toBeGreaterThan(15);
    for (const [page, line] of lines) {
      const [command = '', verb = ''] = line.split(/\s+/);
      const usage = usages.get(command) ?? '';
      expect(usage, `${page}: ${line}`).toContain(`llm-policy ${command}`);
      const hasVerbs = new RegExp(`^ {2}llm-policy ${command} [a-z]`, 'm').test(usage);
      if (hasVerbs) expect(usage, `${page}: ${line}`).toContain(`llm-policy ${command} ${verb}`);
      const options = line.match(/(?<=\s)--[a-z-]+/g) ?? [];
      for (const option of options.filter((one) => !everywhere.has(one))) {
        expect(usage, `${page}: ${line}`).toMatch(new RegExp(`${option}(?![a-z-])`));
      }
    }
  });
});
