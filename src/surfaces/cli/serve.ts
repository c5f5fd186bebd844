import { readArguments } from './arguments.ts';
import { type Command, type CommandContext, exit, UsageError } from './command.ts';
import type { RunningGateway } from './ports.ts';

export const serve: Command = {
  name: 'serve',
  summary: 'Run the gateway',
  usage: `  llm-policy serve [--config FILE]

  Serves until it is told to stop: SIGTERM and Ctrl-C let running calls end (a second one does not wait), SIGHUP reads
  the configuration again, SIGUSR2 replaces the workers one by one. PORT, HOST, METRICS_PORT, REDIS_URL, WORKERS and
  LOG_LEVEL override the file.`,
  async run(context) {
    const { positionals } = readArguments<Record<never, never>>(context.args, {});
    if (positionals.length > 0) throw new UsageError(`'serve' takes no '${positionals[0]}'`);
    const gateway = await context.ports.serve(context.config);
    announce(context, gateway);
    await stopSignal(gateway);
    await gateway.close();
    return exit.fine;
  },
};

function announce({ out, json }: CommandContext, gateway: RunningGateway): void {
  const { addresses } = gateway;
  if (json) {
    const { workers, providers, program } = gateway;
    out.json({ addresses, base_url: `${addresses.data}/v1`, workers, providers, program });
    return;
  }
  const off = gateway.providersOff.length;
  const hint = off === 0 ? '' : `   (${off} more are off: 'llm-policy doctor' lists them)`;
  out.print(`
LLM Policy Engine ${gateway.version}

  base URL   ${addresses.data}/v1
  admin      ${addresses.admin ?? 'off: no admin key'}${gateway.adminKeyFile === undefined ? '' : `   key in ${gateway.adminKeyFile}`}
  metrics    ${addresses.metrics}/metrics${addresses.grpc === undefined ? '' : `\n  grpc       ${addresses.grpc}`}
  workers    ${gateway.workers}
  providers  ${gateway.providers.join(', ')}${hint}
  policies   ${gateway.policies} in force`);
  if (gateway.teamKey === undefined) return;
  out.print(`  team key   ${gateway.teamKey}   (kept in ${gateway.teamKeyFile})

A first call:

  curl ${addresses.data}/v1/chat/completions \\
    -H 'authorization: Bearer ${gateway.teamKey}' \\
    -H 'content-type: application/json' \\
    -d '{"model": "${gateway.model}", "messages": [{"role": "user", "content": "Hello"}]}'
`);
}

/** Resolves at the first signal to stop; a second one ends the process without waiting. */
function stopSignal(gateway: RunningGateway): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const stop = (): void => {
      if (asked) process.exit(exit.failed);
      asked = true;
      gateway.log('stopping: running calls may end');
      resolve();
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
  });
}
