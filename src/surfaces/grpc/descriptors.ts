/** One field of a message on the wire: its number, its bytes with the tag, and where it has a length, its content. */
interface Field {
  readonly number: number;
  readonly whole: Buffer;
  readonly content: Buffer | undefined;
}

/**
 * Descriptors as `protoc` would write them, from those the loader makes. It names files after their packages, leaves
 * out what they import, does not say which fields are `optional` nor how JSON names them, and shortens the names of
 * types: clients that learn the services by reflection need it all. `name` is the file's as imports name it.
 */
export function mendedDescriptor(bytes: Buffer, name: string, imports: readonly string[]): Buffer {
  const fields = fieldsOf(bytes).filter(({ number }) => number !== file.name && number !== file.dependency);
  const declared = declaredIn(fields, `.${packageOf(bytes)}`, file);
  // A type of the file itself, wherever in it; else the name is whole but for the dot before it.
  const absolute = (type: string): string => {
    const whole = `.${type.replace(/^\./, '')}`;
    return declared.find((one) => one.endsWith(whole) || one.endsWith(`${whole}Entry`)) ?? whole;
  };
  return Buffer.concat([
    lengthField(file.name, Buffer.from(name)),
    ...imports.map((one) => lengthField(file.dependency, Buffer.from(one))),
    ...fields.map(({ number, whole, content }) => {
      if (content === undefined) return whole;
      if (number === file.message) return lengthField(number, mendedMessage(content, absolute));
      return number === file.service ? lengthField(number, mendedService(content, absolute)) : whole;
    }),
  ]);
}

/** Full names of the messages and enumerations below a file or a message. */
function declaredIn(fields: readonly Field[], scope: string, places: typeof file | typeof message): readonly string[] {
  return fields.flatMap(({ number, content }) => {
    if (content === undefined || (number !== places.message && number !== places.enumeration)) return [];
    const inner = fieldsOf(content);
    const own = `${scope}.${number === places.message ? nameOf(inner) : String(inner.find((one) => one.number === 1)?.content)}`;
    return number === places.message ? [own, ...declaredIn(inner, own, message)] : [own];
  });
}

/** A message's name. Those that entries of maps are made of are named after the map, and as such. */
function nameOf(fields: readonly Field[]): string {
  const name = String(fields.find(({ number }) => number === message.name)?.content);
  const entry = fields.some(({ number, content }) => number === message.options && content?.equals(mapEntry) === true);
  return entry && !name.endsWith('Entry') ? `${name}Entry` : name;
}

/** The package of a file's descriptor. */
export function packageOf(bytes: Buffer): string {
  return (
    fieldsOf(bytes)
      .find(({ number }) => number === file.package)
      ?.content?.toString() ?? ''
  );
}

/** Types that fields of these messages name, as they are named there. */
export function typesNamed(bytes: Buffer): readonly string[] {
  return fieldsOf(bytes)
    .filter(({ number }) => number === file.message)
    .flatMap(({ content }) => typesOfMessage(content ?? Buffer.alloc(0)));
}

function typesOfMessage(bytes: Buffer): readonly string[] {
  return fieldsOf(bytes).flatMap(({ number, content = Buffer.alloc(0) }) => {
    if (number === message.message) return typesOfMessage(content);
    if (number !== message.field) return [];
    return fieldsOf(content).flatMap((one) => (one.number === member.type_name ? [String(one.content)] : []));
  });
}

// Numbers of google/protobuf/descriptor.proto.
const file = { name: 1, package: 2, dependency: 3, message: 4, enumeration: 5, service: 6 } as const;
const message = { name: 1, field: 2, message: 3, enumeration: 4, options: 7, oneof: 8 } as const;
/** Options of a message that say `map_entry`. */
const mapEntry = Buffer.from([7 * 8, 1]);
const service = { method: 2 } as const;
const method = { input_type: 2, output_type: 3 } as const;
const member = { name: 1, type_name: 6, oneof_index: 9, json_name: 10, proto3_optional: 17 } as const;

type Absolute = (type: string) => string;

function mendedMessage(bytes: Buffer, absolute: Absolute): Buffer {
  const fields = fieldsOf(bytes);
  // An `optional` field is alone in a choice that is named after it.
  const choices = fields.filter(({ number }) => number === message.oneof);
  const made = choices.map(({ content }) => content?.subarray(2).toString().startsWith('_') === true);
  return Buffer.concat(
    fields.map(({ number, whole, content }) => {
      if (content === undefined) return whole;
      if (number === message.name) return lengthField(number, Buffer.from(nameOf(fields)));
      if (number === message.message) return lengthField(number, mendedMessage(content, absolute));
      return number === message.field ? lengthField(number, mendedField(content, made, absolute)) : whole;
    }),
  );
}

function mendedField(bytes: Buffer, made: readonly boolean[], absolute: Absolute): Buffer {
  const fields = fieldsOf(bytes);
  const choice = fields.find(({ number }) => number === member.oneof_index);
  const optional = choice !== undefined && made[choice.whole.at(-1) ?? 0] === true;
  const name = String(fields.find(({ number }) => number === member.name)?.content);
  const inJson = name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return Buffer.concat([
    ...withTypes(fields, [member.type_name], absolute),
    lengthField(member.json_name, Buffer.from(inJson)),
    ...(optional ? [varint(member.proto3_optional * 8), varint(1)] : []),
  ]);
}

function mendedService(bytes: Buffer, absolute: Absolute): Buffer {
  return Buffer.concat(
    fieldsOf(bytes).map(({ number, whole, content }) => {
      if (number !== service.method || content === undefined) return whole;
      const types = [method.input_type, method.output_type];
      return lengthField(number, Buffer.concat(withTypes(fieldsOf(content), types, absolute)));
    }),
  );
}

function withTypes(fields: readonly Field[], types: readonly number[], absolute: Absolute): readonly Buffer[] {
  return fields.map(({ number, whole, content }) =>
    types.includes(number) && content !== undefined
      ? lengthField(number, Buffer.from(absolute(content.toString())))
      : whole,
  );
}

function fieldsOf(bytes: Buffer): readonly Field[] {
  const fields: Field[] = [];
  let at = 0;
  const number = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const start = at;
    const tag = number();
    let content: Buffer | undefined;
    if (tag % 8 === 2) {
      const length = number();
      content = bytes.subarray(at, at + length);
      at += length;
    } else number();
    fields.push({ number: Math.floor(tag / 8), whole: bytes.subarray(start, at), content });
  }
  return fields;
}

function lengthField(number: number, content: Buffer): Buffer {
  return Buffer.concat([varint(number * 8 + 2), varint(content.length), content]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) + 128);
  }
}
