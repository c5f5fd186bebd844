import { serveCli } from './cli-process.ts';
import { testEnv, writeGatewayFiles } from './gateway.ts';
import { type Asker, askerOf, type MoneyOptions, moneyConfig } from './money.ts';

/** A gateway in a process of its own. */
export interface GatewayProcess extends Asker {
  readonly origin: string;
  /** Of the admin listener. */
  readonly adminOrigin: string;
  /** As a crash does; resolves when it is gone. */
  kill(): Promise<void>;
  /** Lets it end by itself. */
  stop(): Promise<void>;
}

export interface ProcessOptions extends Omit<MoneyOptions, 'providers'> {
  readonly directory: string;
  readonly redisUrl?: string;
  /** `http://127.0.0.1:port/v1` of the fake provider. */
  readonly provider: string;
}

/** Serves from a directory, new or left by another one, as users do, and waits until it listens. */
export async function startGatewayProcess(options: ProcessOptions): Promise<GatewayProcess> {
  const { directory, provider } = options;
  const { config, env } = moneyConfig(options, directory, options.redisUrl);
  const { file } = writeGatewayFiles({ ...options, openai: provider, anthropic: provider, config });
  const { cli, ...at } = await serveCli(file, { cwd: directory, env: { ...testEnv, ...env } });
  const ended = async (signal: NodeJS.Signals) => {
    cli.kill(signal);
    await cli.ended;
  };
  return {
    ...askerOf(at),
    origin: at.origin,
    adminOrigin: at.admin,
    kill: () => ended('SIGKILL'),
    stop: () => ended('SIGTERM'),
  };
}
