/**
 * How the library declares C functions, and what it needs of a runtime to call them.
 *
 * @module
 */

/**
 * A C type of the functions we bind. `int` is 32 bits; `size`, `offset` and `address` are 64 bits on every
 * platform we support; `bytes` is the address of a `Uint8Array`'s memory, valid while the call lasts.
 */
export type CType = "int" | "size" | "offset" | "address" | "bytes";

/** The C declaration of a function. */
export interface Signature {
  readonly parameters: readonly CType[];
  readonly result: Exclude<CType, "bytes" | "size">;
}

/**
 * A bound C function. Sizes, offsets and addresses are plain numbers: user space ends far below 2^53 on
 * every 64-bit CPU, and numbers are what arithmetic on them is fastest with. An `address` result is -1 for
 * `MAP_FAILED`, 0 for `NULL`.
 */
export type Bound<S extends Signature = Signature> = (...values: Values<S["parameters"]>) => number;

type Values<Types extends readonly CType[]> = {
  -readonly [I in keyof Types]: Types[I] extends "bytes" ? Uint8Array : number;
};

/** A bound C function whose call runs off the event loop. Its `errno` is lost with the thread that made it. */
export type AsyncBound<S extends Signature = Signature> = (
  ...values: Values<S["parameters"]>
) => Promise<number>;

/** `(void *) -1`, as an unsigned 64-bit integer. */
export const MAP_FAILED = 0xffff_ffff_ffff_ffffn;

/** What the library needs of a runtime: to call C functions, and to see memory. */
export interface Runtime {
  /** Name and version, for messages: `"Bun 1.4.5"`. */
  readonly name: string;
  /**
   * Whether the runtime's collector counts an ArrayBuffer over memory as memory of its own, as JavaScriptCore's does:
   * while a large one can be reached, about as much garbage piles up before any is collected.
   */
  readonly countsBuffers: boolean;
  /** The runtime's largest ArrayBuffer in bytes: 4 GiB in Bun, beyond any address space in V8. */
  readonly largestBuffer: number;
  /** Binds one function of a shared library; throws what the runtime throws when either is missing. */
  bind<S extends Signature>(library: string, symbol: string, signature: S): Bound<S>;
  /** The same, run on another thread. */
  bindAsync<S extends Signature>(library: string, symbol: string, signature: S): AsyncBound<S>;
  /** An ArrayBuffer over memory, not a copy. Throws a RangeError beyond the runtime's largest ArrayBuffer. */
  arrayBuffer(address: number, length: number): ArrayBuffer;
}
