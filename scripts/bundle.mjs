// Joins what was compiled: the edge entrance into one module, and each program into few. To find and link the hundreds
// of modules a program is made of took a third of its start. The library's modules stay as they are.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, isAbsolute, join, relative } from 'node:path';
import { rolldown } from 'rolldown';
import { fail, root } from './install.mjs';

const source = join(root, 'src');
const dist = join(root, 'dist');
const slashed = (path) => path.replaceAll('\\', '/');

/** Whose code is in the bundles; it goes with its licence. */
const packages = new Map();
function note({ output }) {
  for (const id of output.flatMap(({ moduleIds = [] }) => moduleIds)) {
    const [, place, name] = /^(.*[\\/]node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+))[\\/]/.exec(id) ?? [];
    if (place !== undefined) packages.set(slashed(name), place);
  }
}

/** dist/edge.bundle.js: the edge entrance and all it needs in one module, for runtimes without packages. */
async function bundleEdge() {
  const file = join(dist, 'edge.bundle.js');
  const bundle = await rolldown({ input: join(dist, 'edge.js'), platform: 'neutral', logLevel: 'warn' });
  note(await bundle.write({ file, format: 'esm', minify: true }));
  await bundle.close();
  const [found] =
    /\bfrom\s*["']node:[a-z/]+["']|\bimport\s*\(|\bnew Function\s*\(/.exec(readFileSync(file, 'utf8')) ?? [];
  if (found !== undefined) fail(`dist/edge.bundle.js holds ${found}, which does not run at the edge`);
}

/** The programs, by the names of their bundles: where they are below `src` and `dist`. */
const programs = { cli: 'cli', worker: 'gateway/workers/worker-program' };
const directory = join(dist, 'program');
/** Packages that are hundreds of modules themselves. All others stay where npm puts them, and can be mended there. */
const joined = ['typebox', 'libphonenumber-js'];

/** What a module finds beside itself (another program, the package, its protocols) it finds where it was compiled to. */
const places = {
  name: 'places',
  transform: {
    filter: { code: /import\.meta\.url/ },
    handler(code, id) {
      const own = slashed(relative(directory, join(dist, relative(source, id)))).replace(/\.ts$/, '.js');
      // What follows on its line stands elsewhere; lines are as they were.
      return { code: code.replaceAll('import.meta.url', `new URL('${own}', import.meta.url).href`), map: null };
    },
  },
};

async function bundlePrograms() {
  const bundle = await rolldown({
    input: Object.fromEntries(Object.entries(programs).map(([name, file]) => [name, join(source, `${file}.ts`)])),
    platform: 'node',
    external: (id) => !id.startsWith('.') && !isAbsolute(id) && !joined.includes(id.split('/')[0]),
    logLevel: 'warn',
    plugins: [places],
  });
  const written = await bundle.write({
    dir: directory,
    cleanDir: true,
    format: 'esm',
    chunkFileNames: '[name].js',
    codeSplitting: {
      groups: joined.map((name) => ({ name, test: new RegExp(`[\\\\/]node_modules[\\\\/]${name}[\\\\/]`) })),
    },
    // V8 keeps the text of a module as long as it runs: as it is read here, and at one byte a character.
    comments: false,
    charset: 'ascii',
    sourcemap: true,
    sourcemapExcludeSources: true,
  });
  note(written);
  await bundle.close();
  for (const [name, file] of Object.entries(programs)) {
    const path = join(dist, `${file}.js`);
    const from = (target) => slashed(relative(dirname(path), target)).replace(/^(?!\.)/, './');
    // What comes first in a program comes before the packages its bundle begins with.
    const lines = [join(dist, 'gateway/ticks.js'), join(directory, `${name}.js`)].map(
      (target) => `import '${from(target)}';`,
    );
    writeFileSync(path, `${name === 'cli' ? '#!/usr/bin/env node\n' : ''}${lines.join('\n')}\n`);
  }
}

/** dist/licenses.txt: the licences of all packages in the bundles. */
function writeLicenses() {
  const texts = [...packages].sort().map(([name, place]) => {
    const { version, license } = JSON.parse(readFileSync(join(place, 'package.json'), 'utf8'));
    const file = readdirSync(place).find((one) => /^licen[cs]e(\.\w+)?$/i.test(one));
    if (file === undefined) fail(`${name} is bundled and has no licence to go with it`);
    return `${name} ${version} (${license})\n\n${readFileSync(join(place, file), 'utf8').trim()}\n`;
  });
  writeFileSync(join(dist, 'licenses.txt'), texts.join(`\n${'-'.repeat(80)}\n\n`));
}

await bundleEdge();
await bundlePrograms();
writeLicenses();
