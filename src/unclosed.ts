/**
 * Regions that a program forgot to close. Their memory is given back when they have been collected, and one warning
 * for each place in the program names where they were made. A stray store to a region is warned of in the same way.
 *
 * @module
 */
import { nodeProcess } from "../ffi/builtins.ts";
import { type Call, placeOf } from "../ffi/callers.ts";
import { soon } from "../ffi/captured.ts";
import { regionTable } from "../ffi/regions.ts";
import type { Mapping } from "./mapping.ts";

let registry: FinalizationRegistry<Claim> | undefined;

/**
 * The newest claim of this turn of the event loop, which links to the others. They are registered when the turn ends:
 * most regions have been closed by then, and what is registered costs the collector, too.
 */
let newest: Claim | undefined;
let willRegister = false;

/** How many regions are open, or not collected yet, that nobody is to be told of. */
let silent = 0;

/** How many regions there are in the process that need no closing, and have not been collected yet. */
export function notCollected(): number {
  return silent + regionTable().elsewhere("files");
}

function countSilent(change: number): void {
  silent += change;
  regionTable().tell("files", silent);
}

/**
 * Releases a region's mapping when its owner is collected before `end` was called. It must not refer to the owner, nor
 * may the mapping.
 */
export class Claim {
  readonly #mapping: Mapping;
  readonly #path: string | undefined;
  readonly #call: Call | undefined;
  /** Undefined when it is registered. */
  #owner: object | undefined;
  /** Those that were made just before and after it in this turn. */
  #older: Claim | undefined = undefined;
  #newer: Claim | undefined = undefined;

  /**
   * @param owner The object that the region is used through.
   * @param call How the program made the region; undefined if it doesn't need to be told.
   */
  constructor(owner: object, mapping: Mapping, path: string | undefined, call: Call | undefined) {
    this.#mapping = mapping;
    this.#path = path;
    this.#call = call;
    this.#owner = owner;
    this.#older = newest;
    if (newest !== undefined) newest.#newer = this;
    newest = this;
    if (!willRegister) soon(Claim.#register);
    willRegister = true;
    if (call === undefined) countSilent(1);
  }

  /** The region has been closed. */
  end(): void {
    if (this.#owner === undefined) registry?.unregister(this);
    else this.#unlink();
    if (this.#call === undefined) countSilent(-1);
  }

  #unlink(): void {
    if (this.#older !== undefined) this.#older.#newer = this.#newer;
    if (this.#newer !== undefined) this.#newer.#older = this.#older;
    else newest = this.#older;
    this.#older = undefined;
    this.#newer = undefined;
    this.#owner = undefined;
  }

  static #register(): void {
    willRegister = false;
    registry ??= new FinalizationRegistry((claim) => claim.#forgotten());
    for (let claim = newest; claim !== undefined; claim = newest) {
      const owner = claim.#owner;
      claim.#unlink();
      if (owner !== undefined) registry.register(owner, claim, claim);
    }
  }

  #forgotten(): void {
    const mapping = this.#mapping;
    const { size } = mapping;
    // The region's buffers were collected with it. But one may have been transferred away before, and nobody can tell.
    mapping.loans.unknown ||= mapping.escaped;
    mapping.release(false);
    if (this.#call === undefined) {
      countSilent(-1);
      return;
    }
    const place = placeOf(this.#call);
    warn(
      `${place} closed`,
      "MAPPED_REGION_NOT_CLOSED",
      `A region of ${
        subject(this.#path, size)
      } was collected without having been closed: close() it, or declare it with 'using'. ` +
        `It was mapped at ${place}`,
    );
  }

  /** Warns the program of its stray stores to the region. */
  tellStrays(count: number): void {
    const mapping = this.#mapping;
    const place = this.#call === undefined ? "an unknown place" : placeOf(this.#call);
    const region = subject(this.#path, mapping.size);
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
}

function subject(path: string | undefined, size: number): string {
  return path === undefined ? `${size} bytes` : `'${path}'`;
}

const warned = new Set<string>();

/** Warns once for each place in the program. */
function warn(key: string, code: string, message: string): void {
  if (warned.has(key)) return;
  warned.add(key);
  nodeProcess()?.emitWarning(message, { type: "MappedRegionWarning", code });
}
