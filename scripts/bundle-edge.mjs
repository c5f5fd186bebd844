// dist/edge.bundle.js: the edge entrance and all it needs in one module, for runtimes without packages.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { rolldown } from 'rolldown';
import { fail, root } from './install.mjs';

const file = join(root, 'dist', 'edge.bundle.js');
const bundle = await rolldown({ input: join(root, 'dist', 'edge.js'), platform: 'neutral', logLevel: 'warn' });
await bundle.write({ file, format: 'esm', minify: true });
await bundle.close();
const [found] =
  /\bfrom\s*["']node:[a-z/]+["']|\bimport\s*\(|\bnew Function\s*\(/.exec(readFileSync(file, 'utf8')) ?? [];
if (found !== undefined) fail(`dist/edge.bundle.js holds ${found}, which does not run at the edge`);
