/**
 * Messages between processes, through a ring in shared memory.
 *
 * @module
 */
import { builtin } from "../../ffi/builtins.ts";
import { Atomics } from "../../ffi/captured.ts";
import { errorNumber, MmapError } from "../../ffi/errors.ts";
import { OWNER, OWNER_DIED } from "../../ffi/owner.ts";
import { oneOf, show, wholeNumber } from "../checks.ts";
import type { MappedRegion } from "../region.ts";
import {
  checkTime,
  ownOptions,
  type TimeoutOptions,
  type Until,
  until,
  type WaitOptions,
} from "./options.ts";
import { BUSY, OWNED_SIZE, OwnedWord, TAKEN_OVER } from "./owned.ts";
import { establish, Place } from "./place.ts";
import { LARGEST, LAYOUT, NONE, Ring, SLOTS, SMALLEST } from "./ring.ts";
import { block, park, soon, wake, type Word } from "./waits.ts";

/** Options of {@linkcode Channel}. */
export interface ChannelOptions {
  /** Where in the region the channel is, in bytes: a multiple of 64. Default: 0. */
  offset?: number | undefined;
  /**
   * The size of the ring in bytes: a power of two from 1024 to 2^30. A message may have half of it. Default: that of the
   * channel that is there; of a new one, the largest for which the region has room.
   */
  capacity?: number | undefined;
  /**
   * `"one"`: from its first message on, this end is the only one that can send, until it is closed. That makes
   * sending faster. Others wait, and one of them goes on if this end dies. Default: `"many"`.
   */
  senders?: "one" | "many" | undefined;
  /** The same for receiving. Default: `"many"`. */
  receivers?: "one" | "many" | undefined;
}

const MAGIC_TEXT = "CHN1";
const ALL = 0x7fff_ffff;
const CLOSED = 1;
const DIED = 2;

/** How often a word is looked at before the thread sleeps: for 2 to 30 µs, which is what sleeping and being woken costs. */
const LEAST_SPINS = 64;
const MOST_SPINS = 1024;
/** How many turns of the event loop, of some 1 µs, are waited before another thread is asked to wait: that costs 60 µs. */
const LEAST_TURNS = 4;
const MOST_TURNS = 64;
/** If looking has not helped for so many waits, one of them looks for long again: two peers that both sleep would go on so. */
const TRY_AGAIN = 16;
/** A lock that an unknown has for so many milliseconds was written by somebody else. */
const DOUBT = 1000;
/** `for await` lets the event loop run after this many messages. */
const MANY = 512;

/** One side of a channel: those who send, or those who receive. */
interface Side {
  readonly name: "send" | "receive";
  readonly lock: OwnedWord;
  /** Where its 64 owned words are, and its two words that tell how many came and how the last one ended. */
  readonly slots: number;
  readonly counts: number;
  readonly alone: boolean;
  /** The owned word that shows that this end is there. */
  slot: OwnedWord | undefined;
  /** Whether the lock is held until the end. */
  holding: boolean;
  /** Whether the lock is held for a reservation, or for a message that is being looked at. */
  lent: boolean;
}

/**
 * Messages of bytes, from any number of processes and threads to any number, in the order in which they were sent, through a
 * ring in shared memory.
 *
 * A message is in the channel when the call that sent it has returned, and has left it when the call that received it
 * has. A process that is killed before that has not sent the message, or leaves it to the next receiver. So no
 * message is lost, none comes twice, and none is torn, whichever process is killed at whichever instruction. (A
 * receiver that is killed after it received a message and before it has dealt with it takes the message along. To
 * avoid that, {@linkcode Channel.peek}, and consume it when it is done.)
 *
 * A full channel makes senders wait. When every sender there ever was has closed the channel, receivers get
 * `undefined` after the last message, and `for await` ends; if the last sender died instead, they get ECONNRESET.
 * Senders that wait for room get EPIPE when there are no receivers any more. A close is noticed at once, a death
 * within a quarter of a second.
 *
 * Whatever a peer writes to the memory, nothing outside of the channel is read or written, and no call goes on
 * forever. What makes no sense is EBADMSG.
 *
 * Bare names wait without holding up the event loop, `…Sync` blocks the thread, `try…` doesn't wait.
 *
 * @example
 * ```ts
 * import { Channel, createSharedMemory, openSharedMemory, unlinkSharedMemory } from "@mapped/region/ipc";
 *
 * using region = createSharedMemory("/example-of-a-channel", 1 << 20);
 * using channel = new Channel(region);
 * await channel.send("hello");
 *
 * using other = openSharedMemory("/example-of-a-channel"); // in another process
 * using inbox = new Channel(other);
 * console.log(new TextDecoder().decode(await inbox.receive())); // "hello"
 * unlinkSharedMemory("/example-of-a-channel");
 * ```
 */
export class Channel implements Disposable, AsyncIterable<Uint8Array<ArrayBuffer>> {
  readonly #place: Place;
  readonly #ring: Ring;
  readonly #sending: Side;
  readonly #receiving: Side;
  readonly #tail: Word;
  readonly #head: Word;
  /** How often it is looked before a wait. */
  readonly #spins = new Patience(LEAST_SPINS, MOST_SPINS);
  readonly #patience = new Patience(LEAST_TURNS, MOST_TURNS);
  #closed = false;
  /** Whether messages are being handed to a function of the program's. */
  #draining = false;

