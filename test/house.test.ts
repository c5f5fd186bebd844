import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const source = join(root, 'src');

/** Which rooms a room may import (DESIGN, the house). */
const arrows: Readonly<Record<string, readonly string[]>> = {
  exchange: [],
  policy: [],
  stores: [],
  formats: ['exchange'],
  rails: ['exchange'],
  callers: ['exchange', 'stores'],
  providers: ['exchange', 'formats'],
  registry: ['policy', 'stores'],
  observe: ['exchange', 'policy', 'stores'],
  pipeline: ['exchange', 'policy', 'rails', 'callers', 'providers', 'stores', 'observe'],
  surfaces: ['pipeline', 'formats', 'registry', 'policy', 'observe', 'exchange'],
};
/** Rooms of which only the types may be imported. */
const typesOnly: Readonly<Record<string, readonly string[]>> = { observe: ['policy'] };
/** Where parts are put together: `gateway.ts` and what it keeps in `gateway/`. */
const entrances = ['gateway', 'pdp', 'edge', 'cli', 'index'];
/** What is handed out by entrances and imported by nobody else: openers of stores, logs and trails, and sinks. */
const implementation = /^(open[A-Z]\w*|\w+Sink)$/;

interface Import {
  /** Below `src`, with forward slashes. */
  readonly from: string;
  readonly to: string;
  /** Names that are imported as values. */
  readonly values: readonly string[];
  readonly typeOnly: boolean;
}

function filesBelow(directory: string, ending: RegExp): readonly string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && ending.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

const slashed = (path: string) => path.split(sep).join('/');
const files = filesBelow(source, /\.ts$/).map((path) => {
  const text = readFileSync(path, 'utf8');
  return { path, name: slashed(relative(source, path)), text, code: withoutComments(text) };
});

