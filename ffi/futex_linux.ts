/**
 * Waiting for words on Linux: futex(2), and futex_waitv (5.16) for several at once.
 *
 * @module
 */
import { errorNumber } from "./errors.ts";
import type { Futex, WaitEnd, WaitForSeveral } from "./waiting.ts";
import type { Libc } from "./libc.ts";
import { SYSCALLS } from "./syscalls.ts";

const FUTEX_WAIT = 0;
const FUTEX_WAKE = 1;
const FUTEX_32 = 2;
const CLOCK_MONOTONIC = 1;

/** `FUTEX_WAITV_MAX`, less one for the word that interrupts the call. */
const LIMIT = 127;
/** `struct futex_waitv { u64 value; u64 address; u32 flags; u32 reserved }`. */
const ENTRY = 24;
/** Where things are in our own memory: the word that interrupts the call, two `struct timespec`, the list of words. */
const BELL = 0;
const DURATION = 16;
const DEADLINE = 32;
const LIST = 64;

/** Linux's futex. */
export function linuxFutex(c: Libc): Futex {
  const { functions } = c;
  // Memory that no collector moves, since the kernel uses it on another thread. One such piece for each thread, never
  // freed.
  const base = functions.calloc(1, LIST + (LIMIT + 1) * ENTRY);
  const buffer = c.arrayBuffer(base, LIST + (LIMIT + 1) * ENTRY);
  const duration = new BigInt64Array(buffer, DURATION, 2);
  const { futex } = SYSCALLS;

  return {
    wait(address, expected, milliseconds): WaitEnd {
      setTime(duration, milliseconds);
      if (functions.syscall(futex, address, FUTEX_WAIT, expected >>> 0, base + DURATION, 0) !== -1) {
        return "woken";
      }
      const error = c.errno();
      if (error === errorNumber("ETIMEDOUT")) return "timed-out";
      if (error === errorNumber("EFAULT")) return "lost";
      return error === errorNumber("EAGAIN") ? "changed" : "woken"; // EINTR: a signal came
    },
    wake(address, count): number {
      const woken = functions.syscall(futex, address, FUTEX_WAKE, Math.min(count, 0x7fff_ffff), 0, 0);
      return woken === -1 ? 0 : woken;
    },
    several: severalWords(c, base, buffer),
  };
}

/** Waiting for several words, where the kernel can. */
function severalWords(c: Libc, base: number, buffer: ArrayBuffer): WaitForSeveral | undefined {
  const { functions } = c;
  const { futex, futex_waitv } = SYSCALLS;
  // Called with nothing to wait for, it fails with EINVAL if it exists and is allowed.
  if (functions.syscall(futex_waitv, 0, 0, 0, 0, 0) !== -1 || c.errno() !== errorNumber("EINVAL")) {
    return undefined;
  }

  const bell = new Int32Array(buffer, BELL, 1);
  const deadline = new BigInt64Array(buffer, DEADLINE, 2);
  const words = new Uint32Array(buffer, LIST);
  const setEntry = (index: number, address: number, expected: number): void => {
    const at = index * ENTRY / 4;
    words.set([expected >>> 0, 0, address % 2 ** 32, Math.floor(address / 2 ** 32), FUTEX_32, 0], at);
  };
  const call = c.async("syscall");
  return {
    limit: LIMIT,
    async wait(list, milliseconds): Promise<number> {
      setEntry(0, base + BELL, Atomics.load(bell, 0));
      for (const [index, { address, expected }] of list.entries()) setEntry(index + 1, address, expected);
      // The call takes a point in time by a clock that runtimes don't give.
      functions.clock_gettime(CLOCK_MONOTONIC, base + DEADLINE);
      addTime(deadline, milliseconds);
      // The first word is the one that interrupts. If several were woken, the kernel returns the last one's index.
      const index = await call(
        futex_waitv,
        base + LIST,
        list.length + 1,
        0,
        base + DEADLINE,
        CLOCK_MONOTONIC,
      );
      return index > 0 ? index - 1 : -1;
    },
    interrupt(): void {
      Atomics.add(bell, 0, 1);
      functions.syscall(futex, base + BELL, FUTEX_WAKE, 1, 0, 0);
    },
  };
}

function setTime(timespec: BigInt64Array, milliseconds: number): void {
  timespec[0] = 0n;
  timespec[1] = 0n;
  addTime(timespec, milliseconds);
}

function addTime(timespec: BigInt64Array, milliseconds: number): void {
  const nanoseconds = (timespec[1] ?? 0n) + BigInt(Math.max(0, Math.ceil(milliseconds * 1e6)));
  timespec[0] = (timespec[0] ?? 0n) + nanoseconds / 1_000_000_000n;
  timespec[1] = nanoseconds % 1_000_000_000n;
}
