/**
 * The ArrayBuffers over a mapping, and taking them back.
 *
 * There are two kinds of buffers. What is lent to the program can be anywhere: transferred to a worker, or at work in
 * native code on another thread. What the library keeps for itself never leaves it, so that nobody can transfer it or
 * hold on to it. A buffer is never both: so whatever a program does to its own, the library's can be detached.
 *
 * @module
 */
import {
  append,
  bufferOf,
  ByteArray,
  deref,
  isDetached,
  maps,
  Math,
  select,
  sets,
  sizeOf,
  transfer,
  WeakReference,
} from "../ffi/captured.ts";
import { libc } from "../ffi/libc.ts";

/** What may still be in use of a mapping's memory after the buffers that were lent have been detached. */
export interface Lent {
  /** Buffers that the program was lent. Native code that works on one keeps it from being collected. */
  readonly buffers: readonly ArrayBuffer[];
  /** Whether one had been transferred away: another buffer has the memory now, and nobody can tell for how long. */
  readonly stolen: boolean;
  /** Whether one may have been transferred away before it was collected. */
  readonly unknown: boolean;
}

/** Nothing is in use. */
export const NOBODY: Lent = { buffers: [], stolen: false, unknown: false };

/** The runtime's largest ArrayBuffer in bytes: 4 GiB in Bun, beyond any address space in V8. */
export function largestBuffer(): number {
  return largest ??= libc().largestBuffer;
}

let largest: number | undefined;

/** Regions too large for one buffer are lent in buffers of at least this many bytes. */
const SMALLEST_PART = 2 ** 29;

/** A part of a region, by which its buffer is looked up. */
interface Span {
  readonly offset: number;
  readonly length: number;
}

/** After so many weak references to buffers, those whose buffers were collected are dropped. */
const MANY_LOOSE = 64;

/** A buffer by a weak reference, so that it can be collected before the region is closed. */
interface Loose {
  readonly buffer: WeakRef<ArrayBuffer>;
  /** Where in the region it ends, in bytes. */
  readonly end: number;
}

/** The buffers over one mapping. `address` is always that of the region's first byte. */
export class Views {
  // Most regions lend one buffer, or none. So collections are made when they are first needed.

  /** What was lent: the buffer over the whole region, and others by the parts they are over. */
  #whole: ArrayBuffer | undefined;
  #parts: ReturnType<typeof maps.create> | undefined;
  /** What the library keeps for itself: over the whole region, and others until they are given back. */
  #ownWhole: ArrayBuffer | undefined;
  #own: ReturnType<typeof sets.create> | undefined;
  #stolen = false;
  /**
   * Buffers of a region that grows where it is. It may grow any number of times, so they can't all be held strongly.
   * Of one that was collected nobody knows whether it had been transferred away.
   */
  #loose: Loose[] | undefined;
  #mostLoose = MANY_LOOSE;
  #unknown = false;

  /** The buffer over all of a region, for the program. The same object until somebody detaches it. */
  lendWhole(address: number, length: number): ArrayBuffer {
    if (this.#whole !== undefined && isDetached(this.#whole)) {
      this.#whole = undefined;
      this.#stolen = true;
    }
    return this.#whole ??= length === 0 ? new ArrayBuffer(0) : libc().arrayBuffer(address, length);
  }

  /**
   * Bytes for the program out of a region that has `total` bytes. Their buffer is over the whole region where that is
   * possible. Else it is over a larger part, which begins at a multiple of half its size: so whatever is not larger
   * than that half lies within one buffer, and there are few buffers however many views are taken.
   *
   * @param within The bytes around these that may be read.
   */
  lend(address: number, total: number, { offset, length }: Span, within: Span): Uint8Array<ArrayBuffer> {
    if (length === 0) return new ByteArray(0);
    if (within.length === total && total <= largestBuffer()) {
      return new ByteArray(this.lendWhole(address, total), offset, length);
    }
    let { offset: start, length: size } = within;
    if (size > largestBuffer()) {
      const half = Math.max(SMALLEST_PART, 2 ** Math.ceil(Math.log2(length)));
      const from = start + Math.floor((offset - start) / half) * half;
      const room = Math.min(2 * half, start + size - from);
      const fits = room <= largestBuffer();
      start = fits ? from : offset;
      size = fits ? room : length;
    }
    const key = `${start}+${size}`;
    const parts = this.#parts ??= maps.create();
    let buffer = maps.get(parts, key);
    if (buffer === undefined || isDetached(buffer)) {
      this.#stolen ||= buffer !== undefined;
      buffer = libc().arrayBuffer(address + start, size);
      maps.set(parts, key, buffer);
    }
    return new ByteArray(buffer, offset - start, length);
  }

