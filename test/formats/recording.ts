import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FormatName, Frame, ReplyContext, ReplyDecoder, ReplyEvent } from '../../src/exchange/index.ts';
import { formats } from '../../src/formats/index.ts';

/**
 * A recorded reply: one readable file with what it is, the provider's bytes, the events read from them, and the bytes
 * clients of each format get. In bytes, `␍` stands for CR, `␀` for a byte order mark, and `␃` at the very end for "no LF here".
 */
export interface Recording {
  readonly name: string;
  readonly file: string;
  readonly format: FormatName;
  readonly about: string;
  readonly plain: boolean;
  readonly usageInjected: boolean;
  readonly provider: Buffer;
  readonly sections: ReadonlyMap<string, string>;
}

const root = join(import.meta.dirname, '..', 'wire');
export const names = Object.keys(formats) as FormatName[];

export const context: ReplyContext = { id: 'xch_1', model: 'the-model', created: 1767225600, usageAsked: true };

export function recordings(): readonly Recording[] {
  return names.flatMap((format) =>
    readdirSync(join(root, format)).map((name) => parse(format, name, join(root, format, name))),
  );
}

function parse(format: FormatName, name: string, file: string): Recording {
  const [about = '', ...rest] = readFileSync(file, 'utf8').split(/^--- /m);
  const sections = new Map<string, string>();
  for (const section of rest) {
    const end = section.indexOf('\n');
    sections.set(section.slice(0, end), section.slice(end + 1));
  }
  const provider = sections.get('provider');
  if (provider === undefined) throw new Error(`${file} has no provider section`);
  return {
    name: `${format}/${name}`,
    file,
    format,
    about,
    plain: name.startsWith('plain-'),
    usageInjected: about.includes('(usage injected)'),
    provider: bytesOf(provider),
    sections,
  };
}

export function bytesOf(text: string): Buffer {
  return Buffer.from(text.replaceAll('␍', '\r').replaceAll('␀', '\ufeff').replace(/␃\n$/, ''));
}

export function textOf(bytes: Buffer): string {
  const text = bytes.toString('utf8').replaceAll('\r', '␍').replaceAll('\ufeff', '␀');
  return text === '' || text.endsWith('\n') ? text : `${text}␃\n`;
}

/** The file's text with its derived sections made anew. */
export function rendered(recording: Recording): string {
  const { about, provider } = recording;
  const derived = derive(recording);
  return [
    `${about}--- provider\n${textOf(provider)}`,
    ...[...derived].map(([name, text]) => `--- ${name}\n${text}`),
  ].join('');
}

/** What the program makes of the provider's bytes, by section. */
export function derive(recording: Recording): ReadonlyMap<string, string> {
  const frames = framesOf(recording, [recording.provider]);
  const derived = new Map<string, string>([['events', frames.map(described).join('')]]);
  const events = frames.flatMap((frame) => frame.events);
  for (const name of names) {
    if (name === recording.format) continue;
    derived.set(`client ${name}`, textOf(recording.plain ? plainBytes(name, events) : streamBytes(name, frames)));
  }
  return derived;
}

export function decoderOf(recording: Recording): ReplyDecoder {
  return formats[recording.format].streamDecoder({ usageInjected: recording.usageInjected });
}

/** Frames of a recording fed in these pieces. */
export function framesOf(recording: Recording, pieces: readonly Buffer[]): readonly Frame[] {
  if (recording.plain) return [formats[recording.format].plainFrame(recording.provider)];
  const decoder = decoderOf(recording);
  return [...pieces.flatMap((piece) => decoder.push(piece)), ...decoder.end()];
}

export function streamBytes(name: FormatName, frames: readonly Frame[]): Buffer {
  const encoder = formats[name].streamEncoder(context);
  return Buffer.concat(frames.map((frame) => encoder.encode(frame.events)));
}

function plainBytes(name: FormatName, events: readonly ReplyEvent[]): Buffer {
  const failure = events.find((event) => event.type === 'error');
  if (failure?.type === 'error') return formats[name].failureBody(failure.failure, 'req_1');
  return formats[name].plainReply(events, context);
}

/** A frame in words, one line an event. */
export function described(frame: Frame): string {
  const marks = [frame.passes ? 'passes' : '', frame.usageOnly ? 'usage only' : ''].filter(Boolean).join(', ');
  return [`frame ${frame.raw.length} bytes${marks === '' ? '' : `, ${marks}`}\n`, ...frame.events.map(eventLine)].join(
    '',
  );
}

function eventLine(event: ReplyEvent): string {
  if (event.type === 'text' || event.type === 'lane_end') {
    const { choice, channel, index, slot, signed } = event.lane;
    const lane = `${choice}/${channel}/${index} #${slot}${signed ? ' signed' : ''}`;
    return `  ${event.type} ${lane}${event.type === 'text' ? ` ${JSON.stringify(event.text)}` : ''}\n`;
  }
  if (event.type === 'error') {
    const { code, status, retryable, message } = event.failure;
    return `  error ${JSON.stringify({ code, status, retryable, message })}\n`;
  }
  const { type, ...rest } = event;
  return `  ${type}${Object.keys(rest).length === 0 ? '' : ` ${JSON.stringify(rest)}`}\n`;
}
