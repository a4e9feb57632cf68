/**
 * The ArrayBuffers handed out over a mapping, and taking them back.
 *
 * @module
 */
import { constants } from "node:buffer";
import { libc } from "../ffi/libc.ts";

/** A place within an ArrayBuffer. */
export interface Place {
  readonly buffer: ArrayBuffer;
  readonly byteOffset: number;
}

/** What is known of a mapping's memory after its buffers have been detached. */
export interface Revoked {
  /** Buffers whose memory native code may still be working on; that ends when they are collected. */
  readonly watched: readonly ArrayBuffer[];
  /** Whether a buffer had been transferred away: somebody else has the memory, for as long as they like. */
  readonly stolen: boolean;
}

/** Nobody has the memory. */
export const UNUSED: Revoked = { watched: [], stolen: false };

/** Whether nobody has the memory. */
export function isUnused({ watched, stolen }: Revoked): boolean {
  return watched.length === 0 && !stolen;
}

// Taken at import: a program that replaces it must not be able to keep its views.
const transfer: (this: ArrayBuffer, length: number) => ArrayBuffer = ArrayBuffer.prototype.transfer;

/** The runtime's largest ArrayBuffer in bytes: 4 GiB in Bun, beyond any address space in V8. */
export const LARGEST_BUFFER: number = constants.MAX_LENGTH;

/** The smallest window that a part of a region too large for one buffer is taken from. */
const SMALLEST_WINDOW = 2 ** 29;

/**
 * The buffers over one mapping.
 *
 * One buffer over the whole serves every view, where the runtime's buffers are large enough and every page may be
 * read. Otherwise views are taken from windows at multiples of their half length: any range of up to half a
 * window's length lies within one, so that the number of buffers stays bounded however many views are taken.
 * They are held here, since a buffer that was transferred away can be told only by looking at it.
 */
export class Views {
  readonly #buffers = new Map<string, ArrayBuffer>();
  #whole: ArrayBuffer | undefined;
  /** Those that the program has been given: only they can be transferred away, or be at work in native code. */
  readonly #lent = new Set<ArrayBuffer>();
  #stolen = false;
  /** Buffers detached by an earlier `revoke`, whose memory may still be in use by work that began before it. */
  #revoked: WeakRef<ArrayBuffer>[] = [];

  /** The buffer over the whole of a region that has `length` bytes at `address`. */
  whole(address: number, length: number): ArrayBuffer {
    if (this.#whole?.detached === true) {
      this.#whole = undefined;
      this.#stolen = true;
    }
    this.#whole ??= length === 0 ? new ArrayBuffer(0) : libc().arrayBuffer(address, length);
    return this.#whole;
  }

  /** Where to find a range of a region that has `total` bytes at `address`. */
  part(address: number, total: number, offset: number, length: number): Place {
    const half = Math.max(SMALLEST_WINDOW, 2 ** Math.ceil(Math.log2(Math.max(length, 1))));
    if (2 * half > LARGEST_BUFFER) {
      return { buffer: this.exact(address, offset, length), byteOffset: 0 };
    }
    const start = Math.floor(offset / half) * half;
    return {
      buffer: this.exact(address, start, Math.min(2 * half, total - start)),
      byteOffset: offset - start,
    };
  }

  /** A buffer over exactly a range of the region at `address`. */
  exact(address: number, offset: number, length: number): ArrayBuffer {
    if (length === 0) return new ArrayBuffer(0);
    const key = `${offset}+${length}`;
    let buffer = this.#buffers.get(key);
    if (buffer === undefined || buffer.detached) {
      this.#stolen ||= buffer !== undefined;
      buffer = libc().arrayBuffer(address + offset, length);
      this.#buffers.set(key, buffer);
    }
    return buffer;
  }

  /** Notes that the program is given a buffer. */
  lend(buffer: ArrayBuffer): void {
    this.#lent.add(buffer);
  }

  /**
   * Detaches every buffer, and tells who may still have the memory, from now or from before.
   *
   * @param last Whether it is for the last time: what is told now then needn't be remembered. Besides its price, a
   * WeakRef holds on to its buffer until the event loop turns.
   */
  revoke(last: boolean): Revoked {
    const whole = this.#whole;
    if (whole === undefined && this.#buffers.size === 0 && this.#revoked.length === 0 && !this.#stolen) {
      return UNUSED;
    }
    const buffers = [...this.#buffers.values(), ...(whole === undefined ? [] : [whole])];
    this.#buffers.clear();
    this.#whole = undefined;
    const { pinsBuffers } = libc();
    const watched = buffers.filter((buffer) => {
      if (buffer.detached) {
        this.#stolen = true;
        return false;
      }
      transfer.call(buffer, 0);
      // Bun pins a buffer that native work is using and then leaves it attached, without a word.
      return this.#lent.has(buffer) && !(pinsBuffers && buffer.detached);
    });
    this.#lent.clear();
    for (const reference of this.#revoked) {
      const buffer = reference.deref();
      if (buffer !== undefined) watched.push(buffer);
    }
    if (!last) this.#revoked = watched.map((buffer) => new WeakRef(buffer));
    return { watched, stolen: this.#stolen };
  }
}
