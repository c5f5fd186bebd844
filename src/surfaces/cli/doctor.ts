import { readArguments } from './arguments.ts';
import { type Command, exit } from './command.ts';

export const doctor: Command = {
  name: 'doctor',
  summary: 'Find out what is wrong with an installation',
  usage: `  llm-policy doctor

  Looks at this Node, the configuration, its policies, the data directory, the state's server and a running gateway,
  and says of each what is wrong and what to do. Exits 1 where something is.`,
  async run({ args, config, json, out, ports }) {
    readArguments(args, {});
    const checks = await ports.diagnose(config);
    if (json) out.json({ ok: checks.every(({ state }) => state !== 'wrong'), checks });
    else {
      const marks = { fine: 'ok   ', note: 'note ', wrong: 'WRONG' } as const;
      for (const { state, what, detail, advice } of checks) {
        out.print(`${marks[state]}  ${what}: ${detail}`);
        if (advice !== undefined) out.print(`       ${advice}`);
      }
    }
    return checks.some(({ state }) => state === 'wrong') ? exit.found : exit.fine;
  },
};
