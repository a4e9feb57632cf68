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
}

/** Nobody has the memory. */
export const NOBODY: Lent = { buffers: [], stolen: false };

/** Whether nobody has the memory. */
export function isNobody({ buffers, stolen }: Lent): boolean {
  return buffers.length === 0 && !stolen;
}

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

/** The buffers over one mapping, `address` being where it has the region's first byte. */
export class Views {
  /** The buffer over the whole, and others by the parts that they are over. */
  #whole: ArrayBuffer | undefined;
  readonly #parts = new Map<string, ArrayBuffer>();
  /** The library's own: over the whole, and others until they are given back. */
  #ownWhole: ArrayBuffer | undefined;
  readonly #own = new Set<ArrayBuffer>();
  #stolen = false;

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

  /** Detaches every buffer, and tells who may still have the memory. */
  revoke(): Lent {
    if (this.#ownWhole !== undefined) transfer.call(this.#ownWhole, 0);
    this.#ownWhole = undefined;
    for (const buffer of this.#own) transfer.call(buffer, 0);
    this.#own.clear();
    if (this.#whole === undefined && this.#parts.size === 0 && !this.#stolen) return NOBODY;
    const buffers: ArrayBuffer[] = [];
    for (
      const buffer of this.#whole === undefined
        ? this.#parts.values()
        : [this.#whole, ...this.#parts.values()]
    ) {
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
    this.#whole = undefined;
    this.#parts.clear();
    return { buffers, stolen: this.#stolen };
  }
}
