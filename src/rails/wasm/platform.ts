/** What of WebAssembly's interface is used here: its types come with browsers' alone. */
interface Part {
  readonly module: string;
  readonly name: string;
  readonly kind: string;
}

export interface Memory {
  readonly buffer: ArrayBuffer;
}

/** The exports of a module that keeps to the ABI. */
export interface Exports {
  readonly memory: Memory;
  readonly alloc: (length: number) => number;
  readonly evaluate: (pointer: number, length: number) => unknown;
  readonly abi_version: () => number;
  readonly _initialize?: unknown;
}

interface Platform {
  validate(bytes: Uint8Array): boolean;
  readonly Module: {
    new (bytes: Uint8Array): object;
    imports(module: object): readonly Part[];
    exports(module: object): readonly Part[];
  };
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
}

export const { WebAssembly: platform } = globalThis as unknown as { readonly WebAssembly: Platform };
