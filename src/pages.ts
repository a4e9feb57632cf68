/**
 * What a program tells the kernel about a region's pages, and asks it about them.
 *
 * @module
 */
import { builtin } from "../ffi/builtins.ts";
import { Atomics, ByteArray, Math } from "../ffi/captured.ts";
import { errorName, errorNumber, MmapError } from "../ffi/errors.ts";
import type { ConstantTable } from "../ffi/constant_table.ts";
import { libc } from "../ffi/libc.ts";
import { constants } from "../ffi/platform.ts";
import type { RegionMemory } from "./memory.ts";
import {
  type Advice,
  adviceWord,
  type DiscardOptions,
  discardOptions,
  type FlushOptions,
  flushOptions,
  type FlushSyncOptions,
  flushSyncOptions,
  type PrefaultOptions,
  prefaultOptions,
  type Protection,
  protectionWord,
  type Range,
  rangeOptions,
} from "./options.ts";
import { protectionBits } from "./protections.ts";
import { adviseRemedy, lockRemedy, needed } from "./remedies.ts";
import { Residency } from "./residency.ts";

/** A kind of advice: its constant for madvise(2), and what it says to the kernel, for messages. */
interface AdviceEntry {
  readonly constant: keyof ConstantTable;
  readonly says: string;
}

/** Every advice there is. */
const ADVICE: Readonly<Record<Advice, AdviceEntry>> = {
  "normal": { constant: "MADV_NORMAL", says: "no special treatment" },
  "random": { constant: "MADV_RANDOM", says: "accesses come in no order: no read-ahead" },
  "sequential": { constant: "MADV_SEQUENTIAL", says: "accesses come in order: more read-ahead" },
  "will-need": { constant: "MADV_WILLNEED", says: "accesses come soon: start reading in" },
  "dont-need": { constant: "MADV_DONTNEED", says: "no accesses soon: the process may lose the pages" },
  "cold": { constant: "MADV_COLD", says: "reclaim these pages before others" },
  "page-out": { constant: "MADV_PAGEOUT", says: "write these pages out now" },
  "populate-read": { constant: "MADV_POPULATE_READ", says: "fault the pages in for reading" },
  "populate-write": { constant: "MADV_POPULATE_WRITE", says: "fault the pages in for stores" },
  "huge-page": { constant: "MADV_HUGEPAGE", says: "use transparent huge pages" },
  "no-huge-page": { constant: "MADV_NOHUGEPAGE", says: "use no transparent huge pages" },
  "collapse": { constant: "MADV_COLLAPSE", says: "make huge pages of these now" },
  "mergeable": { constant: "MADV_MERGEABLE", says: "merge pages with equal contents" },
  "unmergeable": { constant: "MADV_UNMERGEABLE", says: "take merged pages apart" },
  "dont-fork": { constant: "MADV_DONTFORK", says: "children don't get the pages" },
  "do-fork": { constant: "MADV_DOFORK", says: "children get the pages again" },
  "dont-dump": { constant: "MADV_DONTDUMP", says: "core dumps leave the pages out" },
  "do-dump": { constant: "MADV_DODUMP", says: "core dumps have the pages again" },
  "wipe-on-fork": { constant: "MADV_WIPEONFORK", says: "children find zeros" },
  "keep-on-fork": { constant: "MADV_KEEPONFORK", says: "children find the contents again" },
};
const ADVICES = Object.keys(ADVICE) as readonly Advice[];

/** msync(2), waiting for the disk or not. */
export function flushSync(memory: RegionMemory, options: FlushSyncOptions | undefined): void {
  const checked = flushSyncOptions(options);
  const { offset, length } = memory.range(checked, "flushSync");
  const pages = memory.pages(checked, "flushSync");
  const flags = (checked.wait === false ? constants.MS_ASYNC : constants.MS_SYNC) | invalidation(checked);
  if (pages.size > 0 && libc().functions.msync(pages.start, pages.size, flags) === -1) {
    throw memory.failed(libc().errno(), "msync", "flushSync", pages, flushRemedy);
  }
  memory.tellLost(offset, length, "flushSync");
}

/** msync(2) on another thread. */
export async function flush(memory: RegionMemory, options: FlushOptions | undefined): Promise<void> {
  const checked = flushOptions(options);
  const { offset, length } = memory.range(checked, "flush");
  const pages = memory.pages(checked, "flush");
  const { mapping, start, size } = pages;
  if (size > 0) {
    const flags = constants.MS_SYNC | invalidation(checked);
    const { functions, async, errno } = libc();
    const msync = async("msync");
    await mapping.pin(async () => {
      if (await msync(start, size, flags) !== -1) return;
      // The other thread's errno is lost. The same call on this thread fails with it again, if anything is still
      // wrong.
      if (functions.msync(start, size, flags) === -1) {
        throw memory.failed(errno(), "msync", "flush", pages, flushRemedy);
      }
    });
  }
  memory.tellLost(offset, length, "flush");
}

