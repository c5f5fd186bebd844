import { type Arguments, readArguments } from './arguments.ts';
import { type Command, type CommandContext, exit, UsageError } from './command.ts';
import { serveDaemon } from './pdp.ts';
import type { RunningGateway } from './ports.ts';
import { endAnyway, stopSignal } from './stop-signal.ts';

const options = { pdp: { type: 'boolean' } } as const;

export const serve: Command = {
  name: 'serve',
  summary: 'Run the gateway',
  usage: `  llm-policy serve [--config FILE] [--pdp]

  Serves until it is told to stop: SIGTERM and Ctrl-C let running calls end (a second one does not wait), SIGHUP reads
  the configuration again, SIGUSR2 replaces the workers one by one. PORT, HOST, METRICS_PORT, REDIS_URL, WORKERS and
  LOG_LEVEL override the file.

  --pdp   the decision point alone, like 'llm-policy pdp'`,
  async run(context) {
    const { values, positionals }: Arguments<typeof options> = readArguments(context.args, options);
    if (positionals.length > 0) throw new UsageError(`'serve' takes no '${positionals[0]}'`);
    if (values.pdp === true) return await serveDaemon(context);
    const gateway = await context.ports.serve(context.config);
    announce(context, gateway);
    await stopSignal(gateway);
    await gateway.close();
    endAnyway();
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
