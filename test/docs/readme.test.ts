import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Block, blocksOf, fileOf, root, shows } from './blocks.ts';
import { type Checkout, openCheckout } from './checkout.ts';

/** Pages whose every block is tried, in the order in which somebody may read them. */
const pages = ['README.md', 'docs/api.md'];
const blocks = pages.flatMap(blocksOf);

/** What is done with a block. What a page shows of an output belongs to the block before it. */
const doing: Readonly<Record<string, string>> = {
  sh: 'does what it says',
  js: 'runs',
  python: pythonHas('openai') ? 'runs' : 'is Python (syntax only: the package openai is not installed here)',
  yaml: 'is a file that is taken up',
  json: 'is what was printed',
  text: 'is what was printed',
};

const npm = /^(?<environment>(?:[A-Z_]+=\S+ )*)npm (?<script>start|test)(?: +#.*)?$/;
const patience_ms = 15_000;
/** The demo model's card number, which no reply may show. */
const card = ['4111', '1111'].join(' ');

/** Walks the pages from top to bottom, as a reader would. Each block's own test tells how it went. */
class Reading {
  readonly failures = new Map<Block, Error>();
  readonly announced: string[] = [];
  readonly #checkout: Checkout;
  #serving = false;

  constructor(checkout: Checkout) {
    this.#checkout = checkout;
  }

  async whole(): Promise<void> {
    for (const [index, block] of blocks.entries()) {
      const next = blocks[index + 1];
      const output = next !== undefined && isOutput(next) ? next : undefined;
      try {
        await this.#one(block, output);
      } catch (error) {
        this.failures.set(block, error as Error);
        if (output !== undefined) this.failures.set(output, error as Error);
      }
    }
  }

  async #one(block: Block, output: Block | undefined): Promise<void> {
    const text = this.#checkout.local(block.text);
    switch (block.language) {
      case 'sh':
        return npm.test(text.split('\n')[0] ?? '') ? this.#npm(text) : this.#shell(text, output);
      case 'js':
        this.#checkout.write('block.mjs', text);
        return this.#runs(process.execPath, ['block.mjs']);
      case 'python':
        this.#checkout.write('block.py', text);
        if (pythonHas('openai')) return this.#runs('python3', ['block.py']);
        return pythonHas('py_compile') ? this.#runs('python3', ['-m', 'py_compile', 'block.py']) : undefined;
      case 'yaml': {
        const file = fileOf(block);
        if (file === undefined) throw new Error('the first line does not name the file');
        this.#checkout.write(file, `${text}\n`);
        return;
      }
    }
  }

  async #npm(lines: string): Promise<void> {
    for (const line of lines.split('\n')) {
      const { script, environment = '' } = npm.exec(line)?.groups ?? {};
      if (script === undefined) throw new Error(`neither npm start nor npm test: ${line}`);
      // `npm test` runs this file: its steps are looked at below.
      if (script === 'test') continue;
      const given = environment.trim().split(' ').filter(Boolean);
      const variables = Object.fromEntries(given.map((one) => one.split('=') as [string, string]));
      this.#serving = false;
      this.announced.push(await this.#checkout.start(variables));
      this.#serving = true;
    }
  }

  /** Until it prints what the page shows: a saved file is taken up, a record delivered within moments. */
  async #shell(lines: string, output: Block | undefined): Promise<void> {
    const shown = output === undefined ? undefined : this.#checkout.local(output.text);
    for (const until = Date.now() + (this.#serving ? patience_ms : 0); ; ) {
      const { code, out, err } = await this.#checkout.shell(lines);
      if (out.includes(card)) throw new Error(`a card number was shown:\n${out}`);
      if (code === 0 && (shown === undefined ? !out.includes('"error"') : shows(shown, out))) return;
      if (Date.now() > until)
        throw new Error(`ended with ${code}, printed\n${out}\n${err}\ninstead of\n${shown ?? ''}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  async #runs(command: string, args: readonly string[]): Promise<void> {
    const { code, out, err } = await this.#checkout.program(command, args);
    if (code !== 0) throw new Error(`ended with ${code}:\n${out}\n${err}`);
  }
}

function isOutput({ language }: Block): boolean {
  return language === 'json' || language === 'text';
}

function pythonHas(module: string): boolean {
  return spawnSync('python3', ['-c', `import ${module}`], { stdio: 'ignore' }).status === 0;
}

let checkout: Checkout;
let reading: Reading;

beforeAll(async () => {
  // As `npm start` and `npm test` do it first: what is tried is the program as it is built, not as it was.
  const steps = "import { checkNode, build } from './scripts/install.mjs'; checkNode(); build();";
  const built = spawnSync(process.execPath, ['--input-type=module', '-e', steps], { cwd: root, encoding: 'utf8' });
  expect(built.status, built.stdout + built.stderr).toBe(0);
  checkout = await openCheckout();
  reading = new Reading(checkout);
  await reading.whole();
}, 180_000);

afterAll(() => checkout?.close());

describe('pages that are tried', () => {
  it('have no block that nobody tries, and each output stands behind what prints it', () => {
    expect(blocks.length).toBeGreaterThan(10);
    expect(blocks.filter(({ language }) => doing[language] === undefined)).toEqual([]);
    const orphans = blocks.filter((block, index) => isOutput(block) && blocks[index - 1]?.language !== 'sh');
    expect(orphans).toEqual([]);
  });

  it.each(blocks.map((block) => [block.place, block.language, doing[block.language], block] as const))(
    '%s (%s) %s',
    (_place, _language, _does, block) => {
      expect(reading.failures.get(block)?.message).toBeUndefined();
    },
  );

  it('say of npm start what it does: base URL, team key and a curl line are printed', () => {
    expect(reading.announced.length).toBeGreaterThan(0);
    for (const printed of reading.announced) {
      expect(printed).toMatch(/base URL {3}http:\/\/127\.0\.0\.1:\d+\/v1/);
      expect(printed).toMatch(/team key {3}lpk_\w+/);
      expect(printed).toContain('/v1/chat/completions');
    }
  });

  it('say of npm test what it does: dependencies, a Redis server, the build, the linter, every test', () => {
    const { scripts, bin, engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      readonly scripts: Readonly<Record<string, string>>;
      readonly bin: Readonly<Record<string, string>>;
      readonly engines: Readonly<Record<string, string>>;
    };
    expect(scripts.test).toBe('node scripts/test.mjs');
    const steps = readFileSync(join(root, 'scripts/test.mjs'), 'utf8');
    const order = ['installPackages()', "installServer('redis-server'", 'build()', "'lint'", 'vitest.mjs'].map((step) =>
      steps.lastIndexOf(step),
    );
    expect(order).toEqual([...order].sort((a, b) => a - b));
    expect(Math.min(...order)).toBeGreaterThan(0);
    expect(bin).toEqual({ 'llm-policy': './dist/cli.js' });
    expect(engines.node).toBe('>=20.19');
  });
});
