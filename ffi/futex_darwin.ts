/**
 * Waiting for words on macOS: os_sync_wait_on_address (14.4), polling before it. Nothing here has run on a Mac yet.
 *
 * @module
 */
import { errorNumber } from "./errors.ts";
import type { Futex, WaitEnd } from "./waiting.ts";
import type { Libc } from "./libc.ts";

/** `OS_SYNC_WAIT_ON_ADDRESS_SHARED`, and the same for waking: between processes. */
const SHARED = 1;
const OS_CLOCK_MACH_ABSOLUTE_TIME = 32;
const WORD = 4;
/** How long a poll sleeps, in milliseconds. */
const NAP = 1;

/** macOS's wait for an address, or polling. */
export function darwinFutex(c: Libc): Futex {
  const { functions } = c;
  try {
    functions.os_sync_wake_by_address_any; // looking at it binds it, which throws on an older system
    functions.os_sync_wait_on_address_with_timeout;
  } catch {
    return polling(c);
  }
  return {
    wait(address, expected, milliseconds): WaitEnd {
      const nanoseconds = Math.max(1, Math.ceil(milliseconds * 1e6)); // 0 is refused
      const others = functions.os_sync_wait_on_address_with_timeout(
        address,
        expected >>> 0,
        WORD,
        SHARED,
        OS_CLOCK_MACH_ABSOLUTE_TIME,
        nanoseconds,
      );
      if (others !== -1) return "woken";
      const error = c.errno();
      if (error === errorNumber("ETIMEDOUT")) return "timed-out";
      return error === errorNumber("EFAULT") ? "lost" : "woken";
    },
    wake(address, count): number {
      const wake = count > 1 ? functions.os_sync_wake_by_address_all : functions.os_sync_wake_by_address_any;
      return wake(address, WORD, SHARED) === 0 ? 1 : 0;
    },
    several: undefined,
  };
}

function polling(c: Libc): Futex {
  const sleeper = new Int32Array(new SharedArrayBuffer(WORD));
  return {
    wait(address, expected, milliseconds): WaitEnd {
      const word = new Int32Array(c.arrayBuffer(address, WORD));
      const deadline = performance.now() + milliseconds;
      while (Atomics.load(word, 0) === expected) {
        const rest = deadline - performance.now();
        if (rest <= 0) return "timed-out";
        Atomics.wait(sleeper, 0, 0, Math.min(NAP, rest));
      }
      return "changed";
    },
    wake: () => 0, // whoever waits looks again after a nap
    several: undefined,
  };
}
