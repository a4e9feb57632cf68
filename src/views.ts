/**
 * The ArrayBuffers over a mapping, and taking them back.
 *
 * There are two kinds. Those that a program was given may be anywhere: in native code on another thread, transferred to
 * a worker, or with an engine that doesn't let go of them. Those that the library keeps for itself never leave it, so that
 * nobody can transfer or hold them. What is known of the one says nothing of the other; hence a buffer is never both.
 *
 * @module
 */
import { builtin } from "../ffi/builtins.ts";
import { libc } from "../ffi/libc.ts";

/** What a program may still have of a mapping's memory after its buffers have been detached. */
export interface Lent {
  /** Buffers that the program was given; whoever works on one in native code keeps it from being collected. */
  readonly buffers: readonly ArrayBuffer[];
  /** Whether one had been transferred away: somebody else has the memory, for as long as they like. */
  readonly stolen: boolean;
  /** Whether one may have been, which can't be told any more. */
  readonly unknown: boolean;
}

/** Nobody has the memory. */
export const NOBODY: Lent = { buffers: [], stolen: false, unknown: false };

// Taken at import: a program that replaces it must not be able to keep its views.
const transfer: (this: ArrayBuffer, length: number) => ArrayBuffer = ArrayBuffer.prototype.transfer;

/** The runtime's largest ArrayBuffer in bytes: 4 GiB in Bun, beyond any address space in V8. */
export function largestBuffer(): number {
  return largest ??= builtin("node:buffer").constants.MAX_LENGTH;
}

let largest: number | undefined;

/** The smallest buffer that a part of a region too large for one buffer is taken from. */
const SMALLEST_PART = 2 ** 29;

/** Bytes in a buffer, as what is lent and kept is looked up. */
interface Span {
  readonly offset: number;
  readonly length: number;
}

/** How many references to buffers make a region look which of them are alive still. */
const MANY_LOOSE = 64;

/** A buffer that is not held on to, so that it can be collected before the region is closed. */
interface Loose {
  readonly buffer: WeakRef<ArrayBuffer>;
  /** Where in the region it ends, in bytes. */
  readonly end: number;
}

/** The buffers over one mapping, `address` being where it has the region's first byte. */
export class Views {
  /** The buffer over the whole, and others by the parts that they are over. */
  #whole: ArrayBuffer | undefined;
  readonly #parts = new Map<string, ArrayBuffer>();
  /** The library's own: over the whole, and others until they are given back. */
  #ownWhole: ArrayBuffer | undefined;
  readonly #own = new Set<ArrayBuffer>();
  #stolen = false;
  /**
   * Buffers of a region that grows where it is: it may grow ever so often, so that they can't all be held on to. Of one that
   * is collected meanwhile it isn't known whether it had been transferred away.
   */
  #loose: Loose[] = [];
  #mostLoose = MANY_LOOSE;
  #missed: FinalizationRegistry<undefined> | undefined;
  #unknown = false;

  /** The buffer over all of a region, for the program. The same object until somebody detaches it. */
  lendWhole(address: number, length: number): ArrayBuffer {
    if (this.#whole?.detached === true) {
      this.#whole = undefined;
      this.#stolen = true;
    }
    return this.#whole ??= length === 0 ? new ArrayBuffer(0) : libc().arrayBuffer(address, length);
  }

  /**
   * Bytes for the program out of a region that has `total` bytes. The buffer is over the whole where that can be; else
   * over one of the parts at multiples of half a part's size: any bytes up to that half lie within one, so that the
   * number of buffers stays bounded however many views are taken.
   *
   * @param within The bytes around these that may be read.
   */
  lend(address: number, total: number, { offset, length }: Span, within: Span): Uint8Array<ArrayBuffer> {
    if (length === 0) return new Uint8Array(0);
    if (within.length === total && total <= largestBuffer()) {
      return new Uint8Array(this.lendWhole(address, total), offset, length);
    }
    let [start, size] = [within.offset, within.length];
    if (size > largestBuffer()) {
      const half = Math.max(SMALLEST_PART, 2 ** Math.ceil(Math.log2(length)));
      const from = start + Math.floor((offset - start) / half) * half;
      const room = Math.min(2 * half, start + size - from);
      [start, size] = room <= largestBuffer() ? [from, room] : [offset, length];
    }
    const key = `${start}+${size}`;
    let buffer = this.#parts.get(key);
    if (buffer === undefined || buffer.detached) {
      this.#stolen ||= buffer !== undefined;
      buffer = libc().arrayBuffer(address + start, size);
      this.#parts.set(key, buffer);
    }
    return new Uint8Array(buffer, offset - start, length);
  }

