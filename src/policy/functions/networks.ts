import { failed } from '../cel/values.ts';
import { holds, parseAddress, parseCidr } from '../cidr.ts';
import { computed, type PolicyFunction } from './function.ts';

const family = 'networks';
const within = (networks: readonly string[]) => {
  const parsed = networks.flatMap((text) => parseCidr(text) ?? []);
  return computed((ip) => {
    const address = typeof ip === 'string' ? parseAddress(ip) : undefined;
    return address === undefined ? undefined : parsed.some((network) => holds(network, address));
  });
};

export const networkFunctions: readonly PolicyFunction[] = [
  {
    name: 'cidrContains',
    family,
    signatures: ['(string, string) bool', '(list(string), string) bool'],
    gives: 'whether an address is in a network, or in one of several',
    cost: 20,
    aliases: ['CidrContains', 'CIDRContains', 'IPInCIDR', 'IpInRange'],
    example: ['cidrContains("10.0.0.0/8", request.ip)', true, { request: { ip: '10.1.2.3' } }],
    is: computed(cidrContains),
  },
  {
    name: 'isPrivateIp',
    family,
    signatures: ['(string) bool'],
    gives: 'whether an address is of a private network',
    cost: 20,
    aliases: ['IsPrivateIP', 'IsInternalIP'],
    example: ['isPrivateIp("192.168.1.7")', true],
    is: within(['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7']),
  },
  {
    name: 'isLoopbackIp',
    family,
    signatures: ['(string) bool'],
    gives: "whether an address is the machine's own",
    cost: 20,
    aliases: ['IsLoopbackIP'],
    example: ['isLoopbackIp("::1")', true],
    is: within(['127.0.0.0/8', '::1/128']),
  },
  {
    name: 'isIp',
    family,
    signatures: ['(string) bool'],
    gives: 'whether a text is an address',
    cost: 10,
    aliases: ['IsIP', 'IsValidIP'],
    example: ['isIp("300.1.1.1")', false],
    is: computed((text) => (typeof text === 'string' ? parseAddress(text) !== undefined : undefined)),
  },
];

function cidrContains(networks: unknown, ip: unknown): unknown {
  if (typeof ip !== 'string') return undefined;
  const address = parseAddress(ip);
  if (address === undefined) return undefined;
  for (const text of Array.isArray(networks) ? networks : [networks]) {
    const network = typeof text === 'string' ? parseCidr(text) : undefined;
    if (network === undefined) return failed(`${String(text).slice(0, 60)} is no network (such as 10.0.0.0/8)`);
    if (holds(network, address)) return true;
  }
  return false;
}
