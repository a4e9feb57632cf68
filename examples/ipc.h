/*
 * What @mapped/region/ipc puts into shared memory, for C: Linux and glibc, 64 bits. Link with -pthread.
 *
 * Everything here begins at a multiple of 64 bytes, is made of zeros, and has a magic number at byte 40.
 */
#ifndef MAPPED_REGION_IPC_H
#define MAPPED_REGION_IPC_H

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* wait(), waitSync() and notify(): a word, and who waits for it. */

/* Waits while *word is expected, for so many milliseconds at most. May return for no reason. */
static inline void mr_wait(_Atomic uint32_t *word, uint32_t expected, int milliseconds) {
  struct timespec time = { milliseconds / 1000, milliseconds % 1000 * 1000000L };
  syscall(SYS_futex, word, FUTEX_WAIT, expected, &time, NULL, 0);
}

/* Wakes so many of those who wait. */
static inline void mr_notify(_Atomic uint32_t *word, int count) {
  syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0);
}

/* Mutex: 64 bytes, of which the first 40 are a robust, process-shared pthread_mutex_t. */
typedef struct {
  _Alignas(64) pthread_mutex_t mutex;
  _Atomic uint32_t magic;
  uint32_t reserved[5];
} mr_mutex;

_Static_assert(sizeof(pthread_mutex_t) == 40 && sizeof(mr_mutex) == 64, "this is not glibc's pthread_mutex_t");

#define MR_MUTEX_MAGIC 0x3158554du /* "MUX1" */

/* The mutex at an address; made if all its bytes are 0, NULL if something else is there. */
static inline mr_mutex *mr_mutex_at(void *address) {
  mr_mutex *mutex = address;
  uint32_t none = 0;
  ((_Atomic uint32_t *)address)[4] = 0x90; /* PTHREAD_MUTEX_ROBUST_NORMAL_NP, process-shared */
  if (atomic_compare_exchange_strong(&mutex->magic, &none, MR_MUTEX_MAGIC) || none == MR_MUTEX_MAGIC) return mutex;
  return NULL;
}

/*
 * 0, or EOWNERDEAD: it is locked, and its last owner died. Say mr_mutex_recovered when all is well again.
 * It looks again now and then: a process in JavaScript that was to be next may have been killed.
 */
static inline int mr_mutex_lock(mr_mutex *mutex) {
  for (;;) {
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += 1;
    int result = pthread_mutex_timedlock(&mutex->mutex, &deadline);
    if (result != ETIMEDOUT) return result;
  }
}

static inline int mr_mutex_recovered(mr_mutex *mutex) { return pthread_mutex_consistent(&mutex->mutex); }

static inline int mr_mutex_unlock(mr_mutex *mutex) { return pthread_mutex_unlock(&mutex->mutex); }

#endif