  /**
   * The channel at an offset of a region. Where all bytes are zeros it is made.
   *
   * @param region A region that is shared and may be written to.
   * @param options Where it is, how large, and whether this end is the only one of its kind.
   * @throws {TypeError} If an argument has the wrong type, an option is unknown, or the region is not shared.
   * @throws {RangeError} If the channel does not lie within the region, or a number is out of range.
   * @throws {RegionClosedError} If the region is closed.
   * @throws {MmapError} EACCES if the region may not be written to; EINVAL if something else is there, or a channel with
   * another capacity; EFAULT if its pages were lost.
   */
  constructor(region: MappedRegion, options?: ChannelOptions) {
    const given = ownOptions(options, ["offset", "capacity", "senders", "receivers"], "Channel");
    const words = ["one", "many"] as const;
    const senders = oneOf(given.senders ?? "many", words, "Channel: option 'senders'");
    const receivers = oneOf(given.receivers ?? "many", words, "Channel: option 'receivers'");
    const asked = given.capacity === undefined ? undefined : checkCapacity(given.capacity);
    const { offset = 0 } = given;
    const least = LAYOUT.RING + (asked ?? SMALLEST);
    const smallest = Place.of(region, offset, least, OWNED_SIZE, "Channel");
    const capacity = establishRing(smallest, asked, region.length);
    const place = smallest.enlarged(LAYOUT.RING + capacity);
    this.#place = place;
    const ring = new Ring(place, capacity);
    this.#ring = ring;
    const side = (name: Side["name"], lock: number, slots: number, counts: number, alone: boolean): Side => ({
      name,
      lock: new OwnedWord(place.part(lock, OWNED_SIZE)),
      slots,
      counts,
      alone,
      slot: undefined,
      holding: false,
      lent: false,
    });
    const { COMMIT_LOCK, SENDER_SLOTS, SENDERS, CONSUME_LOCK, RECEIVER_SLOTS, RECEIVERS } = LAYOUT;
    this.#sending = side("send", COMMIT_LOCK, SENDER_SLOTS, SENDERS, senders === "one");
    this.#receiving = side("receive", CONSUME_LOCK, RECEIVER_SLOTS, RECEIVERS, receivers === "one");
    const word = (at: number): Word => ({ address: () => place.address + at, load: () => ring.load(at) });
    this.#tail = word(LAYOUT.TAIL);
    this.#head = word(LAYOUT.HEAD);
  }

  /**
   * The number of bytes that a channel takes.
   *
   * @param capacity The size of its ring: a power of two from 1024 to 2^30.
   * @throws {TypeError} If it is no number.
   * @throws {RangeError} If it is no such number.
   *
   * @example
   * ```ts
   * import { Channel, createSharedMemory, unlinkSharedMemory } from "@mapped/region/ipc";
   *
   * using region = createSharedMemory("/example-of-a-size", Channel.byteLength(1 << 16));
   * using channel = new Channel(region);
   * console.log(channel.capacity); // 65536
   * unlinkSharedMemory("/example-of-a-size");
   * ```
   */
  static byteLength(capacity: number): number {
    return LAYOUT.RING + checkCapacity(capacity);
  }

  /** The size of the ring in bytes. Each message takes 8 bytes more than it has, rounded up to 8. */
  get capacity(): number {
    return this.#ring.capacity;
  }

  /** The longest message in bytes. */
  get longestMessage(): number {
    return this.#ring.longest;
  }

  /** Whether this end has been closed. */
  get closed(): boolean {
    return this.#closed;
  }

  // Sending.

