import { readArguments } from './arguments.ts';
import { type Command, exit, UsageError } from './command.ts';

export const doctor: Command = {
  name: 'doctor',
  summary: 'Find out what is wrong with an installation',
  usage: `  llm-policy doctor

  Looks at this Node, the configuration, its policies, the data directory, the state's server and a running gateway,
  and says of each what is wrong and what to do. Exits 1 where something is.`,
  async run({ args, config, json, out, ports }) {
    const { positionals } = readArguments(args, {});
    if (positionals.length > 0) throw new UsageError(`'doctor' takes no '${positionals[0]}'`);
    const checks = await ports.diagnose(config);
    if (json) out.json({ ok: checks.every(({ state }) => state !== 'wrong'), checks });
    else {
      const marks = { fine: 'ok   ', note: 'note ', wrong: 'WRONG' } as const;
      for (const { state, what, detail, advice } of checks) {
        out.item(`${marks[state]}  ${what}: `, detail);
        if (advice !== undefined) out.item('       -> ', advice);
      }
    }
    return checks.some(({ state }) => state === 'wrong') ? exit.found : exit.fine;
  },
};
