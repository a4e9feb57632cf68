/**
 * Built-in functions, as they were when the library was imported. A program may replace the originals later, and
 * may do so in the middle of a call. What finds, checks and gives back memory goes by these: so a replacement can
 * neither end the process nor get hold of the library's own views.
 *
 * For the same reason such code goes through arrays by their indices, not by `for…of` and `map`, and takes no tuples
 * apart: all of these call functions that can be replaced.
 *
 * @module
 */

/** A copy of a namespace, whose functions nobody can replace. */
function copyOf<Namespace extends object>(namespace: Namespace): Namespace {
  return Object.freeze(Object.defineProperties({}, Object.getOwnPropertyDescriptors(namespace)) as Namespace);
}

/** `Math`. */
export const Math: typeof globalThis.Math = copyOf(globalThis.Math);

/** `Atomics`. */
export const Atomics: typeof globalThis.Atomics = copyOf(globalThis.Atomics);

/** `Uint8Array`: one of the program's own would be given the library's buffers. */
export const ByteArray: Uint8ArrayConstructor = Uint8Array;

/** `Number.isInteger(value)` and `Number.isSafeInteger(value)`. */
export const { isInteger, isSafeInteger }: Pick<NumberConstructor, "isInteger" | "isSafeInteger"> = Number;

/** `Number(value)`. */
export const toNumber: (value: unknown) => number = Number;

/** `BigInt(value)`. */
export const toBigInt: (value: number) => bigint = BigInt;

const uncurry = Function.prototype.bind.bind(Function.prototype.call) as <
  This,
  Values extends unknown[],
  Result,
>(
  method: (this: This, ...values: Values) => Result,
) => (self: This, ...values: Values) => Result;

function getter<This, Result>(prototype: object, name: string): (self: This) => Result {
  // A runtime that is too old may have none. It is told so later, by the first call for the runtime.
  return uncurry(Object.getOwnPropertyDescriptor(prototype, name)?.get as (this: This) => Result);
}

const bytesOf = Object.getPrototypeOf(Uint8Array.prototype) as object;

/** `target.set(source, offset)`. */
export const setBytes: (target: Uint8Array, source: ArrayLike<number>, offset?: number) => void = uncurry(
  Uint8Array.prototype.set,
);

/** `array.byteLength`, even if a subclass overrides it. */
export const byteLengthOf: (array: ArrayBufferView) => number = getter(bytesOf, "byteLength");

/** `array.buffer`, even if a subclass overrides it. */
export const bufferOf: (array: ArrayBufferView) => ArrayBufferLike = getter(bytesOf, "buffer");

/** `array.byteOffset`, even if a subclass overrides it. */
export const byteOffsetOf: (array: ArrayBufferView) => number = getter(bytesOf, "byteOffset");

/** `buffer.byteLength`. */
export const sizeOf: (buffer: ArrayBuffer) => number = getter(ArrayBuffer.prototype, "byteLength");

/** `buffer.detached`. */
export const isDetached: (buffer: ArrayBuffer) => boolean = getter(ArrayBuffer.prototype, "detached");

/** `buffer.transfer(length)`. */
export const transfer: (buffer: ArrayBuffer, length: number) => ArrayBuffer = uncurry(
  ArrayBuffer.prototype.transfer,
);

const encodeText = uncurry(TextEncoder.prototype.encode);

/** `new TextEncoder().encode(text)`. */
export function encode(text: string): Uint8Array<ArrayBuffer> {
  return encodeText(new TextEncoder(), text);
}

/** `new WeakRef(buffer)`, and `reference.deref()`. */
export const WeakReference: typeof WeakRef = WeakRef;
export const deref: (reference: WeakRef<ArrayBuffer>) => ArrayBuffer | undefined = uncurry(
  WeakRef.prototype.deref as (this: WeakRef<ArrayBuffer>) => ArrayBuffer | undefined,
);

function creator<Thing>(constructor: new () => Thing): () => Thing {
  return () => new constructor();
}

type Buffers = Map<string, ArrayBuffer>;
type BufferSet = Set<ArrayBuffer>;

/** A Map of buffers. */
export const maps: {
  readonly create: () => Buffers;
  readonly get: (map: Buffers, key: string) => ArrayBuffer | undefined;
  readonly set: (map: Buffers, key: string, value: ArrayBuffer) => unknown;
  readonly forEach: (map: Buffers, call: (value: ArrayBuffer) => void) => void;
} = {
  create: creator(Map<string, ArrayBuffer>),
  get: uncurry(Map.prototype.get),
  set: uncurry(Map.prototype.set),
  forEach: uncurry(Map.prototype.forEach),
};

/** A Set of buffers. */
export const sets: {
  readonly create: () => BufferSet;
  readonly add: (set: BufferSet, value: ArrayBuffer) => unknown;
  readonly delete: (set: BufferSet, value: ArrayBuffer) => boolean;
  readonly forEach: (set: BufferSet, call: (value: ArrayBuffer) => void) => void;
} = {
  create: creator(Set<ArrayBuffer>),
  add: uncurry(Set.prototype.add),
  delete: uncurry(Set.prototype.delete),
  forEach: uncurry(Set.prototype.forEach),
};

/** `list.push(item)`. */
export function append<Item>(list: Item[], item: Item): void {
  list[list.length] = item;
}

/** `list.filter(test)`. */
export function select<Item>(list: readonly Item[], test: (item: Item, index: number) => boolean): Item[] {
  const selected: Item[] = [];
  for (let index = 0; index < list.length; index++) {
    const item = list[index] as Item;
    if (test(item, index)) append(selected, item);
  }
  return selected;
}

/** `list.sort(compare)`. */
export const sorted: <Item>(list: Item[], compare: (one: Item, other: Item) => number) => Item[] = uncurry(
  Array.prototype.sort,
) as <Item>(list: Item[], compare: (one: Item, other: Item) => number) => Item[];

/** `queueMicrotask(work)`. */
export const soon: (work: () => void) => void = queueMicrotask;
