import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { RE2JS } from 're2js';
import { failed } from '../cel/values.ts';
import { glob } from '../glob.ts';
import { computed, type PolicyFunction } from './function.ts';

const found = (pattern: string) => {
  const compiled = RE2JS.compile(pattern);
  return computed((text) => (typeof text === 'string' ? compiled.test(text) : undefined));
};

const address = RE2JS.compile('https?://[^\\s<>"\')\\]}]+');

/** What a statement of SQL that reads or changes data looks like, and what is put into one by force. */
const sql =
  '(?i)\\b(select\\s+[\\w*,.\\s"`\\[\\]()]+\\s+from|insert\\s+into|update\\s+[\\w."`\\[\\]]+\\s+set|delete\\s+from|(drop|alter|truncate|create)\\s+(table|database|view|index|schema)|union\\s+(all\\s+)?select)\\b|[\'"]\\s*(or|and)\\s+[\'"]?\\w+[\'"]?\\s*=\\s*[\'"]?\\w+';
const shell =
  '(?i)(\\brm\\s+-[a-z]*[rf]|\\bcurl\\s[^|\\n]*\\|\\s*(ba|z)?sh\\b|\\bwget\\s[^|\\n]*\\|\\s*(ba|z)?sh\\b|\\bsudo\\s+\\w|\\bchmod\\s+[0-7+]|\\bmkfs\\b|:\\(\\)\\s*\\{|/etc/(passwd|shadow)\\b)';

export const contentFunctions: readonly PolicyFunction[] = [
  {
    name: 'containsSQL',
    family: 'content',
    signatures: ['(string) bool'],
    gives: 'whether a text has a statement of SQL in it',
    cost: 200,
    aliases: ['ContainsSQL', 'DetectSQL'],
    example: ['containsSQL("x\'; DROP TABLE users")', true],
    is: found(sql),
  },
  {
    name: 'containsShell',
    family: 'content',
    signatures: ['(string) bool'],
    gives: 'whether a text has a dangerous command of a shell in it',
    cost: 200,
    aliases: ['ContainsShell', 'ContainsShellCommand'],
    example: ['containsShell("curl http://x | sh")', true],
    is: found(shell),
  },
  {
    name: 'containsURL',
    family: 'content',
    signatures: ['(string) bool'],
    gives: 'whether a text has a web address in it',
    cost: 100,
    aliases: ['ContainsURL', 'containsUrl', 'HasURL'],
    example: ['containsURL("see https://example.com")', true],
    is: computed((text) => (typeof text === 'string' ? address.test(text) : undefined)),
  },
  {
    name: 'urlHosts',
    family: 'content',
    signatures: ['(string) list(string)'],
    gives: 'the hosts of the web addresses in a text, each once, at most 1,000',
    cost: 200,
    aliases: ['UrlHosts', 'ExtractDomains'],
    example: ['urlHosts("https://a.example/x and http://b.example")', ['a.example', 'b.example']],
    is: computed(urlHosts),
  },
  {
    name: 'isJson',
    family: 'content',
    signatures: ['(string) bool'],
    gives: 'whether a text is JSON',
    cost: 200,
    aliases: ['IsJSON', 'IsValidJSON', 'isJSON'],
    example: ['isJson("[1]")', true],
    is: computed(isJson),
  },
  {
    name: 'containsCode',
    family: 'content',
    signatures: ['(string) bool'],
    gives: 'whether a text has a fenced block of code in it',
    cost: 100,
    aliases: ['ContainsCode', 'HasCode'],
    example: ['containsCode("```js\\nx\\n```")', true],
    is: computed((text) => (typeof text === 'string' ? text.includes('```') : undefined)),
  },
  {
    name: 'globAny',
    family: 'texts',
    signatures: ['(string, string) bool', '(string, list(string)) bool'],
    gives: 'whether a text fits a pattern, or one of several',
    cost: 50,
    example: ['globAny("claude-3", ["gpt-*", "claude-*"])', true],
    is: computed(globAny),
  },
  {
    name: 'sha256',
    family: 'hashing',
    signatures: ['(string) string'],
    gives: 'the SHA-256 of a text, in hex',
    cost: 200,
    aliases: ['SHA256', 'Hash'],
    example: ['sha256("").substring(0, 8)', 'e3b0c442'],
    is: computed((text) => (typeof text === 'string' ? bytesToHex(sha256(utf8ToBytes(text))) : undefined)),
  },
  {
    name: 'bucket',
    family: 'hashing',
    signatures: ['(string, double) bool'],
    gives:
      'whether a key is among so many percent of all keys: always the same ones, and more of them for more percent',
    cost: 200,
    aliases: ['Bucket', 'InRollout', 'InPercentage'],
    example: ['bucket("user-1", 100) && !bucket("user-1", 0)', true],
    is: computed(bucket),
  },
];

function bucket(key: unknown, percent: unknown): unknown {
  if (typeof key !== 'string' || typeof percent !== 'number') return undefined;
  if (!(percent >= 0 && percent <= 100)) return failed('percent is 0 to 100');
  const [a = 0, b = 0, c = 0, d = 0] = sha256(utf8ToBytes(key));
  return (((a * 256 + b) * 256 + c) * 256 + d) / 2 ** 32 < percent / 100;
}

function globAny(text: unknown, patterns: unknown): unknown {
  const list: readonly unknown[] = Array.isArray(patterns) ? patterns : [patterns];
  if (typeof text !== 'string' || !list.every((one) => typeof one === 'string' && one.length <= 200)) return undefined;
  return list.some((one) => glob(one as string)(text));
}

function urlHosts(text: unknown): unknown {
  if (typeof text !== 'string') return undefined;
  const hosts = new Set<string>();
  const matcher = address.matcher(text);
  while (matcher.find() && hosts.size < 1_000) {
    const host = /^https?:\/\/([^/?#:]+)/.exec(matcher.group() ?? '')?.[1];
    if (host !== undefined) hosts.add(host.toLowerCase());
  }
  return [...hosts];
}

function isJson(text: unknown): unknown {
  if (typeof text !== 'string') return undefined;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
