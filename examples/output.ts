/**
 * Standard output for the examples that print much: bytes are collected, and written many at a time.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { writeSync } from "node:fs";
import process from "node:process";
import { isMainThread } from "node:worker_threads";

const SIZE = 2 ** 18; // bytes that are collected, unless more are wanted
const COPY = 2 ** 18; // bytes that are copied from a region at a time
const FAR = 2 ** 11; // bytes; of parts that are farther from each other, nothing is copied but themselves
const NUMBER = 32; // bytes; more than a number has, and what is around it
const [ZERO, COLON, NEWLINE] = [0x30, 0x3a, 0x0a];

/** Standard output. What is added is written when there is much of it, and when the `using` block ends. */
export class Output implements Disposable {
  readonly #size: number;
  /** What is collected, and behind it a copy of a part of a region: bytes are moved within one buffer fastest. */
  readonly #bytes: Buffer;
  #length = 0;
  /** Which part of what the copy is of. */
  #source: Uint8Array | undefined;
  #from = 0;
  #to = 0;

  /** @param size How many bytes are collected. */
  constructor(size = SIZE) {
    this.#size = size;
    this.#bytes = Buffer.allocUnsafeSlow(size + COPY);
  }

  /** Whether a line of so many bytes, and its number, can be added without anything being written. */
  hasRoom(size: number): boolean {
    return size + NUMBER <= this.#size - this.#length;
  }

  /** Adds bytes. */
  add(bytes: Uint8Array): void {
    if (bytes.length > this.#size) {
      this.flush();
      write(bytes);
    } else {
      this.#makeRoom(bytes.length);
      this.#bytes.set(bytes, this.#length);
      this.#length += bytes.length;
    }
  }

  /** Adds a text. */
  addText(text: string): void {
    this.add(Buffer.from(text));
  }

  /** Adds a text and a newline. */
  addLine(text: string): void {
    this.addText(`${text}\n`);
  }

  /** Adds a line that lies between two places of a region's bytes, and its number before it, as grep does. */
  addNumbered(number: number, bytes: Uint8Array, start: number, end: number): void {
    if (number < 2 ** 31) this.#addNumber(number);
    else this.addText(`${number}`);
    this.#addByte(COLON);
    this.addPart(bytes, start, end);
    this.#addByte(NEWLINE);
  }

  /** Adds a number below 2^31: such numbers are calculated with as whole ones, which is faster. */
  #addNumber(number: number): void {
    this.#makeRoom(10);
    let end = this.#length + 1;
    for (let rest = number; rest > 9; rest = (rest / 10) | 0) end++;
    this.#length = end;
    let rest = number;
    do {
      const next = (rest / 10) | 0;
      this.#bytes[--end] = ZERO + rest - 10 * next;
      rest = next;
    } while (rest > 0);
  }

  #addByte(byte: number): void {
    this.#makeRoom(1);
    this.#bytes[this.#length++] = byte;
  }

  /** Adds a part of a region's bytes. Parts that lie near each other are copied together. */
  addPart(bytes: Uint8Array, start: number, end: number): void {
    const size = end - start;
    const isKnown = bytes === this.#source && start >= this.#from && end <= this.#to;
    if (!isKnown && (size > COPY || start < this.#to || start - this.#to > FAR)) {
      this.add(bytes.subarray(start, end));
      [this.#source, this.#from, this.#to] = [bytes, end, end];
      return;
    }
    if (!isKnown) {
      const copy = bytes.subarray(start, start + COPY);
      this.#bytes.set(copy, this.#size);
      [this.#source, this.#from, this.#to] = [bytes, start, start + copy.length];
    }
    this.#makeRoom(size);
    const from = this.#size + start - this.#from;
    this.#bytes.copyWithin(this.#length, from, from + size);
    this.#length += size;
  }

  /** Makes room for so many bytes. */
  #makeRoom(room: number): void {
    if (room > this.#size - this.#length) this.flush();
  }

  /** Writes what has been added. */
  flush(): void {
    const length = this.#length;
    this.#length = 0;
    write(this.#bytes.subarray(0, length));
  }

  [Symbol.dispose](): void {
    this.flush();
  }
}

/** Writes all of the bytes to standard output. If nobody reads it any more, the program ends; in a worker, it throws. */
function write(bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) {
    try {
      done += writeSync(1, bytes, done);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EPIPE" && isMainThread) process.exit(2);
      if (code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1); // the pipe is full: wait a millisecond
    }
  }
}