function invalidation({ invalidate = false }: FlushOptions): number {
  return invalidate ? constants.MS_INVALIDATE : 0;
}

function flushRemedy(code: string): string | undefined {
  return code === "EBUSY" ? "a page of the range is locked; unlock it, or leave out 'invalidate'" : undefined;
}

/** mprotect(2). */
export function protect(memory: RegionMemory, protection: Protection, range: Range | undefined): void {
  const bits = protectionBits(protectionWord(protection));
  const pages = memory.pages(rangeOptions(range, "protect"), "protect");
  const { mapping, start, size } = pages;
  if (size === 0) return;
  if (memory.access === "read" && !mapping.anonymous && !memory.raw && (bits & constants.PROT_WRITE) !== 0) {
    // The kernel would allow it, but the mapping is private: stores would never reach the file.
    throw memory.error(
      "EACCES",
      "protect",
      'the region was opened for reading; open it with access "read-write" or "copy-on-write"',
    );
  }
  const from = start - mapping.start;
  if (mapping.protections.narrows(from, from + size, bits)) {
    if (mapping.slot.owners > 1) throw memory.attached("protect", "rights can't be taken away");
    if (memory.used) {
      throw memory.error("EBUSY", "protect", "its bytes are in use by use(); await that first");
    }
    memory.revoke(0);
  }
  try {
    if (libc().functions.mprotect(start, size, bits) === -1) {
      throw memory.failed(
        libc().errno(),
        "mprotect",
        "protect",
        pages,
        (code) =>
          code === "EACCES"
            ? `the file was not opened for what "${protection}" allows; open it so`
            : undefined,
      );
    }
    mapping.protections.set(from, from + size, bits);
    mapping.slot.setRights(mapping.protections.common, mapping.protections.any);
    mapping.slot.protectionChanged((bits & constants.PROT_EXEC) !== 0);
    mapping.stored ||= (bits & constants.PROT_WRITE) !== 0;
    mapping.hidden ||= (bits & constants.PROT_READ) === 0;
  } finally {
    memory.tellChanged();
  }
}

/** madvise(2), with the advice that doesn't change what is read. */
export function advise(memory: RegionMemory, advice: Advice, range: Range | undefined): void {
  const word = adviceWord(advice, ADVICES);
  const pages = memory.pages(rangeOptions(range, "advise"), "advise");
  const { constant, says } = ADVICE[word];
  const value = constants[constant];
  if (value === undefined) {
    throw memory.error(
      "ENOTSUP",
      "advise",
      `advice "${word}" (${says}) needs ${constant}, which this platform does not have`,
    );
  }
  if (word === "dont-need" && (!memory.shared || pages.mapping.anonymous)) {
    throw memory.error(
      "EINVAL",
      "advise",
      'advice "dont-need" would throw the contents of memory away that no file has; use discard() for that',
    );
  }
  const harmless = word === "dont-need" ? keepingStrays(memory, value) : value;
  pages.mapping.treated = true;
  if (pages.size > 0 && libc().functions.madvise(pages.start, pages.size, harmless) === -1) {
    throw memory.failed(libc().errno(), "madvise", "advise", pages, adviseRemedy);
  }
}

/**
 * In the place of what throws pages away, on a shared mapping. After a stray store a private copy may be in the place of one of
 * its pages: zeros would be in the copy's place then, and not what the file or the memory has.
 */
function keepingStrays({ shared, slot }: RegionMemory, advice: number): number {
  return shared && slot.strays !== 0 ? constants.MADV_PAGEOUT : advice;
}

/** What throws contents away: macOS keeps them for MADV_DONTNEED, and has another word for zeros. */
function dontNeed(memory: RegionMemory, anonymous: boolean): number {
  const { shared, path } = memory;
  const { MADV_DONTNEED, MADV_ZERO } = constants;
  if (MADV_ZERO === undefined || shared) return keepingStrays(memory, MADV_DONTNEED);
  if (anonymous) return MADV_ZERO;
  throw new MmapError(errorNumber("ENOTSUP"), "madvise", {
    path,
    explanation:
      "discard: this platform can't give a private region the file's bytes back; open the file again",
  });
}

