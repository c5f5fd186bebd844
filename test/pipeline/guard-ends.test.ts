import { describe, expect, test } from 'vitest';
import { carriers, streamOf } from '../support/carriers.ts';
import { redactReplies } from '../support/forbidden.ts';
import { everyWay, GuardedReply, guarded, programOf, wayName } from '../support/guarded.ts';

const program = programOf([redactReplies]);

describe.each(everyWay.filter(({ stream }) => stream).map((sides) => ({ name: wayName(sides), sides })))(
  'a reply that has said its last word is over: $name',
  ({ sides }) => {
    const carrier = carriers.find(
      ({ name, provider }) => ['content', 'text'].includes(name) && provider === sides.provider,
    )!;
    const frames = streamOf(carrier, ['It is ', '4111 1111 ', '1111 1111', '.']);

    test('though its provider keeps the connection', async () => {
      const reply = new GuardedReply(program, sides);
      for (const frame of frames) reply.push(frame);
      const { guarded: result, bytes, failure } = await reply.over();
      expect([result.ending, failure]).toEqual(['complete', undefined]);
      expect(bytes.equals((await guarded(program, sides, frames)).bytes)).toBe(true);
    });

    test('though the connection breaks then', async () => {
      const reply = new GuardedReply(program, sides);
      for (const frame of frames) reply.push(frame);
      const { guarded: result, bytes, failure } = await reply.fail();
      expect([result.ending, failure]).toEqual(['complete', undefined]);
      expect(bytes.equals((await guarded(program, sides, frames)).bytes)).toBe(true);
    });

    test('and not one frame earlier', async () => {
      const reply = new GuardedReply(program, sides);
      for (const frame of frames.slice(0, -1)) reply.push(frame);
      const { guarded: result, failure } = await reply.fail();
      expect([result.ending, failure?.code]).toEqual(['cut', 'upstream_error']);
    });
  },
);
