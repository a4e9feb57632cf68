/**
 * What the fault guard needs of libc and the runtime.
 *
 * @module
 */

/** What the guard needs of libc and the runtime. Addresses are numbers; each call returns -1 on failure. */
export interface GuardCalls {
  mmap(
    address: number,
    length: number,
    protection: number,
    flags: number,
    descriptor: number,
    offset: number,
  ): number;
  munmap(address: number, length: number): number;
  mprotect(address: number, length: number, protection: number): number;
  madvise(address: number, length: number, advice: number): number;
  msync(address: number, length: number, flags: number): number;
  /** `action` and `former` are addresses of `struct sigaction`, or 0. */
  sigaction(signal: number, action: number, former: number): number;
  /**
   * Makes a robust mutex of the zeros at an address (pthread_mutexattr_setrobust(3)) and locks it for the calling thread;
   * returns whether it did. Missing where the C library has none.
   */
  readonly lockRobust?: ((mutex: number) => boolean) | undefined;
  /** An ArrayBuffer over memory, not a copy. */
  arrayBuffer(address: number, length: number): ArrayBuffer;
}