/** madvise(2), with the advice that throws contents away. */
export function discard(memory: RegionMemory, options: DiscardOptions | undefined): void {
  const checked = discardOptions(options);
  const { how = "dont-need" } = checked;
  const mapping = memory.live("discard");
  const alone = how !== "remove" || mapping.file === undefined ||
    (mapping.file.sizeIfKnown() ?? Infinity) <= memory.fileOffset + memory.length("discard");
  const pages = memory.wholePages(checked, alone, "discard");
  if (how === "remove") {
    const { offset, length } = memory.range(checked, "discard");
    memory.writes(offset, length, "discard");
  }
  const advice = how === "remove"
    ? needed("MADV_REMOVE", 'discard "remove"', "discard")
    : how === "free"
    ? keepingStrays(memory, constants.MADV_FREE)
    : dontNeed(memory, mapping.anonymous);
  if (pages.size > 0 && libc().functions.madvise(pages.start, pages.size, advice) === -1) {
    throw memory.failed(libc().errno(), "madvise", "discard", pages, adviseRemedy);
  }
}

/** madvise(2) MADV_POPULATE_…, or a touch of every page. */
export function prefault(memory: RegionMemory, options: PrefaultOptions | undefined): void {
  const checked = prefaultOptions(options);
  const { write = false } = checked;
  const pages = memory.pages(checked, "prefault");
  const { mapping, start, size } = pages;
  if (size === 0) return;
  const { offset, length } = memory.range(checked, "prefault");
  if (write) memory.writes(offset, length, "prefault");
  else memory.readable(offset, length, "prefault");
  const advice = write ? constants.MADV_POPULATE_WRITE : constants.MADV_POPULATE_READ;
  const { functions, errno } = libc();
  if (advice !== undefined) {
    if (functions.madvise(start, size, advice) === 0) {
      return memory.assertNotLost("prefault", offset, length); // what is in a lost page's place comes in, too
    }
    const number = errno();
    // Linux before 5.14 has no such advice, as macOS has none.
    if (errorName(number) !== "EINVAL") {
      throw memory.failed(number, "madvise", "prefault", pages, adviseRemedy);
    }
  }
  memory.watch("prefault", offset, length, () => touch(start, size, mapping.pageSize, write));
}

/** How much is touched through one buffer, in bytes. */
const WINDOW = 2 ** 26;

/** Touches every page. The result is of no use, but keeps compilers from leaving the reads out. */
function touch(start: number, size: number, pageSize: number, write: boolean): number {
  const { arrayBuffer } = libc();
  let touched = 0;
  for (let offset = 0; offset < size; offset += WINDOW) {
    const bytes = new ByteArray(arrayBuffer(start + offset, Math.min(WINDOW, size - offset)));
    for (let page = 0; page < bytes.length; page += pageSize) {
      if (write) Atomics.or(bytes, page, 0); // stores what is there, and atomically: no other thread's store is undone
      else touched += bytes[page] ?? 0; // not by Atomics.load: Bun compiles that to a store on x86-64
    }
  }
  return touched;
}

/** mlock(2). */
export function lock(memory: RegionMemory, range: Range | undefined): void {
  const checked = rangeOptions(range, "lock");
  const pages = memory.pages(checked, "lock");
  const { offset, length } = memory.range(checked, "lock");
  if (pages.size > 0 && libc().functions.mlock(pages.start, pages.size) === -1) {
    throw memory.failed(libc().errno(), "mlock", "lock", pages, lockRemedy);
  }
  memory.assertNotLost("lock", offset, length);
}

/** munlock(2). */
export function unlock(memory: RegionMemory, range: Range | undefined): void {
  const pages = memory.pages(rangeOptions(range, "unlock"), "unlock");
  if (pages.size > 0 && libc().functions.munlock(pages.start, pages.size) === -1) {
    throw memory.failed(libc().errno(), "munlock", "unlock", pages, lockRemedy);
  }
}

/** mincore(2). */
export function residency(memory: RegionMemory, range: Range | undefined): Residency {
  const pages = memory.pages(rangeOptions(range, "residency"), "residency");
  const { functions, errno, pageSize } = libc();
  // Made as an ArrayBuffer: a small Uint8Array may move while the kernel writes to it.
  const bitmap = new ByteArray(new ArrayBuffer(Math.ceil(pages.size / pageSize)));
  if (pages.size > 0 && functions.mincore(pages.start, pages.size, bitmap) === -1) {
    throw memory.failed(errno(), "mincore", "residency", pages, () => undefined);
  }
  return new Residency(bitmap, pageSize, residencyIsReliable(memory));
}

function residencyIsReliable(memory: RegionMemory): boolean {
  const { hidesResidency, functions } = libc();
  const { file } = memory.live("residency");
  if (!hidesResidency || file === undefined || memory.access === "read-write") return true;
  const user = functions.geteuid(); // process.geteuid asks for a permission in Deno
  try {
    if (user === 0 || file.owner === user) return true;
    if (memory.path === undefined) return false;
    const { accessSync, constants: { W_OK } } = builtin("node:fs");
    accessSync(memory.path, W_OK);
    return true;
  } catch {
    return false;
  }
}
