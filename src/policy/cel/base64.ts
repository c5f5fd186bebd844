import { type CelError, failed } from './values.ts';

/** Standard base64, with padding. */
export function base64Of(bytes: Uint8Array): string {
  let binary = '';
  for (let at = 0; at < bytes.length; at += 8192) binary += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(binary);
}

/** Padding may be missing. */
export function bytesOfBase64(text: string): Uint8Array | CelError {
  let end = text.length;
  while (text[end - 1] === '=') end--;
  const bare = text.slice(0, end);
  if (!/^[A-Za-z0-9+/]*$/.test(bare) || bare.length % 4 === 1) return failed('not base64');
  return Uint8Array.from(atob(bare), (character) => character.charCodeAt(0));
}
