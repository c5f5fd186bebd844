/** A Cluster's node that did nothing, since the keys are elsewhere or on the way. */
export const elsewhere = /\b(MOVED|ASK|TRYAGAIN|CLUSTERDOWN)\b|access a non local key/;

const refusal =
  /^(?:ERR Error running script .*?-)?(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|MISCONF|OOM|BUSY|NOREPLICAS|TRYAGAIN|UNBLOCKED|NOAUTH|NOPERM)\b/s;
const forbidden = /The user executing the script can't run this command|ACL failure in script/;

/**
 * Why a server does nothing of what it is asked now, whatever that is, as Redis names it: it counts as lost then. Undefined
 * where a command is at fault. What a script's own command is refused for stands within the message before version 7, with the
 * script's place before it.
 */
export function refusalOf(message: string): string | undefined {
  return refusal.exec(message)?.[1] ?? (forbidden.test(message) ? 'NOPERM' : undefined);
}