/** The text with comments blanked out; strings stay, and so do line numbers. */
function withoutComments(text: string): string {
  const token = /\/\*[\s\S]*?\*\/|(^|\s)\/\/[^\n]*|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/g;
  return text.replaceAll(token, (found) => (/^\s*\/[/*]/.test(found) ? found.replaceAll(/[^\n]/g, ' ') : found));
}

/** The room a file belongs to: its folder, or for a file right below `src` its own name. */
const roomOf = (name: string) => name.split('/')[0]?.replace(/\.ts$/, '') ?? '';
const isEntrance = (name: string) => entrances.includes(roomOf(name));

function importsOf({ name, path, code }: (typeof files)[number]): readonly Import[] {
  const found: Import[] = [];
  const statement = /(?:^|\n)\s*(import|export)\s+(type\s+)?([^'";]*?)\s*from\s*['"](\.[^'"]+)['"]/g;
  for (const [, , type, names = '', target = ''] of code.matchAll(statement)) {
    const list = /\{([^}]*)\}/.exec(names)?.[1] ?? '';
    const values = list
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '' && !item.startsWith('type '))
      .map((item) => item.split(/\s/)[0] ?? '');
    const typeOnly = type !== undefined || (list.trim() !== '' && values.length === 0);
    found.push({ from: name, to: below(path, target), values: typeOnly ? [] : values, typeOnly });
  }
  for (const [, target = ''] of code.matchAll(/import\s*\(\s*['"](\.[^'"]+)['"]/g)) {
    found.push({ from: name, to: below(path, target), values: [], typeOnly: false });
  }
  for (const [, target = ''] of code.matchAll(/(?:^|\n)\s*import\s*['"](\.[^'"]+)['"]/g)) {
    found.push({ from: name, to: below(path, target), values: [], typeOnly: false });
  }
  return found;
}

const below = (path: string, target: string) => slashed(relative(source, resolve(dirname(path), target)));
const imports = files.flatMap(importsOf);
const across = imports.filter(({ from, to }) => roomOf(from) !== roomOf(to));
const arrow = ({ from, to }: Import, why: string) => `src/${from} -> src/${to}: ${why}`;

/** Each line of code that a pattern finds something in, as `file:line: text`. */
function linesWith(list: readonly { readonly name: string; readonly code: string }[], pattern: RegExp): string[] {
  return list.flatMap(({ name, code }) =>
    code.split('\n').flatMap((line, index) => (pattern.test(line) ? [`${name}:${index + 1}: ${line.trim()}`] : [])),
  );
}

describe('the house', () => {
  it('is read whole: there are files, and imports between rooms', () => {
    expect(files.length).toBeGreaterThan(50);
    expect(across.length).toBeGreaterThan(50);
    expect(
      imports.filter(({ to }) => !files.some(({ name }) => name === to)).map((one) => arrow(one, 'no such file')),
    ).toEqual([]);
  });

  it('reads imports as they are written', () => {
    const code =
      "import a, { type B, c as d } from '../policy/index.ts';\nimport type { E } from './e.ts';\n// import '../x.ts';";
    expect(
      importsOf({ name: 'rails/x.ts', path: join(source, 'rails/x.ts'), text: code, code: withoutComments(code) }),
    ).toEqual([
      { from: 'rails/x.ts', to: 'policy/index.ts', values: ['c'], typeOnly: false },
      { from: 'rails/x.ts', to: 'rails/e.ts', values: [], typeOnly: true },
    ]);
  });

  it('has the rooms of the design and no others', () => {
    const rooms = new Set(files.map(({ name }) => roomOf(name)));
    expect(
      [...rooms].filter((room) => arrows[room] === undefined && !entrances.includes(room) && room !== 'config'),
    ).toEqual([]);
  });

  it('has its arrows pointing down', () => {
    const broken = across.flatMap((one) => {
      const [from, to] = [roomOf(one.from), roomOf(one.to)];
      if (isEntrance(one.from)) return [];
      if (to === 'config') return [arrow(one, 'only entrances import the configuration')];
      if (entrances.includes(to)) return [arrow(one, 'nobody imports an entrance')];
      if (from === 'config') return [];
      const allowed = arrows[from] ?? [];
      if (!allowed.includes(to)) return [arrow(one, `${from} may import ${allowed.join(', ') || 'nothing'}`)];
      if (typesOnly[from]?.includes(to) && !one.typeOnly) return [arrow(one, `${from} may import only types of ${to}`)];
      return [];
    });
    expect(broken).toEqual([]);
  });

  it('is entered by its faces: another room is imported through its index.ts', () => {
    const faces = across.filter(({ from }) => !isEntrance(from));
    expect(faces.filter(({ to }) => !/^\w+\/index\.ts$/.test(to)).map((one) => arrow(one, 'not a face'))).toEqual([]);
    const inner = imports.filter(({ from, to }) => isEntrance(from) && to.startsWith('config/'));
    expect(inner.map((one) => arrow(one, 'the face of the configuration is config.ts'))).toEqual([]);
  });

  it('hands implementations out at its entrances alone', () => {
    const taken = across.flatMap((one) =>
      isEntrance(one.from)
        ? []
        : one.values
            .filter((value) => implementation.test(value))
            .map((value) => arrow(one, `imports ${value}; be handed the port`)),
    );
    expect(taken).toEqual([]);
  });

  it('loads nothing of what serves calls in the process of a fleet that serves none', () => {
    const loaded = new Set(['gateway/fleet.ts']);
    for (const one of loaded)
      for (const { from, to, typeOnly } of imports) if (from === one && !typeOnly) loaded.add(to);
    expect(loaded.size).toBeGreaterThan(50);
    expect([...loaded].filter((name) => roomOf(name) === 'rails' || name === 'pipeline/handle.ts')).toEqual([]);
  });

  it('has an engine without input, output, clock or chance', () => {
    const engine = files.filter(({ name }) => ['policy', 'exchange'].includes(roomOf(name)));
    expect(
      linesWith(
        engine,
        /from\s*['"]node:|\brequire\(|\bprocess\.|\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bperformance\.|\beval\(|\bnew Function\b/,
      ),
    ).toEqual([]);
  });

  it('knows vendors by name in providers and formats alone', () => {
    const vendor =
      '(openai|anthropic|azure|groq|mistral|gemini|google|vertex|bedrock|cohere|deepseek|fireworks|together|openrouter|ollama|vllm|xai|perplexity)';
    const compared = new RegExp(
      `(?:[=!]==?\\s*|\\bcase\\s+|(?:includes|startsWith|endsWith|indexOf|has|test)\\(\\s*)['"\`]${vendor}\\b|['"\`]${vendor}[\\w-]*['"\`]\\s*[=!]==?`,
    );
    const elsewhere = files.filter(({ name }) => !['providers', 'formats'].includes(roomOf(name)));
    expect(linesWith(elsewhere, compared)).toEqual([]);
    expect(compared.test("if (provider.id === 'openai') return")).toBe(true);
    expect(compared.test("case 'anthropic-messages':")).toBe(true);
  });

  it('has no room for what belongs nowhere', () => {
    const folders = new Set(files.flatMap(({ name }) => name.split('/').slice(0, -1)));
    expect(
      ['utils', 'util', 'helpers', 'helper', 'common', 'types', 'lib', 'shared', 'misc'].filter((name) =>
        folders.has(name),
      ),
    ).toEqual([]);
  });

  it('has files that can be read in one sitting, named after what they export', () => {
    const long = files
      .filter(({ name }) => roomOf(name) !== 'formats')
      .map(({ name, text }) => ({ name, lines: text.split('\n').length - 1 }))
      .filter(({ lines }) => lines > 300);
    expect(long).toEqual([]);
    const lengths = files.map(({ text }) => text.split('\n').length).sort((a, b) => a - b);
    expect(lengths[Math.floor(lengths.length / 2)]).toBeLessThan(100);
    expect(
      files.map(({ name }) => basename(name)).filter((name) => !/^[a-z0-9]+(-[a-z0-9]+)*\.ts$/.test(name)),
    ).toEqual([]);
  });

  it('names no machine it was built on', () => {
    const folders = ['src', 'config', 'policies', 'providers', 'scripts', 'deploy', 'docs', 'bench', 'test'];
    const texts = folders.flatMap((folder) =>
      filesBelow(join(root, folder), /\.(ts|mjs|js|json|ya?ml|md|sh)$/).map((path) => ({
        name: slashed(relative(root, path)),
        code: readFileSync(path, 'utf8'),
      })),
    );
    const here = slashed(resolve(root));
    const named = texts.flatMap(({ name, code }) => (code.includes(here) ? [`${name}: names ${here}`] : []));
    const home = new RegExp(`(?<![\\w.])/(${['work', 'home', 'root', 'Users'].join('|')})/[\\w.-]+|[A-Z]:\\\\Users`);
    // Tests may have to show that such a path does not leak.
    const shipped = texts.filter(({ name }) => !name.startsWith('test/'));
    expect([...named, ...linesWith(shipped, home)]).toEqual([]);
  });
});
