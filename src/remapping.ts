/**
 * How a mapping grows, shrinks and moves.
 *
 * @module
 */
import { libc } from "../ffi/libc.ts";
import { constants } from "../ffi/platform.ts";
import { regionTable } from "../ffi/regions.ts";
import {
  type Explain,
  mapPages,
  type Mapping,
  type MappingRequest,
  RESERVE,
  roundDown,
  roundUp,
} from "./mapping.ts";
import { Loans } from "./retirement.ts";

/**
 * Grows or shrinks a mapping to hold `length` bytes. If it throws, the mapping is whole and has the length it had.
 *
 * The caller has detached the buffers over what goes away: all of them, unless the mapping stays where it is.
 */
export function resizeMapping(mapping: Mapping, length: number, explain: Explain): void {
  const size = roundUp(length, mapping.pageSize);
  const before = mapping.slot.length;
  if (length > before && mapping.leftover) {
    const end = mapping.size;
    // Work that was under way before it became shorter may still be looking at what was cut off.
    if (!mapping.unwatched && mapping.capacity === 0) replace(mapping, size, length, explain);
    clear(mapping, before, end);
    mapping.leftover = false;
  } else if (length < before) mapping.leftover = mapping.anonymous && length < size;
  if (size < mapping.size) shrink(mapping, size, length);
  else if (size === mapping.size) mapping.slot.move(mapping.start, length);
  else if (mapping.capacity > 0) extend(mapping, size, length, explain);
  else grow(mapping, size, length, explain);
  mapping.protections.resize(size);
}

/**
 * Zeroes what was cut off within the last page, before it is part of the region again. For files the kernel does that; for
 * memory we have to.
 */
function clear(mapping: Mapping, from: number, to: number): void {
  if (from === to) return;
  const { functions } = libc();
  const { protections, pageSize, start } = mapping;
  const { PROT_READ, PROT_WRITE } = constants;
  const page = roundDown(from, pageSize);
  const writable = protections.allow(from, to, PROT_WRITE);
  if (!writable) functions.mprotect(start + page, pageSize, PROT_READ | PROT_WRITE);
  functions.memset(start + from, 0, to - from);
  if (!writable) functions.mprotect(start + page, pageSize, protections.at(from));
}

function shrink(mapping: Mapping, size: number, length: number): void {
  const { start, size: oldSize } = mapping;
  mapping.size = size;
  if (size === 0 && mapping.capacity === 0) mapping.start = 0;
  mapping.giveBack(start + size, oldSize - size, length);
}

/** Maps more pages behind the last one, where the address space has been reserved for them. */
function extend(mapping: Mapping, size: number, length: number, explain: Explain): void {
  const { request, slot, start, size: oldSize, protections } = mapping;
  const { MAP_FIXED, MAP_FIXED_NOREPLACE = 0 } = constants;
  const from = start + oldSize;
  const flags = request.flags & ~MAP_FIXED_NOREPLACE | MAP_FIXED;
  const offset = request.offset + oldSize;
  const protection = protections.last;
  // Work in flight may be looking at what was cut off there: the guard looks after it without a gap.
  slot.reach(size);
  try {
    mapping.reclaim(from, start + size);
    mapFile(
      mapping,
      { ...request, address: from, length: size - oldSize, flags, offset, protection },
      explain,
    );
  } catch (error) {
    slot.move(start, slot.length);
    throw error;
  }
  mapping.size = size;
  slot.move(start, length);
}

/** Maps pages of the file that a mapping maps, or memory. */
function mapFile(mapping: Mapping, request: MappingRequest, explain: Explain): number {
  const { file } = mapping;
  if (file === undefined) return mapPages(request, undefined, explain);
  return file.use((fd) => mapPages({ ...request, fd }, file.path, explain));
}

function grow(mapping: Mapping, size: number, length: number, explain: Explain): void {
  // Where the guard has replaced pages of the file, mremap would grow its replacement instead of the file.
  const isOneThing = mapping.anonymous || mapping.slot.faults === 0;
  if (mapping.size > 0 && isOneThing && libc().has("mremap")) {
    if (growInPlace(mapping, size, length)) return;
    // The pages can't be moved away while native code may still be using views of them.
    if (mapping.unwatched && move(mapping, size, length)) return;
  }
  replace(mapping, size, length, explain);
}

function growInPlace(mapping: Mapping, size: number, length: number): boolean {
  if (libc().functions.mremap(mapping.start, mapping.size, size, 0, 0) === -1) return false;
  mapping.size = size;
  mapping.slot.move(mapping.start, length);
  return true;
}

/** Moves the pages to where there is room. */
function move(mapping: Mapping, size: number, length: number): boolean {
  const { functions } = libc();
  const { MREMAP_MAYMOVE = 0 } = constants;
  const { start, size: oldSize, slot } = mapping;
  const oldLength = slot.length;
  slot.suspend(); // as soon as the pages have left the range, another thread may map something there
  const grown = functions.mremap(start, oldSize, size, MREMAP_MAYMOVE, 0);
  if (grown === -1) {
    slot.move(start, oldLength);
    return false;
  }
  mapping.start = grown;
  mapping.size = size;
  slot.move(grown, length);
  return true;
}

/**
 * Makes a new mapping of the same thing, then gives the old one back. That is for platforms without mremap, for what
 * mremap refuses (it moves only a range that is one mapping, and no huge pages), and for pages that native code may
 * still be using.
 */
function replace(mapping: Mapping, size: number, length: number, explain: Explain): void {
  const { functions } = libc();
  const { MAP_FIXED, MAP_FIXED_NOREPLACE = 0, PROT_READ, PROT_WRITE } = constants;
  const { request, start: old, size: oldSize } = mapping;
  const flags = request.flags & ~(MAP_FIXED | MAP_FIXED_NOREPLACE);
  const copied = !mapping.shared && mapping.stored && oldSize > 0;
  const protection = copied ? PROT_READ | PROT_WRITE : request.protection;
  // What is copied goes to where it can grow for a while: else each step of many would copy all of it.
  const address = copied ? withRoom(2 * size) : 0;
  const start = mapFile(mapping, { ...request, address, length: size, flags, protection }, explain);
  if (copied) {
    if (!mapping.protections.allow(0, oldSize, PROT_READ)) functions.mprotect(old, oldSize, PROT_READ);
    try {
      copyGuarded(mapping, start, size);
    } catch (error) {
      functions.munmap(start, size); // the table of regions is full
      throw error;
    }
  }
  mapping.protections.resize(size);
  mapping.protections.forEach((from, end, bits) => {
    if (bits !== protection) functions.mprotect(start + from, end - from, bits);
  });
  mapping.start = start;
  mapping.size = size;
  mapping.giveBack(old, oldSize, length);
  mapping.loans = new Loans();
}

/** An address with so much room behind it; 0 if there is none. Somebody else may take it the next moment. */
function withRoom(size: number): number {
  const { functions } = libc();
  const start = functions.mmap(0, size, constants.PROT_NONE, RESERVE, -1, 0);
  if (start === -1) return 0;
  functions.munmap(start, size);
  return start;
}

/** Copies a mapping's pages to the new mapping of `size` bytes at `start`, which the guard looks after meanwhile. */
function copyGuarded(mapping: Mapping, start: number, size: number): void {
  const { pageSize, slot } = mapping;
  // The file may be truncated while its pages are being copied.
  const guard = regionTable().add({ start, length: size, pageSize, kind: "private", guarded: slot.guarded });
  libc().functions.memmove(start, mapping.start, mapping.size);
  guard.release();
}
