import { type Network, parseCidr } from '../cidr.ts';

export function networksIn(value: unknown): readonly Network[] {
  return (Array.isArray(value) ? value : [value]).flatMap((text) =>
    typeof text === 'string' ? (parseCidr(text) ?? []) : [],
  );
}

/** Whether all addresses of the one lie in the other. */
export function within(inner: Network, outer: Network): boolean {
  return inner.prefix >= outer.prefix && inner.bits >> BigInt(inner.prefix - outer.prefix) === outer.bits;
}

/**
 * Addresses that stand for all others: networks lie in one another or apart, so each region that some of them make
 * begins where a network begins, or right behind one.
 */
export function addressPoints(networks: readonly Network[]): readonly string[] {
  const starts = networks.flatMap(({ bits, prefix }) => {
    const shift = BigInt(128 - prefix);
    return [bits << shift, (bits + 1n) << shift];
  });
  return [...new Set(starts)]
    .filter((bits) => bits < 1n << 128n)
    .map(addressText)
    .concat('0.0.0.0', '::');
}

function addressText(bits: bigint): string {
  if (bits >> 32n === 0xffffn) {
    const low = Number(bits & 0xffffffffn);
    return [24, 16, 8, 0].map((shift) => (low >>> shift) & 255).join('.');
  }
  const groups = Array.from({ length: 8 }, (_, i) => ((bits >> BigInt(112 - 16 * i)) & 0xffffn).toString(16));
  return groups.join(':');
}