  /**
   * Sends a message when there is room for it.
   *
   * @param message Its bytes; a string's are UTF-8. It may be empty.
   * @param options How long to wait at most, and a signal that ends the wait.
   * @throws {TypeError} If an argument has the wrong type.
   * @throws {RangeError} If the message is longer than {@linkcode Channel.longestMessage}.
   * @throws {RegionClosedError} If the region is closed, or is while it waits.
   * @throws {MmapError} EPIPE if nobody receives any more; ETIMEDOUT; EBADMSG if the channel is corrupted; EAGAIN if
   * 64 are sending; EBADF if this end is closed; EFAULT if the memory was lost.
   * @throws The signal's reason, if it aborts.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { Channel } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(1 << 16, { shared: true });
   * using channel = new Channel(region);
   * await channel.send("hello", { timeout: 1000 });
   * console.log(channel.tryReceive()?.length); // 5
   * ```
   */
  async send(message: Uint8Array | string, options?: WaitOptions): Promise<void> {
    const call = "Channel.send";
    const limit = until(options, call, false);
    const bytes = toBytes(message, call);
    while (!this.#commitMessage(bytes, call)) await this.#waitForRoom(bytes.length, limit, call);
  }

  /**
   * The same as {@linkcode Channel.send}, blocking the thread.
   *
   * @param message Its bytes; a string's are UTF-8.
   * @param options How long to wait at most.
   * @throws What {@linkcode Channel.send} throws, and {@linkcode MmapError} EDEADLK if this thread itself keeps all others from
   * sending, by a reservation.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { Channel } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(1 << 16, { shared: true });
   * using channel = new Channel(region);
   * channel.sendSync(Uint8Array.of(1, 2, 3));
   * console.log(channel.receiveSync()); // Uint8Array [ 1, 2, 3 ]
   * ```
   */
  sendSync(message: Uint8Array | string, options?: TimeoutOptions): void {
    const call = "Channel.sendSync";
    const limit = until(options, call, true);
    const bytes = toBytes(message, call);
    while (!this.#commitMessage(bytes, call)) this.#waitForRoomSync(bytes.length, limit, call);
  }

  /**
   * Sends a message if it can be done at once.
   *
   * @param message Its bytes; a string's are UTF-8.
   * @returns Whether it was sent: false if there is no room, or another is sending at this moment.
   * @throws What {@linkcode Channel.send} throws.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { Channel } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(1 << 16, { shared: true });
   * using channel = new Channel(region);
   * console.log(channel.trySend("hello")); // true: there was room
   * ```
   */
  trySend(message: Uint8Array | string): boolean {
    return this.#commitMessage(toBytes(message, "Channel.trySend"), "Channel.trySend");
  }

  /**
   * Sends messages, as many at a time as there is room for: faster than one by one.
   *
   * @param messages The messages.
   * @param options How long to wait at most, and a signal that ends the wait. Some may have been sent then.
   * @returns How many were sent: all.
   * @throws What {@linkcode Channel.send} throws.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { Channel } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(1 << 16, { shared: true });
   * using channel = new Channel(region);
   * console.log(await channel.sendAll(["one", "two", "three"])); // 3
   * ```
   */
  async sendAll(messages: readonly (Uint8Array | string)[], options?: WaitOptions): Promise<number> {
    const call = "Channel.sendAll";
    const limit = until(options, call, false);
    const all = this.#toAllBytes(messages, call);
    for (let sent = 0;;) {
      sent += this.#commitMessages(all, sent, call);
      const next = all[sent];
      if (next === undefined) return sent;
      await this.#waitForRoom(next.length, limit, call);
    }
  }

  /**
   * The same as {@linkcode Channel.sendAll}, blocking the thread.
   *
   * @param messages The messages.
   * @param options How long to wait at most.
   * @returns How many were sent: all.
   * @throws What {@linkcode Channel.sendSync} throws.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { Channel } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(1 << 16, { shared: true });
   * using channel = new Channel(region);
   * channel.sendAllSync(["one", "two", "three"]);
   * let total = 0;
   * channel.drain((_bytes, start, end) => {
   *   total += end - start;
   * });
   * console.log(total); // 11
   * ```
   */
  sendAllSync(messages: readonly (Uint8Array | string)[], options?: TimeoutOptions): number {
    const call = "Channel.sendAllSync";
    const limit = until(options, call, true);
    const all = this.#toAllBytes(messages, call);
    for (let sent = 0;;) {
      sent += this.#commitMessages(all, sent, call);
      const next = all[sent];
      if (next === undefined) return sent;
      this.#waitForRoomSync(next.length, limit, call);
    }
  }

  /**
   * Reserves room for a message in the ring itself, so that it need not be copied. Nobody else can send until it is
   * committed or cancelled.
   *
   * @param length How many bytes it may have.
   * @param options How long to wait at most, and a signal that ends the wait.
   * @throws What {@linkcode Channel.send} throws.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { Channel } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(1 << 16, { shared: true });
   * using channel = new Channel(region);
   * {
   *   using reservation = await channel.reserve(100);
   *   const { written } = new TextEncoder().encodeInto("in place", reservation.bytes);
   *   reservation.commit(written);
   * }
   * console.log(new TextDecoder().decode(channel.tryReceive())); // "in place"
   * ```
   */
  async reserve(length: number, options?: WaitOptions): Promise<Reservation> {
    const limit = until(options, "Channel.reserve", false);
    this.#ring.checkLength(wholeNumber(length, "Channel.reserve: the length"), "Channel.reserve");
    for (;;) {
      const reservation = this.#reserve(length);
      if (reservation !== undefined) return reservation;
      await this.#waitForRoom(length, limit, "Channel.reserve");
    }
  }

  /**
   * The same as {@linkcode Channel.reserve}, blocking the thread.
   *
   * @param length How many bytes it may have.
   * @param options How long to wait at most.
   * @throws What {@linkcode Channel.sendSync} throws.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { Channel } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(1 << 16, { shared: true });
   * using channel = new Channel(region);
   * {
   *   using reservation = channel.reserveSync(4);
   *   reservation.bytes.set([1, 2, 3, 4]);
   *   reservation.commit();
   * }
   * console.log(channel.tryReceive()); // Uint8Array [ 1, 2, 3, 4 ]
   * ```
   */
  reserveSync(length: number, options?: TimeoutOptions): Reservation {
    const limit = until(options, "Channel.reserveSync", true);
    this.#ring.checkLength(wholeNumber(length, "Channel.reserveSync: the length"), "Channel.reserveSync");
    for (;;) {
      const reservation = this.#reserve(length);
      if (reservation !== undefined) return reservation;
      this.#waitForRoomSync(length, limit, "Channel.reserveSync");
    }
  }

  // Receiving.

  /**
   * Receives the next message, when there is one.
   *
   * @param options How long to wait at most, and a signal that ends the wait.
   * @returns A copy of its bytes; undefined when there are no messages and every sender has closed the channel.
   * @throws {TypeError} If an option has the wrong type.
   * @throws {RegionClosedError} If the region is closed, or is while it waits.
   * @throws {MmapError} ECONNRESET when there are no messages and the last sender died; ETIMEDOUT; EBADMSG if the channel is
   * corrupted; EAGAIN if 64 are receiving; EBADF if this end is closed; EFAULT if the
   * memory was lost.
   * @throws The signal's reason, if it aborts.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { Channel } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(1 << 16, { shared: true });
   * using channel = new Channel(region);
   * channel.sendSync("hello");
   * console.log(new TextDecoder().decode(await channel.receive({ timeout: 1000 }))); // hello
   * ```
   */
  async receive(options?: WaitOptions): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const limit = until(options, "Channel.receive", false);
    limit.signal?.throwIfAborted();
    for (;;) {
      const message = this.#takeMessage();
      if (message !== undefined) return message;
      if (await this.#waitForMessages(limit, "Channel.receive")) return undefined;
    }
  }

  /**
   * The same as {@linkcode Channel.receive}, blocking the thread.
   *
   * @param options How long to wait at most.
   * @returns A copy of its bytes; undefined when there are no messages and every sender has closed the channel.
   * @throws What {@linkcode Channel.receive} throws, and {@linkcode MmapError} EDEADLK if this thread itself keeps all others
   * from receiving, by a message that it looks at.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { Channel } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(1 << 16, { shared: true });
   * using channel = new Channel(region);
   * channel.sendSync("hello");
   * console.log(channel.receiveSync()?.length); // 5
   * ```
   */
  receiveSync(options?: TimeoutOptions): Uint8Array<ArrayBuffer> | undefined {
    const limit = until(options, "Channel.receiveSync", true);
    for (;;) {
      const message = this.#takeMessage();
      if (message !== undefined) return message;
      if (this.#waitForMessagesSync(limit, "Channel.receiveSync")) return undefined;
    }
  }

  /**
   * Receives the next message if it can be done at once.
   *
   * @returns A copy of its bytes; undefined if there is none, or another is receiving at this moment.
   * @throws What {@linkcode Channel.receive} throws, but for ECONNRESET.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { Channel } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(1 << 16, { shared: true });
   * using channel = new Channel(region);
   * console.log(channel.tryReceive()); // undefined: there is no message
   * ```
   */
  tryReceive(): Uint8Array<ArrayBuffer> | undefined {
    return this.#takeMessage();
  }

  /**
   * Hands all messages that are there to a function, without copying them: the fastest way to receive. They are
   * consumed when the function has had them all. If it throws, the messages before that one are consumed.
   *
   * @param use Is given the ring's bytes, and where in them the message begins and ends. It must only read them, and
   * not use them after it has returned, nor use the channel.
   * @param most How many to take at most. Default: all.
   * @returns How many there were; 0 also if another is receiving at this moment.
   * @throws {TypeError} If an argument has the wrong type.
   * @throws What {@linkcode Channel.receive} throws, but for ECONNRESET, and what `use` throws.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { Channel } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(1 << 16, { shared: true });
   * using channel = new Channel(region);
   * channel.sendAllSync(["one", "two"]);
   * const count = channel.drain((bytes, start, end) => {
   *   console.log(bytes[start], end - start); // the first byte of each message, and its length
   * });
   * console.log(count); // 2
   * ```
   */
  drain(
    use: (bytes: Uint8Array<ArrayBuffer>, start: number, end: number) => void,
    most: number = Infinity,
  ): number {
    if (typeof use !== "function") {
      throw new TypeError(`Channel.drain: the first argument must be a function: received ${show(use)}`);
    }
    const limit = most === Infinity ? Infinity : wholeNumber(most, "Channel.drain: 'most'");
    return this.#drain(use, limit);
  }

  /**
   * Waits until there is a message, or none will come.
   *
   * @param options How long to wait at most, and a signal that ends the wait.
   * @returns Whether there is one; false when every sender has closed the channel.
   * @throws What {@linkcode Channel.receive} throws.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { Channel } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(1 << 16, { shared: true });
   * using channel = new Channel(region);
   * channel.sendSync("hello");
   * console.log(await channel.ready()); // true
   * ```
   */
  async ready(options?: WaitOptions): Promise<boolean> {
    const limit = until(options, "Channel.ready", false);
    this.#join(this.#receiving);
    while (this.#isEmpty()) if (await this.#waitForMessages(limit, "Channel.ready")) return false;
    return true;
  }

  /**
   * The same as {@linkcode Channel.ready}, blocking the thread.
   *
   * @param options How long to wait at most.
   * @returns Whether there is one; false when every sender has closed the channel.
   * @throws What {@linkcode Channel.receive} throws.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { Channel } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(1 << 16, { shared: true });
   * using channel = new Channel(region);
   * channel.sendSync("hello");
   * console.log(channel.readySync({ timeout: 1000 })); // true
   * ```
   */
  readySync(options?: TimeoutOptions): boolean {
    const limit = until(options, "Channel.readySync", true);
    this.#join(this.#receiving);
    while (this.#isEmpty()) if (this.#waitForMessagesSync(limit, "Channel.readySync")) return false;
    return true;
  }

  /**
   * Looks at the next message where it is, without a copy. Until it is consumed or released nobody else can receive. If this
   * process dies before that, the next receiver gets it.
   *
   * @param options How long to wait at most, and a signal that ends the wait.
   * @returns The message; undefined when there are no messages and every sender has closed the channel.
   * @throws What {@linkcode Channel.receive} throws.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { Channel } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(1 << 16, { shared: true });
   * using channel = new Channel(region);
   * channel.sendSync("a job");
   * {
   *   using message = await channel.peek();
   *   console.log(message?.bytes.length); // 5
   *   message?.consume(); // now that it is done
   * }
   * console.log(channel.tryReceive()); // undefined
   * ```
   */
  async peek(options?: WaitOptions): Promise<Message | undefined> {
    const limit = until(options, "Channel.peek", false);
    limit.signal?.throwIfAborted();
    for (;;) {
      const message = this.#peek();
      if (message !== undefined) return message;
      if (await this.#waitForMessages(limit, "Channel.peek")) return undefined;
    }
  }

  /**
   * The same as {@linkcode Channel.peek}, blocking the thread.
   *
   * @param options How long to wait at most.
   * @returns The message; undefined when there are no messages and every sender has closed the channel.
   * @throws What {@linkcode Channel.receiveSync} throws.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { Channel } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(1 << 16, { shared: true });
   * using channel = new Channel(region);
   * channel.sendSync("a job");
   * {
   *   using message = channel.peekSync();
   *   message?.consume(); // when it is done
   * }
   * console.log(channel.tryReceive()); // undefined
   * ```
   */
  peekSync(options?: TimeoutOptions): Message | undefined {
    const limit = until(options, "Channel.peekSync", true);
    for (;;) {
      const message = this.#peek();
      if (message !== undefined) return message;
      if (this.#waitForMessagesSync(limit, "Channel.peekSync")) return undefined;
    }
  }

  /**
   * Receives one message after the other, until every sender has closed the channel.
   *
   * @throws What {@linkcode Channel.receive} throws.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
    for (let count = 1;; count++) {
      const message = await this.receive();
      if (message === undefined) return;
      yield message;
      if (count % MANY === 0) await turn();
    }
  }

  /**
   * Leaves the channel: this end neither sends nor receives any more. The region stays open. Again it does nothing.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { Channel } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(1 << 16, { shared: true });
   * const channel = new Channel(region);
   * channel.sendSync("the last");
   * channel.close();
   * using inbox = new Channel(region);
   * console.log(inbox.receiveSync()?.length, inbox.receiveSync()); // 8 undefined: all senders are gone
   * ```
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#place.closed) return;
    this.#leave(this.#sending, this.#tail);
    if (!this.#draining) this.#leave(this.#receiving, this.#head);
  }

  /** The same as {@linkcode Channel.close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  // Who is there.

  #leave(side: Side, word: Word): void {
    const { slot } = side;
    if (slot === undefined) return;
    if (side.holding || side.lent) side.lock.giveBack();
    side.holding = side.lent = false;
    Atomics.store(this.#words(), side.counts / 4 + 1, CLOSED);
    side.slot = undefined;
    slot.giveBack();
    wake(word, ALL);
  }

  #words(): Int32Array {
    if (this.#ring.words.length === 0) this.#ring.renew();
    return this.#ring.words;
  }

  /** Becomes one of those who send, or receive. */
  #join(side: Side): void {
    if (this.#closed) {
      throw this.#error("EBADF", side.name, "this end of the channel is closed; make a new one");
    }
    if (side.slot !== undefined) return;
    for (let index = 0; index < SLOTS; index++) {
      const slot = new OwnedWord(this.#place.part(side.slots + index * OWNED_SIZE, OWNED_SIZE));
      const attempt = slot.tryTake();
      if (attempt === BUSY) continue;
      // Its last owner died. That counts only if nobody is left.
      side.slot = slot;
      if (attempt === TAKEN_OVER) Atomics.store(this.#words(), side.counts / 4 + 1, DIED);
      Atomics.add(this.#words(), side.counts / 4, 1);
      return;
    }
    throw this.#error("EAGAIN", side.name, `${SLOTS} ${side.name} already; close one`);
  }

  /** How the last one on a side ended, if all who were ever there have ended; else 0. */
  #gone(side: Side): 0 | typeof CLOSED | typeof DIED {
    const words = this.#words();
    if (Atomics.load(words, side.counts / 4) === 0) return 0; // nobody has come yet
    let died = false;
    for (let index = 0; index < SLOTS; index++) {
      const at = (side.slots + index * OWNED_SIZE) / 4;
      const seen = Atomics.load(words, at);
      if ((seen & OWNER) !== 0) return 0;
      if ((seen & OWNER_DIED) === 0) continue;
      died = true;
      // First say so, then forget it: if this process is killed in between, the next one says it again.
      Atomics.store(words, side.counts / 4 + 1, DIED);
      Atomics.compareExchange(words, at, seen, 0);
    }
    this.#place.assertIntact();
    return died || Atomics.load(words, side.counts / 4 + 1) === DIED ? DIED : CLOSED;
  }

  // One end at a time commits, and one consumes.

  /** Takes the right to commit, or to consume; false if another has it. */
  #enter(side: Side): boolean {
    if (side.slot === undefined || this.#closed) this.#join(side);
    if (side.holding) {
      if (!side.lent) return true;
      throw this.#error(
        "EDEADLK",
        side.name,
        "this end has a reservation or a message that is not ended yet; end it first",
      );
    }
    if (side.lock.tryTake() === BUSY) return false;
    side.holding = side.alone;
    return true;
  }

  #exit(side: Side): void {
    if (!side.holding) side.lock.giveBack();
  }

  // Committing.

  #commitMessage(message: Uint8Array, call: string): boolean {
    const side = this.#sending;
    const length = this.#ring.lengthOf(message, call); // not later: asking may run the program's code
    if (!this.#enter(side)) return false;
    let awaited = false;
    try {
      const ring = this.#ring;
      ring.beginCommit();
      const at = ring.room(length);
      if (at === NONE) return false;
      ring.put(at, message, length);
      awaited = ring.commit();
    } finally {
      this.#exit(side);
    }
    this.#place.assertIntact();
    if (awaited) this.#wakeReceivers();
    return true;
  }

  #commitMessages(messages: readonly Uint8Array[], from: number, call: string): number {
    const side = this.#sending;
    if (!this.#enter(side)) return 0;
    let awaited = false;
    let count = 0;
    side.lent = true; // so that none of the messages' getters can send
    try {
      const ring = this.#ring;
      ring.beginCommit();
      count = ring.putAll(messages, from, call);
      if (!side.lent) throw this.#error("EBADF", call, "this end of the channel was closed meanwhile");
      if (count > 0) awaited = ring.commit();
    } finally {
      if (side.lent) {
        side.lent = false;
        this.#exit(side);
      }
    }
    this.#place.assertIntact();
    if (awaited) this.#wakeReceivers();
    return count;
  }

  #reserve(length: number): Reservation | undefined {
    const side = this.#sending;
    if (!this.#enter(side)) return undefined;
    let at = NONE;
    try {
      this.#ring.beginCommit();
      at = this.#ring.room(length);
    } finally {
      if (at === NONE) this.#exit(side);
    }
    if (at === NONE) return undefined;
    const ring = this.#ring;
    const bytes = ring.lend().subarray(at, at + length);
    side.lent = true;
    return makeReservation(bytes, (written) => {
      if (!this.#stillLent(side, written !== undefined, "commit")) return;
      let awaited = false;
      try {
        if (written !== undefined) {
          this.#refuseIfMoved(bytes, length, "commit");
          ring.putHeader(at, written);
          awaited = ring.commit();
        }
      } finally {
        this.#exit(side);
      }
      this.#place.assertIntact();
      if (awaited) this.#wakeReceivers();
    });
  }

  /**
   * Takes note that a reservation, or a message that was looked at, ends; false if it had ended with this end of the
   * channel: it can't be committed or consumed then.
   */
  #stillLent(side: Side, wanted: boolean, call: string): boolean {
    const { lent } = side;
    side.lent = false;
    if (!lent && wanted) throw this.#error("EBADF", call, "this end of the channel was closed meanwhile");
    return lent;
  }

  /** What was written to bytes, or is to be read from them, is nowhere if the region has moved since. */
  #refuseIfMoved(bytes: Uint8Array, length: number, call: string): void {
    if (bytes.length !== length) throw this.#error("EBADF", call, "the region has moved since");
    if (this.#ring.words.length === 0) this.#ring.renew();
  }

  #wakeReceivers(): void {
    Atomics.store(this.#words(), LAYOUT.RECEIVERS_WAIT / 4, 0);
    wake(this.#tail, ALL);
  }

  /** Waits until there may be room. */
  async #waitForRoom(length: number, limit: Until, call: string): Promise<void> {
    const side = this.#sending;
    limit.signal?.throwIfAborted();
    if (!side.holding && side.lock.owned) return await this.#waitForLock(side, limit, call);
    const head = this.#announce(LAYOUT.SENDERS_WAIT, LAYOUT.HEAD);
    if (this.#hasRoom(length)) return;
    this.#refuseIfNobodyReceives(call);
    checkTime(limit, call, this.#place.path);
    await this.#turns(LAYOUT.HEAD, head) || await park(this.#head, head, soon(limit));
  }

  #waitForRoomSync(length: number, limit: Until, call: string): void {
    const side = this.#sending;
    if (!side.holding && side.lock.owned) return this.#waitForLockSync(side, limit, call);
    const before = this.#ring.load(LAYOUT.HEAD);
    if (this.#spin(LAYOUT.HEAD, before)) return;
    const head = this.#announce(LAYOUT.SENDERS_WAIT, LAYOUT.HEAD);
    if (this.#hasRoom(length)) return;
    this.#refuseIfNobodyReceives(call);
    checkTime(limit, call, this.#place.path);
    block(this.#head, head, limit);
  }

  #hasRoom(length: number): boolean {
    const used = (this.#ring.load(LAYOUT.TAIL) - this.#ring.load(LAYOUT.HEAD)) >>> 0;
    // A filler may take as much again; but an empty ring must always do.
    return used === 0 || this.#ring.capacity - used >= 2 * (length + 16);
  }

  #refuseIfNobodyReceives(call: string): void {
    const how = this.#gone(this.#receiving);
    if (how === 0) return;
    const what = how === DIED ? "the last who received has died" : "all who received have closed it";
    throw this.#error("EPIPE", call, `the channel is full, and ${what}`);
  }

  // Consuming.

  #takeMessage(): Uint8Array<ArrayBuffer> | undefined {
    const side = this.#receiving;
    if (!this.#enter(side)) return undefined;
    let awaited = false;
    let message: Uint8Array<ArrayBuffer> | undefined;
    try {
      const ring = this.#ring;
      ring.beginConsume();
      const at = ring.next();
      if (at === NONE) return undefined;
      message = ring.take(at);
      ring.skip();
      awaited = ring.consume();
    } finally {
      this.#exit(side);
    }
    if (awaited) this.#wakeSenders();
    return message;
  }

  #drain(use: (bytes: Uint8Array<ArrayBuffer>, start: number, end: number) => void, most: number): number {
    const side = this.#receiving;
    if (!this.#enter(side)) return 0;
    const ring = this.#ring;
    let awaited = false;
    let count = 0;
    side.lent = true; // so that `use` can't receive
    this.#draining = true; // nor give up the lock by closing the channel
    try {
      ring.beginConsume();
      let bytes = ring.lend();
      try {
        while (count < most && !this.#closed) {
          const at = ring.next();
          if (at === NONE) break;
          use(bytes, at, at + ring.length);
          ring.skip();
          count++;
          if (bytes.length === 0) { // the region was moved or closed
            ring.renew();
            bytes = ring.lend();
          }
        }
      } finally {
        if (count > 0 && !this.#place.closed) {
          if (ring.words.length === 0) ring.renew();
          awaited = ring.consume();
        }
      }
    } finally {
      side.lent = this.#draining = false;
      if (!this.#place.closed) {
        this.#exit(side);
        if (this.#closed) this.#leave(side, this.#head);
      }
    }
    this.#place.assertIntact();
    if (awaited) this.#wakeSenders();
    return count;
  }

  #peek(): Message | undefined {
    const side = this.#receiving;
    if (!this.#enter(side)) return undefined;
    const ring = this.#ring;
    let at = NONE;
    try {
      ring.beginConsume();
      at = ring.next();
    } finally {
      if (at === NONE) this.#exit(side);
    }
    if (at === NONE) return undefined;
    const { length } = ring;
    const bytes = ring.lend().subarray(at, at + length);
    side.lent = true;
    return makeMessage(bytes, (consume) => {
      if (!this.#stillLent(side, consume, "consume")) return;
      let awaited = false;
      try {
        this.#place.assertIntact();
        if (consume) {
          this.#refuseIfMoved(bytes, length, "consume");
          ring.skip();
          awaited = ring.consume();
        }
      } finally {
        this.#exit(side);
      }
      if (awaited) this.#wakeSenders();
    });
  }

  #wakeSenders(): void {
    Atomics.store(this.#words(), LAYOUT.SENDERS_WAIT / 4, 0);
    wake(this.#head, ALL);
  }

  #isEmpty(): boolean {
    return this.#ring.load(LAYOUT.TAIL) === this.#ring.load(LAYOUT.HEAD);
  }

  /** Waits until there may be a message; returns whether none will come. */
  async #waitForMessages(limit: Until, call: string): Promise<boolean> {
    const side = this.#receiving;
    limit.signal?.throwIfAborted();
    if (!side.holding && side.lock.owned) {
      await this.#waitForLock(side, limit, call);
      return false;
    }
    const before = this.#ring.load(LAYOUT.TAIL);
    if (!this.#isEmpty() || await this.#turns(LAYOUT.TAIL, before)) return false;
    const tail = this.#announce(LAYOUT.RECEIVERS_WAIT, LAYOUT.TAIL);
    if (!this.#isEmpty()) return false;
    if (this.#ended(call)) return true;
    checkTime(limit, call, this.#place.path);
    await park(this.#tail, tail, soon(limit));
    return false;
  }

  #waitForMessagesSync(limit: Until, call: string): boolean {
    const side = this.#receiving;
    if (!side.holding && side.lock.owned) {
      this.#waitForLockSync(side, limit, call);
      return false;
    }
    const before = this.#ring.load(LAYOUT.TAIL);
    if (!this.#isEmpty() || this.#spin(LAYOUT.TAIL, before)) return false;
    const tail = this.#announce(LAYOUT.RECEIVERS_WAIT, LAYOUT.TAIL);
    if (!this.#isEmpty()) return false;
    if (this.#ended(call)) return true;
    checkTime(limit, call, this.#place.path);
    block(this.#tail, tail, limit);
    return false;
  }

  /** Whether there is no message and none will come. Throws if the last sender died. */
  #ended(call: string): boolean {
    const how = this.#gone(this.#sending);
    if (how === 0 || !this.#isEmpty()) return false; // the last message may have come just before the end
    if (how === CLOSED) return true;
    throw this.#error("ECONNRESET", call, "the last who sent has died without closing the channel");
  }

  // Waiting.

  /** Says that somebody waits; returns the value of the word to wait for, read after that. */
  #announce(flag: number, word: number): number {
    Atomics.store(this.#words(), flag / 4, 1);
    return this.#ring.load(word);
  }

  /** Looks for a moment whether a word changes: for longer where that has helped before. */
  #spin(offset: number, before: number): boolean {
    const words = this.#words();
    for (let looks = this.#spins.looks(); looks > 0; looks--) {
      if (Atomics.load(words, offset / 4) !== before) return this.#spins.helped();
      Atomics.pause();
    }
    return false;
  }

  /** The same, letting the event loop run. */
  async #turns(offset: number, before: number): Promise<boolean> {
    for (let looks = this.#patience.looks(); looks > 0; looks--) {
      await turn();
      if (this.#ring.load(offset) !== before) return this.#patience.helped();
    }
    return false;
  }

  async #waitForLock(side: Side, limit: Until, call: string): Promise<void> {
    await side.lock.take(limit, call, this.#doubt(side));
    side.lock.giveBack();
  }

  #waitForLockSync(side: Side, limit: Until, call: string): void {
    side.lock.takeSync(limit, call, this.#doubt(side));
    side.lock.giveBack();
  }

  /**
   * Who has a lock has one of the slots, too, and gives the lock up first. So a lock whose owner has none was written
   * by somebody else, and would be waited for forever. That is looked at for a while: the kernel, too, takes a moment
   * to give up what a thread had that ended.
   */
  #doubt(side: Side): () => void {
    let doubted = 0;
    let since = 0;
    return () => {
      const holder = side.lock.load() & OWNER;
      if (holder === 0 || this.#isThere(side, holder)) doubted = 0;
      else if (holder !== doubted) {
        doubted = holder;
        since = performance.now();
      } else if (performance.now() - since > DOUBT) {
        throw this.#ring.corrupted("a lock has an owner who is not there");
      }
    };
  }

  #isThere(side: Side, thread: number): boolean {
    const words = this.#words();
    for (let index = 0; index < SLOTS; index++) {
      if ((Atomics.load(words, (side.slots + index * OWNED_SIZE) / 4) & OWNER) === thread) return true;
    }
    return false;
  }

  // Arguments.

  #toAllBytes(messages: unknown, call: string): Uint8Array[] {
    if (!Array.isArray(messages)) {
      throw new TypeError(`${call}: the messages must be an array: received ${show(messages)}`);
    }
    const all: Uint8Array[] = [];
    for (const message of messages as readonly unknown[]) {
      const bytes = toBytes(message, call);
      this.#ring.lengthOf(bytes, call);
      all.push(bytes);
    }
    return all;
  }

  #error(
    code: "EAGAIN" | "EBADF" | "EDEADLK" | "ECONNRESET" | "EPIPE",
    call: string,
    explanation: string,
  ): MmapError {
    const name = call.startsWith("Channel") ? call : `Channel.${call}`;
    return new MmapError(errorNumber(code), undefined, {
      operation: name,
      path: this.#place.path,
      explanation,
    });
  }
}

/** The bytes of what a program sends. */
function toBytes(message: unknown, call: string): Uint8Array {
  const bytes = typeof message === "string" ? new TextEncoder().encode(message) : message;
  if (ArrayBuffer.isView(bytes) && bytes instanceof Uint8Array) return bytes; // a Proxy of one is no view
  throw new TypeError(
    `${call}: a message must be a Uint8Array or a string: received ${show(message)}`,
  );
}

function isCapacity(value: number): boolean {
  return value >= SMALLEST && value <= LARGEST && (value & (value - 1)) === 0;
}

function checkCapacity(value: unknown): number {
  const capacity = wholeNumber(value, "Channel: the capacity");
  if (isCapacity(capacity)) return capacity;
  throw new RangeError(
    `Channel: the capacity must be a power of two from ${SMALLEST} to ${LARGEST}: received ${capacity}`,
  );
}

/** Makes a ring, or finds out how large the one is that is there. */
function establishRing(place: Place, asked: number | undefined, regionLength: number): number {
  const room = regionLength - place.offset - LAYOUT.RING;
  const wanted = asked ?? Math.min(LARGEST, 2 ** Math.floor(Math.log2(room)));
  const header = place.part(0, LAYOUT.RING);
  establish(header, MAGIC_TEXT, { at: LAYOUT.CAPACITY, value: wanted, accepts: isCapacity });
  const capacity = Atomics.load(header.words(), LAYOUT.CAPACITY / 4);
  place.assertIntact();
  if (!isCapacity(capacity)) {
    throw new MmapError(errorNumber("EBADMSG"), undefined, {
      operation: "Channel",
      path: place.path,
      explanation: `the channel is corrupted: its capacity is ${capacity}`,
    });
  }
  if (asked !== undefined && capacity !== asked) {
    throw new MmapError(errorNumber("EINVAL"), undefined, {
      operation: "Channel",
      path: place.path,
      explanation: `there is a channel with a capacity of ${capacity} bytes; leave out 'capacity' to use it`,
    });
  }
  if (capacity > room) {
    throw new RangeError(
      `Channel: the channel takes ${
        LAYOUT.RING + capacity
      } bytes, and the region ends before that: map more of it`,
    );
  }
  return capacity;
}

/** How often to look before a wait: more often where that has helped before. */
class Patience {
  readonly #least: number;
  readonly #most: number;
  #next: number;
  #vain = 0;

  constructor(least: number, most: number) {
    this.#least = least;
    this.#most = this.#next = most;
  }

  /** How often to look this time. */
  looks(): number {
    const looks = ++this.#vain % TRY_AGAIN === 0 ? this.#most : this.#next;
    this.#next = Math.max(this.#least, this.#next >> 1);
    return looks;
  }

  /** Says that what was looked for has come. */
  helped(): true {
    this.#vain = 0;
    this.#next = Math.min(this.#most, this.#next << 2);
    return true;
  }
}

/** Lets the event loop run. */
function turn(): Promise<void> {
  return new Promise((resolve) => builtin("node:timers").setImmediate(resolve));
}

/** The constructors, which are private to programs. */
let makeReservation: (
  bytes: Uint8Array<ArrayBuffer>,
  end: (written: number | undefined) => void,
) => Reservation;
let makeMessage: (bytes: Uint8Array<ArrayBuffer>, end: (consume: boolean) => void) => Message;

/**
 * Room for a message in the ring: made by {@linkcode Channel.reserve}, and given up at the end of a block by `using`.
 *
 * @example
 * ```ts
 * import { MappedRegion } from "@mapped/region";
 * import { Channel } from "@mapped/region/ipc";
 *
 * using region = MappedRegion.anonymous(1 << 16, { shared: true });
 * using channel = new Channel(region);
 * {
 *   using reservation = channel.reserveSync(100);
 *   reservation.bytes[0] = 7; // in the ring itself
 *   reservation.commit(1);
 * }
 * console.log(channel.tryReceive()); // Uint8Array [ 7 ]
 * ```
 */
export class Reservation implements Disposable {
  /** Where the message is to be written. Not to be used after the reservation has ended: the memory is others' then. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #length: number;
  #end: ((written: number | undefined) => void) | undefined;

  /** Made by {@linkcode Channel.reserve} and {@linkcode Channel.reserveSync}. */
  private constructor(bytes: Uint8Array<ArrayBuffer>, end: (written: number | undefined) => void) {
    if (typeof end !== "function") {
      throw new TypeError("Reservation has no public constructor: use Channel.reserve");
    }
    this.bytes = bytes;
    this.#length = bytes.length;
    this.#end = end;
  }

  static {
    makeReservation = (bytes, end) => new Reservation(bytes, end);
  }

  /**
   * Sends the message.
   *
   * @param length How many of the bytes it has. Default: all.
   * @throws {RangeError} If it has no such number.
   * @throws {MmapError} EBADF if it has ended, the channel was closed, or the region was closed or moved since; EFAULT if
   * the memory was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { Channel } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(1 << 16, { shared: true });
   * using channel = new Channel(region);
   * using reservation = channel.reserveSync(100);
   * const { written } = new TextEncoder().encodeInto("hello", reservation.bytes);
   * reservation.commit(written);
   * ```
   */
  commit(length?: number): void {
    const written = length === undefined
      ? this.#length
      : wholeNumber(length, "Reservation.commit: the length");
    if (written > this.#length) {
      throw new RangeError(`Reservation.commit: ${this.#length} bytes are reserved: received ${written}`);
    }
    const end = this.#end;
    if (end === undefined) throw over("Reservation.commit");
    this.#end = undefined;
    end(written);
  }

  /**
   * Gives the room up. Again, or after `commit`, it does nothing.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { Channel } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(1 << 16, { shared: true });
   * using channel = new Channel(region);
   * const reservation = channel.reserveSync(100);
   * reservation.cancel();
   * console.log(channel.tryReceive()); // undefined
   * ```
   */
  cancel(): void {
    const end = this.#end;
    this.#end = undefined;
    end?.(undefined);
  }

  /** The same as {@linkcode Reservation.cancel}. */
  [Symbol.dispose](): void {
    this.cancel();
  }
}

/**
 * A message where it is: made by {@linkcode Channel.peek}, and released at the end of a block by `using`.
 *
 * @example
 * ```ts
 * import { MappedRegion } from "@mapped/region";
 * import { Channel } from "@mapped/region/ipc";
 *
 * using region = MappedRegion.anonymous(1 << 16, { shared: true });
 * using channel = new Channel(region);
 * channel.sendSync("a job");
 * {
 *   using message = channel.peekSync();
 *   console.log(message?.bytes.length); // 5
 * } // released here, since it wasn't consumed
 * console.log(channel.tryReceive()?.length); // 5
 * ```
 */
export class Message implements Disposable {
  /** Its bytes. Not to be used after it was consumed or released. A sender may still change them, if it is not to be trusted. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  #end: ((consume: boolean) => void) | undefined;

  /** Made by {@linkcode Channel.peek} and {@linkcode Channel.peekSync}. */
  private constructor(bytes: Uint8Array<ArrayBuffer>, end: (consume: boolean) => void) {
    if (typeof end !== "function") throw new TypeError("Message has no public constructor: use Channel.peek");
    this.bytes = bytes;
    this.#end = end;
  }

  static {
    makeMessage = (bytes, end) => new Message(bytes, end);
  }

  /**
   * Takes the message out of the channel.
   *
   * @throws {MmapError} EBADF if it has ended, the channel was closed, or the region was closed or moved since; EFAULT if
   * the memory was lost.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { Channel } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(1 << 16, { shared: true });
   * using channel = new Channel(region);
   * channel.sendSync("a job");
   * {
   *   using message = channel.peekSync();
   *   message?.consume();
   * }
   * console.log(channel.tryReceive()); // undefined
   * ```
   */
  consume(): void {
    const end = this.#end;
    if (end === undefined) throw over("Message.consume");
    this.#end = undefined;
    end(true);
  }

  /**
   * Leaves the message in the channel, for the next who receives. Again, or after `consume`, it does nothing.
   *
   * @example
   * ```ts
   * import { MappedRegion } from "@mapped/region";
   * import { Channel } from "@mapped/region/ipc";
   *
   * using region = MappedRegion.anonymous(1 << 16, { shared: true });
   * using channel = new Channel(region);
   * channel.sendSync("a job");
   * channel.peekSync()?.release();
   * console.log(channel.tryReceive()?.length); // 5
   * ```
   */
  release(): void {
    const end = this.#end;
    this.#end = undefined;
    end?.(false);
  }

  /** The same as {@linkcode Message.release}. */
  [Symbol.dispose](): void {
    this.release();
  }
}

function over(call: string): MmapError {
  return new MmapError(errorNumber("EBADF"), undefined, {
    operation: call,
    explanation: "it is over already",
  });
}
