const utf8 = new TextDecoder('utf-8', { fatal: true });
const utf16 = new TextDecoder('utf-16le', { fatal: true });

/** Share of units that must be readable for bytes to count as text. */
const readable_min = 0.9;

function readable(text: string): boolean {
  let good = 0;
  let letters = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if ((code >= 0x20 && code < 0x7f) || code === 0x0a || code === 0x0d || code === 0x09 || code >= 0xa0) good++;
    if ((code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a) letters++;
    else if (code >= 0xa0) letters++;
  }
  return text.length >= 3 && good >= text.length * readable_min && letters * 2 >= text.length;
}

/**
 * Whether bytes can be UTF-8 of readable text, without decoding them: most runs that look like base64 are words or keys,
 * and a decoder that throws is dear.
 */
function plausible(bytes: Uint8Array): boolean {
  let bad = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0;
    if (byte < 0x80) {
      if ((byte < 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) || byte === 0x7f) bad++;
      continue;
    }
    const more =
      byte >= 0xc2 && byte < 0xe0 ? 1 : byte >= 0xe0 && byte < 0xf0 ? 2 : byte >= 0xf0 && byte < 0xf5 ? 3 : 0;
    if (more === 0) return false;
    for (let k = 0; k < more; k++) if (((bytes[++i] ?? 0) & 0xc0) !== 0x80) return false;
  }
  return bytes.length >= 3 && bad * 10 <= bytes.length;
}

/** Bytes as text, or undefined where they are none: a picture or a key in base64 is not a disguise. */
export function textOf(bytes: Uint8Array): string | undefined {
  if (bytes.length >= 6 && bytes.length % 2 === 0 && bytes[1] === 0 && bytes[3] === 0) return decoded(utf16, bytes);
  return plausible(bytes) ? decoded(utf8, bytes) : undefined;
}

function decoded(decoder: InstanceType<typeof TextDecoder>, bytes: Uint8Array): string | undefined {
  try {
    const text = decoder.decode(bytes);
    return readable(text) ? text : undefined;
  } catch {
    return undefined;
  }
}
