import { Failure } from '../exchange/index.ts';
import type { Headers } from './identity.ts';

/** What a key marked `may_assert` says about whom it calls for. */
export interface Assertion {
  readonly user?: string;
  readonly project?: string;
  readonly tags: readonly string[];
}

const nothing: Assertion = { tags: [] };
const namePattern = /^[A-Za-z0-9._@+|=:/-]{1,128}$/;
const tagPattern = /^[A-Za-z0-9._@+=:/-]{1,64}$/;
/** Of one call. */
export const tagsMax = 16;

/** Whether a word may be a tag. */
export function isTag(word: string): boolean {
  return tagPattern.test(word);
}

/** Reads `x-llm-user`, `x-llm-project` and `x-llm-tags` (separated by commas). Throws `invalid_request` naming the header. */
export function assertionOf(headers: Headers): Assertion {
  const user = headers['x-llm-user'];
  const project = headers['x-llm-project'];
  const tags = headers['x-llm-tags'];
  if (user === undefined && project === undefined && tags === undefined) return nothing;
  return {
    ...(user === undefined ? {} : { user: name('x-llm-user', user) }),
    ...(project === undefined ? {} : { project: name('x-llm-project', project) }),
    tags: tags === undefined ? [] : tagList(tags),
  };
}

function name(header: string, value: string | string[]): string {
  if (typeof value === 'string' && namePattern.test(value)) return value;
  throw malformed(header, 'one name of 1 to 128 letters, digits or . _ @ + | = : / -');
}

function tagList(value: string | string[]): readonly string[] {
  const tags = (typeof value === 'string' ? value : value.join(',')).split(',').map((tag) => tag.trim());
  if (tags.length > tagsMax || !tags.every(isTag)) {
    throw malformed('x-llm-tags', `at most ${tagsMax} tags of 1 to 64 letters, digits or . _ @ + = : / -`);
  }
  return [...new Set(tags)];
}

function malformed(header: string, rule: string): Failure {
  return new Failure('invalid_request', `The header ${header} is malformed: ${rule}.`, { param: header });
}
