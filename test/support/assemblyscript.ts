import { readFileSync } from 'node:fs';
import asc from 'assemblyscript/asc';

/** Compiles a rule as its template says; `pages` is the declared maximum of its memory, 0 for none, `first` what it begins with. */
export async function assembled(source: string, pages = 32, first = 2): Promise<Uint8Array> {
  let bytes: Uint8Array | undefined;
  const limits = ['--initialMemory', String(first), ...(pages === 0 ? [] : ['--maximumMemory', String(pages)])];
  const args = ['rule.ts', '--outFile', 'rule.wasm', '--runtime', 'stub', '--optimize', ...limits];
  const { error, stderr } = await asc.main(source.includes('// with abort') ? args : [...args, '--use', 'abort='], {
    readFile: (name) => (name === 'rule.ts' ? source : null),
    writeFile: (name, contents) => {
      if (name === 'rule.wasm') bytes = contents as Uint8Array;
    },
    listFiles: () => [],
  });
  if (error !== null || bytes === undefined) throw new Error(`${error?.message} ${stderr.toString()}`);
  return bytes;
}

export const template = readFileSync(new URL('../../examples/wasm/assemblyscript/rule.ts', import.meta.url), 'utf8');
