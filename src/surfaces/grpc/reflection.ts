import { type ServerDuplexStream, status, type UntypedServiceImplementation } from '@grpc/grpc-js';
import type { PackageDefinition } from '@grpc/proto-loader';
import { mendedDescriptor, packageOf, typesNamed } from './descriptors.ts';
import { protoFiles, protoPackages } from './wire.ts';

const wellKnown = 'google.protobuf';
const structFile = 'google/protobuf/struct.proto';

/** A file with those it imports, itself first; and what is declared in it. */
interface Described {
  readonly name: string;
  readonly closure: readonly Buffer[];
}

interface Asked {
  readonly messageRequest?: string;
  readonly fileByFilename?: string;
  readonly fileContainingSymbol?: string;
  readonly allExtensionNumbersOfType?: string;
}

/** Server reflection: what is served here, for clients that have no files of ours. */
export function reflection(services: readonly string[]): UntypedServiceImplementation {
  const packages = protoPackages('proto');
  const byPackage = describedBy(packages);
  const byName = new Map([...byPackage.values()].map((one) => [one.name, one]));
  const symbols = symbolsOf(packages, byPackage);

  const answer = (asked: Asked): object => {
    switch (asked.messageRequest) {
      case 'listServices':
        return { listServicesResponse: { service: services.map((name) => ({ name })) } };
      case 'fileByFilename':
        return fileAnswer(byName.get(asked.fileByFilename ?? ''), `file ${asked.fileByFilename}`);
      case 'fileContainingSymbol':
        return fileAnswer(symbols.get(asked.fileContainingSymbol ?? ''), `symbol ${asked.fileContainingSymbol}`);
      case 'allExtensionNumbersOfType': {
        const type = asked.allExtensionNumbersOfType ?? '';
        return symbols.has(type)
          ? { allExtensionNumbersResponse: { baseTypeName: type, extensionNumber: [] } }
          : unknown(`type ${type}`);
      }
      default:
        return unknown('extension: there are none');
    }
  };
  return {
    serverReflectionInfo(call: ServerDuplexStream<Asked & { readonly host?: string }, object>) {
      call.on('data', (asked) => call.write({ validHost: asked.host, originalRequest: asked, ...answer(asked) }));
      call.on('end', () => call.end());
    },
  };
}

function fileAnswer(file: Described | undefined, what: string): object {
  return file === undefined ? unknown(what) : { fileDescriptorResponse: { fileDescriptorProto: file.closure } };
}

function unknown(what: string): object {
  return { errorResponse: { errorCode: status.NOT_FOUND, errorMessage: `there is no ${what}` } };
}

function describedBy(packages: PackageDefinition): ReadonlyMap<string, Described> {
  const files = new Map<string, string>(Object.entries(protoFiles).map(([file, name]) => [name, file]));
  const bytes = new Map<string, Buffer>();
  for (const one of Object.values(packages)) {
    const descriptors = one.fileDescriptorProtos;
    if (!Array.isArray(descriptors)) continue;
    for (const descriptor of descriptors) bytes.set(packageOf(descriptor), descriptor);
  }
  const struct = mendedDescriptor(bytes.get(wellKnown) ?? Buffer.alloc(0), structFile, []);
  return new Map(
    [...bytes].map(([inside, descriptor]): [string, Described] => {
      if (inside === wellKnown) return [inside, { name: structFile, closure: [struct] }];
      const name = files.get(inside) ?? `${inside}.proto`;
      const needsStruct = typesNamed(descriptor).some((type) => type.includes(wellKnown));
      const own = mendedDescriptor(descriptor, name, needsStruct ? [structFile] : []);
      return [inside, { name, closure: needsStruct ? [own, struct] : [own] }];
    }),
  );
}

/** Services, their methods and messages, by full name. */
function symbolsOf(
  packages: PackageDefinition,
  byPackage: ReadonlyMap<string, Described>,
): ReadonlyMap<string, Described> {
  const symbols = new Map<string, Described>();
  const longestFirst = [...byPackage.keys()].sort((a, b) => b.length - a.length);
  for (const [name, one] of Object.entries(packages)) {
    const owner = byPackage.get(longestFirst.find((prefix) => name.startsWith(`${prefix}.`)) ?? '');
    if (owner === undefined) continue;
    symbols.set(name, owner);
    if ('format' in one) continue;
    for (const method of Object.keys(one)) symbols.set(`${name}.${method}`, owner);
  }
  return symbols;
}
