/**
 * Mutexes that tell that the thread which had them has ended.
 *
 * @module
 */
import { isPermissionError, type Libc } from "./libc.ts";

/** The bytes of a `pthread_mutex_t` of glibc and musl on 64-bit Linux; the attributes, 4 bytes, lie behind it. */
const MUTEX_SIZE = 40;

/** PTHREAD_MUTEX_ROBUST of glibc and musl. */
const ROBUST = 1;

/**
 * Makes a robust mutex at an address, where there are 48 bytes of zeros, and locks it for the calling thread; returns
 * whether it did. An old C library may have none.
 */
export function lockRobust(c: Libc, mutex: number): boolean {
  if (!c.has("pthread_mutexattr_setrobust")) return false;
  const attributes = mutex + MUTEX_SIZE;
  try {
    const { functions } = c;
    return functions.pthread_mutexattr_init(attributes) === 0 &&
      functions.pthread_mutexattr_setrobust(attributes, ROBUST) === 0 &&
      functions.pthread_mutex_init(mutex, attributes) === 0 &&
      functions.pthread_mutex_lock(mutex) === 0;
  } catch (error) {
    if (isPermissionError(error)) throw error;
    return false;
  }
}
