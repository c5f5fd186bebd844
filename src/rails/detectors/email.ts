import { detector } from './detector.ts';

/** Endings that say a file (`logo@2x.png`) where a top-level domain would stand. */
const files = new Set('png jpg jpeg gif svg webp bmp ico css scss js mjs ts tsx jsx json html pdf'.split(' '));

export function isEmail(text: string): boolean {
  const domain = text.slice(text.indexOf('@') + 1);
  return !files.has(domain.slice(domain.lastIndexOf('.') + 1).toLowerCase());
}

/** Letters of scripts that part words by spaces: an address in them never makes a whole sentence wait. */
const letters = 'A-Za-z\\x{C0}-\\x{24F}\\x{370}-\\x{52F}';

/**
 * A local part of the characters mailboxes really use (RFC 5322 allows more: `=`, `/` or a backquote would take in what
 * only stands before an address), a domain of at least two labels.
 */
export const email = detector({
  type: 'email',
  score: 0.99,
  pattern:
    `(?=[0-9${letters}_])(?@[0-9${letters}.'%+_~-])@` +
    `(?:[0-9${letters}](?:[0-9${letters}_-]{0,61}[0-9${letters}])?\\.)+(?:[${letters}]{2,24}|xn--[0-9a-z-]{2,59})` +
    `(?![0-9${letters}])`,
  check: isEmail,
});
