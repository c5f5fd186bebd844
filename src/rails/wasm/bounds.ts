/** Bounds of a module. A page is 64 KiB. */
export const wasmLimits = {
  module_bytes: 4 * 1024 * 1024,
  /** The most a module may declare as its memory's maximum: 16 MiB. */
  pages: 256,
  /** Of the JSON that goes in, and of the JSON that comes out. */
  input_bytes: 1024 * 1024,
  output_bytes: 64 * 1024,
} as const;

export const page_bytes = 65_536;
