/**
 * Built-in functions, as they were when the library was imported. They are given views of the library's own: a
 * program that replaces the originals, or overrides them in a subclass, must not get hold of these.
 *
 * @module
 */
const uncurry = Function.prototype.bind.bind(Function.prototype.call) as <
  This,
  Values extends unknown[],
  Result,
>(
  method: (this: This, ...values: Values) => Result,
) => (self: This, ...values: Values) => Result;

/** `target.set(source, offset)`. */
export const setBytes: (target: Uint8Array, source: ArrayLike<number>, offset?: number) => void = uncurry(
  Uint8Array.prototype.set,
);

const bytesOf = Object.getPrototypeOf(Uint8Array.prototype) as object;

function getter<T>(name: string): (self: ArrayBufferView) => T {
  const get = Object.getOwnPropertyDescriptor(bytesOf, name)?.get;
  if (get === undefined) throw new Error(`typed arrays have no '${name}'`);
  return uncurry(get as (this: ArrayBufferView) => T);
}

/** `array.byteLength`, even if a subclass overrides it. */
export const byteLengthOf: (array: ArrayBufferView) => number = getter("byteLength");

/** `array.buffer`, even if a subclass overrides it. */
export const bufferOf: (array: ArrayBufferView) => ArrayBufferLike = getter("buffer");