  /** Bytes for the program out of a region that grows where it is: in a buffer over these alone. */
  lendLoosely(address: number, { offset, length }: Span): Uint8Array<ArrayBuffer> {
    if (length === 0) return new ByteArray(0);
    const buffer = libc().arrayBuffer(address + offset, length);
    this.#loosen(buffer, offset + length);
    return new ByteArray(buffer);
  }

  #loosen(buffer: ArrayBuffer, end: number): void {
    let loose = this.#loose ??= [];
    if (loose.length >= this.#mostLoose) {
      const { length } = loose;
      loose = this.#loose = select(loose, ({ buffer }) => deref(buffer) !== undefined);
      this.#unknown ||= loose.length < length;
      this.#mostLoose = 2 * Math.max(MANY_LOOSE, loose.length);
    }
    append(loose, { buffer: new WeakReference(buffer), end });
  }

  /** The region has grown where it is: the buffer over the whole becomes one over a part. */
  grown(): void {
    this.#detachOwn();
    const whole = this.#whole;
    this.#whole = undefined;
    if (whole === undefined) return;
    if (isDetached(whole)) this.#stolen = true;
    else this.#loosen(whole, sizeOf(whole));
  }

  #detachOwn(): void {
    if (this.#ownWhole !== undefined) this.#takeBack(this.#ownWhole);
    this.#ownWhole = undefined;
    if (this.#own === undefined) return;
    sets.forEach(this.#own, (buffer) => this.#takeBack(buffer));
    this.#own = undefined;
  }

  /** Detaches a buffer of the library's own, unless a function that a program put in a built-in's place got hold of it. */
  #takeBack(buffer: ArrayBuffer): void {
    if (isDetached(buffer)) this.#stolen = true;
    else transfer(buffer, 0);
  }

  /** All bytes for the library's own use, until `revoke` detaches them. */
  keepWhole(address: number, length: number): Uint8Array<ArrayBuffer> {
    if (length === 0) return new ByteArray(0);
    return new ByteArray(this.#ownWhole ??= libc().arrayBuffer(address, length));
  }

  /** Bytes for the library's own use, until they are given back or `revoke` detaches them. */
  keep(address: number, { offset, length }: Span): Uint8Array<ArrayBuffer> {
    if (length === 0) return new ByteArray(0);
    const buffer = libc().arrayBuffer(address + offset, length);
    sets.add(this.#own ??= sets.create(), buffer);
    return new ByteArray(buffer);
  }

  /** Detaches what `keep` returned. */
  giveBack(bytes: Uint8Array<ArrayBuffer>): void {
    const buffer = bufferOf(bytes) as ArrayBuffer;
    if (this.#own !== undefined && sets.delete(this.#own, buffer)) this.#takeBack(buffer);
  }

  /**
   * Detaches the buffers that reach behind an offset, and tells what may still be in use of the memory behind it.
   *
   * @param end 0 for all of them.
   */
  revoke(end: number): Lent {
    this.#detachOwn();
    const whole = this.#whole;
    const parts = this.#parts;
    const loose = this.#loose;
    if (whole === undefined && parts === undefined && loose === undefined && !this.#stolen) return NOBODY;
    const buffers: ArrayBuffer[] = [];
    if (whole !== undefined && (isDetached(whole) || sizeOf(whole) > end)) this.#detach(whole, buffers);
    if (parts !== undefined) maps.forEach(parts, (buffer) => this.#detach(buffer, buffers));
    if (loose !== undefined) {
      this.#loose = select(loose, (each) => {
        const buffer = deref(each.buffer);
        if (buffer === undefined) this.#unknown = true;
        else if (each.end <= end) return true;
        else this.#detach(buffer, buffers);
        return false;
      });
    }
    if (whole !== undefined && isDetached(whole) || end === 0) this.#whole = undefined;
    this.#parts = undefined;
    return { buffers, stolen: this.#stolen, unknown: this.#unknown };
  }

  /** Detaches a buffer that was lent, and adds it to `detached`, unless it was transferred away. */
  #detach(buffer: ArrayBuffer, detached: ArrayBuffer[]): void {
    if (isDetached(buffer)) {
      this.#stolen = true;
      return;
    }
    try {
      transfer(buffer, 0);
    } catch {
      // In Node, after markAsUntransferable. The buffer stays attached, and its pages stay mapped for as long as it
      // lives.
    }
    append(detached, buffer);
  }
}
