import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Source } from './document.ts';
import {
  basePath,
  filesBelow,
  nameBelow,
  type Reading,
  readText,
  reasonOf,
  shownPath,
  type TextFile,
} from './files.ts';
import type { Problem } from './problem.ts';
import type { GatewayDocument } from './schema.ts';

export interface LoadedPolicies {
  readonly files: readonly TextFile[];
  readonly problems: readonly Problem[];
}

/**
 * The texts of the enabled policies, sorted by path, and after them those that others may be made of; their tests (`*.policytest.yaml`) are not policies. A directory
 * that is missing or empty, and a pattern that matches nothing, are problems: a vanished mount must not mean allow.
 */
export async function loadPolicies(
  settings: Pick<GatewayDocument['policies'], 'path' | 'enabled'>,
  reading: Reading,
  source: Source,
): Promise<LoadedPolicies> {
  const directory = basePath(settings.path, reading);
  let paths: readonly string[];
  try {
    paths = (await filesBelow(directory, reading)).filter((path) => !/\.policytest\.\w+$/.test(path));
  } catch (error) {
    reading.watched.add(directory);
    return { files: [], problems: [source.problem(['policies', 'path'], `${settings.path} ${reasonOf(error)}`)] };
  }
  if (paths.length === 0) {
    const message = `${settings.path} holds no policy; a gateway without policies would allow everything`;
    return { files: [], problems: [source.problem(['policies', 'path'], message)] };
  }
  const problems: Problem[] = [];
  const enabled = new Set<string>();
  for (const [index, pattern] of settings.enabled.entries()) {
    const matches = matcher(pattern);
    const matched = paths.filter((path) => matches(nameBelow(directory, path)));
    for (const path of matched) enabled.add(path);
    if (matched.length === 0) {
      problems.push(
        source.problem(['policies', 'enabled', index], `'${pattern}' matches no policy below ${settings.path}`),
      );
    }
  }
  if (settings.enabled.length === 0) {
    problems.push(
      source.problem(
        ['policies', 'enabled'],
        'no policy is enabled; a gateway without policies would allow everything',
      ),
    );
  }
  const files: TextFile[] = [];
  for (const path of paths) if (enabled.has(path)) files.push(await fileOf(path, reading));
  // Policies are made of others, and those need not be in force themselves.
  if (files.some(({ text }) => composes.test(text))) {
    for (const path of paths) if (!enabled.has(path)) files.push({ ...(await fileOf(path, reading)), library: true });
  }
  return { files, problems };
}

async function fileOf(path: string, reading: Reading): Promise<TextFile> {
  const text = await readText(path, reading);
  const file = { path: shownPath(path, reading.cwd), place: path, text };
  return text.includes('.wasm') ? { ...file, modules: await modulesOf(file, reading) } : file;
}

const mention = /"([^"\n]+\.wasm)"|'([^'\n]+\.wasm)'|([^\s"',{}[\]]+\.wasm)\b/g;

/** The modules a policy's text mentions. What is wrong with one is told when the policy is read. */
async function modulesOf({ text, place }: TextFile, reading: Reading): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const [, double, single, plain] of text.matchAll(mention)) {
    const name = double ?? single ?? plain ?? '';
    const path = resolve(dirname(place), name);
    reading.watched.add(path);
    const bytes = await readFile(path).catch(() => undefined);
    found[name] = bytes === undefined ? '' : carried(bytes);
  }
  return found;
}

/** No rule may have a larger one: `wasmLimits` of the rails, which the process that only has workers does not load. */
const module_bytes_max = 4 * 1024 * 1024;

function carried(bytes: Buffer): string {
  if (bytes.length <= module_bytes_max) return bytes.toString('base64');
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

const composes = /\b(extends|include)\b["']?\s*:/;

/** `*` stands for any run of characters within a folder, `**` for any run at all. The ending may be given or not. */
function matcher(pattern: string): (name: string) => boolean {
  const source = pattern
    .replace(/\.(ya?ml|json)$/, '')
    .replaceAll(/[\\^$.+?()[\]{}|]/g, '\\$&')
    .replaceAll(/\*\*\/?|\*/g, (stars) => (stars === '**/' ? '(?:.*/)?' : stars === '**' ? '.*' : '[^/]*'));
  const expression = new RegExp(`^${source}$`);
  return (name) => expression.test(name);
}