  /** Bytes for the program out of a region that grows where it is, in a buffer over just these. */
  lendLoosely(address: number, { offset, length }: Span): Uint8Array<ArrayBuffer> {
    if (length === 0) return new Uint8Array(0);
    const buffer = libc().arrayBuffer(address + offset, length);
    this.#loosen(buffer, offset + length);
    return new Uint8Array(buffer);
  }

  #loosen(buffer: ArrayBuffer, end: number): void {
    if (this.#loose.length >= this.#mostLoose) {
      this.#loose = this.#loose.filter(({ buffer }) => buffer.deref() !== undefined);
      this.#mostLoose = 2 * Math.max(MANY_LOOSE, this.#loose.length);
    }
    this.#missed ??= new FinalizationRegistry(() => this.#unknown = true);
    this.#missed.register(buffer, undefined, buffer);
    this.#loose.push({ buffer: new WeakRef(buffer), end });
  }

  /** The region has grown where it is: what was lent stays as it is, and is no longer the whole. */
  grown(): void {
    this.#detachOwn();
    const whole = this.#whole;
    this.#whole = undefined;
    if (whole === undefined) return;
    if (whole.detached) this.#stolen = true;
    else this.#loosen(whole, whole.byteLength);
  }

  #detachOwn(): void {
    if (this.#ownWhole !== undefined) transfer.call(this.#ownWhole, 0);
    this.#ownWhole = undefined;
    for (const buffer of this.#own) transfer.call(buffer, 0);
    this.#own.clear();
  }

  /** All bytes for the library's own use, until they are detached by `revoke`. */
  keepWhole(address: number, length: number): Uint8Array<ArrayBuffer> {
    if (length === 0) return new Uint8Array(0);
    return new Uint8Array(this.#ownWhole ??= libc().arrayBuffer(address, length));
  }

  /** Bytes for the library's own use, until they are given back, or detached by `revoke`. */
  keep(address: number, { offset, length }: Span): Uint8Array<ArrayBuffer> {
    if (length === 0) return new Uint8Array(0);
    const buffer = libc().arrayBuffer(address + offset, length);
    this.#own.add(buffer);
    return new Uint8Array(buffer);
  }

  /** Detaches what `keep` returned. */
  giveBack({ buffer }: Uint8Array<ArrayBuffer>): void {
    if (this.#own.delete(buffer)) transfer.call(buffer, 0);
  }

  /**
   * Detaches the buffers that reach behind an offset, and tells who may still have the memory behind it.
   *
   * @param end 0 for all of them.
   */
  revoke(end: number): Lent {
    this.#detachOwn();
    if (this.#whole === undefined && this.#parts.size === 0 && this.#loose.length === 0 && !this.#stolen) {
      return this.#unknown ? { ...NOBODY, unknown: true } : NOBODY;
    }
    const lent = [...this.#parts.values()];
    const whole = this.#whole;
    if (whole !== undefined && (whole.detached || whole.byteLength > end)) lent.unshift(whole);
    this.#loose = this.#loose.filter((loose) => {
      const buffer = loose.buffer.deref();
      if (buffer === undefined || loose.end <= end) return buffer !== undefined;
      this.#missed?.unregister(buffer);
      lent.push(buffer);
      return false;
    });
    const buffers: ArrayBuffer[] = [];
    for (const buffer of lent) {
      if (buffer.detached) {
        this.#stolen = true;
        continue;
      }
      try {
        transfer.call(buffer, 0);
      } catch {
        // Node, after markAsUntransferable: it stays as it is, and keeps the pages for as long as it lives.
      }
      buffers.push(buffer);
    }
    if (whole?.detached === true || end === 0) this.#whole = undefined;
    this.#parts.clear();
    return { buffers, stolen: this.#stolen, unknown: this.#unknown };
  }
}
