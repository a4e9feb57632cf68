/**
 * Waiting for a word of shared memory to change, and telling those who wait: what the platforms' files share.
 *
 * A word is 32 bits at an address that is a multiple of 4. Waits may end for no reason: whoever waits looks again.
 *
 * @module
 */

/** How a wait ended: it was woken (or for no reason), the word was another, time was up, or the memory is gone. */
export type WaitEnd = "woken" | "changed" | "timed-out" | "lost";

/** A word, and what it was when it was looked at. */
export interface WordToWaitFor {
  readonly address: number;
  readonly expected: number;
}

/** Waiting for words of shared memory. */
export interface Futex {
  /** Blocks the thread while the word is what is expected, for at most so many milliseconds. */
  wait(address: number, expected: number, milliseconds: number): WaitEnd;
  /** Wakes up to so many of those who wait for the word, in every process; returns how many. */
  wake(address: number, count: number): number;
  /** Waiting for one of several words off the event loop; undefined where the platform can't. */
  readonly several: WaitForSeveral | undefined;
}

/** Waiting for one of several words off the event loop. One call at a time. */
export interface WaitForSeveral {
  /** The largest number of words. */
  readonly limit: number;
  /**
   * Waits until one of the words is not, or no longer, what is expected, is woken, time is up, or `interrupt` is called.
   *
   * @returns The index of the last of the words that was woken; -1 if none was.
   */
  wait(words: readonly WordToWaitFor[], milliseconds: number): Promise<number>;
  /** Ends the call that is under way. */
  interrupt(): void;
}
