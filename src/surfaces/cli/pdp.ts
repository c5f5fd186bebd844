import { readArguments } from './arguments.ts';
import { type Command, type CommandContext, exit, UsageError } from './command.ts';
import { endAnyway, stopSignal } from './stop-signal.ts';

export const pdp: Command = {
  name: 'pdp',
  summary: 'Run the decision point alone: a daemon, or a sidecar',
  usage: `  llm-policy pdp [--config FILE]

  Decides over REST and gRPC by the policies of its own file (default: config/pdp.yaml), and calls no provider. SIGTERM
  and Ctrl-C let running calls end, SIGHUP reads the configuration again. PORT, HOST, METRICS_PORT, GRPC_PORT and
  LOG_LEVEL override the file.`,
  async run(context) {
    const { positionals } = readArguments<Record<never, never>>(context.args, {});
    if (positionals.length > 0) throw new UsageError(`'pdp' takes no '${positionals[0]}'`);
    return await serveDaemon(context);
  },
};

/** Runs the daemon until it is told to stop. */
export async function serveDaemon({ out, json, ports, config }: CommandContext): Promise<number> {
  const daemon = await ports.pdp(config);
  const { addresses, policies, program, version } = daemon;
  if (json) out.json({ addresses, policies, program });
  else {
    const grpc = addresses.grpc === undefined ? '' : `\n  grpc       ${addresses.grpc}`;
    out.print(`
LLM Policy Engine ${version}, decision point

  evaluate   ${addresses.data}${addresses.data.startsWith('/') ? '' : '/api/v1/evaluate'}${grpc}
  metrics    ${addresses.metrics}/metrics
  policies   ${policies} in force`);
  }
  await stopSignal(daemon);
  await daemon.close();
  endAnyway();
  return exit.fine;
}
