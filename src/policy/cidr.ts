/** A network: the leading bits of its addresses, and how many they are. IPv4 lives in the IPv6 space as `::ffff:a.b.c.d`. */
export interface Network {
  readonly bits: bigint;
  readonly prefix: number;
}

/** Reads `10.0.0.0/8`, `2001:db8::/32` or a single address; undefined where it is none. */
export function parseCidr(text: string): Network | undefined {
  const slash = text.indexOf('/');
  const address = slash < 0 ? text : text.slice(0, slash);
  const bits = parseAddress(address);
  if (bits === undefined) return undefined;
  const width = address.includes(':') ? 128 : 32;
  if (slash < 0) return { bits, prefix: 128 };
  const digits = text.slice(slash + 1);
  if (!/^\d{1,3}$/.test(digits) || Number(digits) > width) return undefined;
  const prefix = Number(digits) + (128 - width);
  return { bits: bits >> BigInt(128 - prefix), prefix };
}

/** Whether a network holds an address's bits. */
export function holds(network: Network, address: bigint): boolean {
  return address >> BigInt(128 - network.prefix) === network.bits;
}

/** The 128 bits of an IPv4 or IPv6 address; undefined where the text is none. */
export function parseAddress(text: string): bigint | undefined {
  if (!text.includes(':')) {
    const v4 = parseV4(text);
    return v4 === undefined ? undefined : 0xffff00000000n | BigInt(v4);
  }
  return parseV6(text);
}

function parseV4(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let bits = 0;
  for (const part of parts) {
    // A leading zero reads as octal elsewhere: an address two programs could read differently is none.
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    bits = bits * 256 + Number(part);
  }
  return bits;
}

function parseV6(text: string): bigint | undefined {
  let groups = text;
  const lastColon = text.lastIndexOf(':');
  if (text.includes('.')) {
    const v4 = parseV4(text.slice(lastColon + 1));
    if (v4 === undefined) return undefined;
    groups = `${text.slice(0, lastColon + 1)}${(v4 >>> 16).toString(16)}:${(v4 & 0xffff).toString(16)}`;
  }
  const halves = groups.split('::');
  if (halves.length > 2) return undefined;
  const [head = [], tail = []] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const count = head.length + tail.length;
  if (halves.length === 2 ? count > 7 : count !== 8) return undefined;
  const all = [...head, ...Array<string>(8 - count).fill('0'), ...tail];
  let bits = 0n;
  for (const group of all) {
    if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined;
    bits = (bits << 16n) | BigInt(`0x${group}`);
  }
  return bits;
}
