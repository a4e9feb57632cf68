/**
 * Which code of a program called the library.
 *
 * Only a stack tells, and that is among the most expensive things that opening a region does. So as little as possible
 * is taken down, and it is made into text only if somebody asks.
 *
 * @module
 */
import { isBun } from "./builtins.ts";

/**
 * A function of the library that programs call: whatever called it is the program's own code. File names can't tell the
 * two apart, since in a bundle the library and the program are one file.
 */
// deno-lint-ignore ban-types -- any function, as Error.captureStackTrace takes it; it isn't called
export type Entry = Function;

/** What is remembered of a call. */
export interface Call {
  readonly entry: Entry;
  readonly taken: { readonly stack?: unknown };
}

/** In Bun, so many frames are enough to go through the library's own. */
const DEEP = 8;

let inBun: boolean | undefined;

/** Remembers the call of an entry. The fewer frames there are between the two, the faster it is. */
export function callOf(entry: Entry): Call {
  inBun ??= isBun();
  const limit: unknown = Error.stackTraceLimit;
  limitFrames(inBun ? DEEP : 1);
  let taken;
  // Bun's captureStackTrace makes text at once, which takes longer.
  if (inBun) taken = new Error();
  else Error.captureStackTrace(taken = {}, entry);
  limitFrames(limit);
  return { entry, taken };
}

function limitFrames(limit: unknown): void {
  try {
    (Error as { stackTraceLimit: unknown }).stackTraceLimit = limit;
  } catch {
    // The program has frozen Error: there are as many frames as it wants.
  }
}

/** A stack as text; empty if the program's own `Error.prepareStackTrace` makes something else of it. */
function textOf(taken: { readonly stack?: unknown }): string {
  try {
    return typeof taken.stack === "string" ? taken.stack : "";
  } catch {
    return "";
  }
}

/** The place in the program that an entry was called from. */
export function placeOf({ entry, taken }: Call): string {
  const lines = textOf(taken).split("\n").slice(1).map((line) => line.trim());
  // What was taken in Bun has the library's own frames, too.
  const own = inBun === true ? lines.findIndex((line) => line.startsWith(`at ${entry.name} (`)) + 1 : 0;
  const place = lines.slice(own).find((line) => line !== "") ?? "an unknown place";
  return place.startsWith("at ") ? place.slice(3) : place;
}
