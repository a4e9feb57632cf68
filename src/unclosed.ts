/**
 * Regions that a program forgot to close. Their memory is given back when they have been collected, and one warning
 * for each place in the program names where they were made. A stray store to a region is warned of in the same way.
 *
 * @module
 */
import { nodeProcess } from "../ffi/builtins.ts";
import type { Mapping } from "./mapping.ts";

/** What is left of a region that was collected without having been closed. */
interface Estate {
  readonly mapping: Mapping;
  /** Its stack tells the program's author where the region was made. Undefined where nobody is to be told. */
  readonly where: Where | undefined;
  readonly path: string | undefined;
}

interface Where {
  readonly stack?: string;
}

/**
 * A function of the library by which a program makes a region: whatever called it is the program's own code. File
 * names can't tell the two apart, since in a bundle the library and the program are one file.
 */
// deno-lint-ignore ban-types -- any function, as Error.captureStackTrace takes it; it isn't called
export type Entry = Function;

/** What a region holds for as long as it is open. */
export interface Claim {
  /** Warns the program of its stray stores to the region. */
  tellStrays(count: number): void;
  /** Ends it: the region has been closed. */
  end(): void;
}

let registry: FinalizationRegistry<Estate> | undefined;

/** How many regions are open, or not collected yet, that nobody is to be told of. */
let silent = 0;

/** How many regions there are that need no closing, and have not been collected yet. */
export function notCollected(): number {
  return silent;
}

/**
 * Releases a region's mapping when its owner is collected before `end` was called.
 *
 * Don't call it from the owner's constructor: in V8 an Error holds on to the `this` of every function on its stack,
 * so the owner would never be collected.
 *
 * @param owner The object that the region is used through. The mapping must not refer to it.
 * @param entry What the program called; undefined if it doesn't need to be told.
 */
export function claim(
  owner: object,
  mapping: Mapping,
  path: string | undefined,
  entry: Entry | undefined,
): Claim {
  registry ??= new FinalizationRegistry(release);
  const estate: Estate = { mapping, where: entry === undefined ? undefined : callerOf(entry), path };
  registry.register(owner, estate, mapping);
  if (entry === undefined) silent++;
  return {
    tellStrays: (count) => warnOfStrays(estate, count),
    end(): void {
      registry?.unregister(mapping);
      if (entry === undefined) silent--;
    },
  };
}

function release({ mapping, where, path }: Estate): void {
  const { size } = mapping;
  if (where === undefined) silent--;
  // The region's buffers were collected with it. But one may have been transferred away before, and nobody can tell.
  mapping.loans.unknown ||= mapping.escaped;
  mapping.whenUnpinned(() => mapping.release(false));
  if (where === undefined) return;
  const place = placeOf(where);
  warn(
    `${place} closed`,
    "MAPPED_REGION_NOT_CLOSED",
    `A region of ${
      subject(path, size)
    } was collected without having been closed: close() it, or declare it with 'using'. ` +
      `It was mapped at ${place}`,
  );
}

function warnOfStrays({ where, path, mapping }: Estate, count: number): void {
  const place = where === undefined ? "an unknown place" : placeOf(where);
  const region = subject(path, mapping.size);
  const [pages, were] = count === 1 ? ["A page", "was"] : [`${count} pages`, "were"];
  // What can't even be read may have been read. Memory, and what was opened to be stored to, was made read-only by the
  // program itself.
  const [what, remedy] = mapping.hidden
    ? ["read or stored to", 'Protect it with "read" or "read-write" first']
    : mapping.anonymous || mapping.shared
    ? ["stored to", 'Protect it with "read-write" first']
    : ["stored to", 'Open it with access "read-write" or "copy-on-write"'];
  warn(
    `${place} stray`,
    "MAPPED_REGION_STRAY_STORE",
    `${pages} of a region of ${region} ${were} ${what} through a view, without the right to: ` +
      `stores stayed private and are lost. ${remedy}. It was mapped at ${place}`,
  );
}

function subject(path: string | undefined, size: number): string {
  return path === undefined ? `${size} bytes` : `'${path}'`;
}

function callerOf(entry: Entry): Where {
  const where: Where = {};
  Error.captureStackTrace(where, entry);
  return where;
}

/** The frame of the program's own code. */
function placeOf(where: Where): string {
  const frame = (where.stack ?? "").split("\n").slice(1).find((line) => line.trim() !== "");
  const place = frame?.trim() ?? "an unknown place";
  return place.startsWith("at ") ? place.slice(3) : place;
}

const warned = new Set<string>();

/** Warns once for each place in the program. */
function warn(key: string, code: string, message: string): void {
  if (warned.has(key)) return;
  warned.add(key);
  nodeProcess()?.emitWarning(message, { type: "MappedRegionWarning", code });
}
