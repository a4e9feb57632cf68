/**
 * Checks of positional arguments. They run with every access, where a schema would take longer than the access
 * itself. Options objects are checked by the schemas of `options.ts`.
 *
 * Nothing is coerced: an object is refused before its `valueOf`, which might close the region, is called.
 *
 * @module
 */
import { builtin } from "../ffi/builtins.ts";
import { isSafeInteger } from "../ffi/captured.ts";

/** Shows a value that was refused, shortened. */
export function show(value: unknown): string {
  const text = builtin("node:util").inspect(value, {
    depth: 0,
    breakLength: Infinity,
    maxStringLength: 80,
    maxArrayLength: 3,
  });
  return text.length > 160 ? `${text.slice(0, 160)}…` : text;
}

/** Checks a number of bytes, elements or pages; `what` names the call and the argument: `"read: 'offset'"`. */
export function wholeNumber(value: unknown, what: string): number {
  if (typeof value !== "number") throw new TypeError(`${what} must be a number: received ${show(value)}`);
  if (!isSafeInteger(value) || value < 0) {
    throw new RangeError(`${what} must be a whole number, 0 or more: received ${show(value)}`);
  }
  return value;
}

/** Checks that a range lies within `total` bytes. */
export function within(offset: number, length: number, total: number, call: string): void {
  // By subtraction: the sum of two safe integers may be too large to be exact.
  if (offset > total || length > total - offset) {
    throw new RangeError(
      `${call}: ${length} bytes from offset ${offset} reach past the end of the region, which has ${total} bytes`,
    );
  }
}

/** Checks that a value is one of a set of words. */
export function oneOf<Word extends string>(value: unknown, words: readonly Word[], what: string): Word {
  const word = words.find((each) => each === value);
  if (word === undefined) {
    throw new TypeError(`${what} must be one of ${quote(words)}: received ${show(value)}`);
  }
  return word;
}

/** `"a", "b"`. */
export function quote(words: readonly string[]): string {
  return words.map((word) => `"${word}"`).join(", ");
}
