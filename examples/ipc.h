/*
 * What @mapped/region/ipc puts into shared memory, for C: Linux and glibc, 64 bits. Link with -pthread.
 *
 * Everything here begins at a multiple of 64 bytes, is made of zeros, and has a magic number at byte 40.
 *
 * Locks are glibc's, which keeps pointers of its own in them while they are held: take locks only in memory whose other
 * users are to be trusted.
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

/*
 * Channel: the layout is in src/ipc/ring.ts. What is read from the ring is checked before it is used: a peer may have
 * written anything.
 */
typedef struct {
  char *base;
  uint8_t *ring;
  uint32_t capacity;
  int sender, receiver; /* which of the 64 slots this end has, -1 for none */
  uint32_t next;        /* where the message after the one that was found begins */
} mr_channel;

#define MR_CHANNEL_MAGIC 0x314e4843u /* "CHN1" */
#define MR_CHANNEL_RING 8704
#define MR_SLOTS 64
#define MR_FILLER 0x80000000u

enum { MR_TAIL = 64, MR_HEAD = 128, MR_RECEIVERS_WAIT = 192, MR_SENDERS_WAIT = 256, MR_SENDERS = 320,
       MR_RECEIVERS = 328, MR_COMMIT_LOCK = 384, MR_CONSUME_LOCK = 448, MR_SENDER_SLOTS = 512,
       MR_RECEIVER_SLOTS = 4608 };

static inline _Atomic uint32_t *mr_word(const mr_channel *channel, int offset) {
  return (_Atomic uint32_t *)(channel->base + offset);
}

/* A word of the ring, read once. */
static inline uint32_t mr_cell(const mr_channel *channel, uint32_t at) {
  return *(volatile uint32_t *)(channel->ring + at);
}

/* Looks for some 30 us whether a word changes: most peers answer sooner than a thread that sleeps is woken. */
static inline int mr_spin(const _Atomic uint32_t *word, uint32_t expected) {
  for (int looks = 0; looks < 1024; looks++) {
    if (atomic_load(word) != expected) return 1;
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
  }
  return 0;
}

/* The lock at an offset: taken, whether or not its last owner died. EBUSY if another has it and wait is 0. */
static inline int mr_own(const mr_channel *channel, int offset, int wait) {
  mr_mutex *word = (mr_mutex *)(channel->base + offset);
  ((_Atomic uint32_t *)word)[4] = 0x90;
  int result = wait ? mr_mutex_lock(word) : pthread_mutex_trylock(&word->mutex);
  if (result == EOWNERDEAD) result = mr_mutex_recovered(word);
  return result;
}

static inline void mr_disown(const mr_channel *channel, int offset) {
  mr_mutex_unlock((mr_mutex *)(channel->base + offset));
}

/*
 * The channel at an address, of which so many bytes are mapped; made with a capacity (a power of two) if all bytes are 0,
 * unless that is 0. Returns 0 or an error number.
 */
static inline int mr_channel_open(mr_channel *channel, void *address, size_t length, uint32_t capacity) {
  channel->base = address;
  channel->ring = (uint8_t *)address + MR_CHANNEL_RING;
  channel->sender = channel->receiver = -1;
  if ((uintptr_t)address % 64 != 0 || length < MR_CHANNEL_RING) return EINVAL;
  uint32_t none = 0, magic = 0;
  if (capacity != 0) {
    atomic_compare_exchange_strong(mr_word(channel, 0), &none, capacity);
    atomic_compare_exchange_strong(mr_word(channel, 40), &magic, MR_CHANNEL_MAGIC);
  }
  channel->capacity = atomic_load(mr_word(channel, 0));
  if (atomic_load(mr_word(channel, 40)) != MR_CHANNEL_MAGIC) return EINVAL;
  uint32_t size = channel->capacity;
  return size < 1024 || (size & (size - 1)) != 0 || size > length - MR_CHANNEL_RING ? EBADMSG : 0;
}

static inline int mr_join(const mr_channel *channel, int *slot, int slots, int counts) {
  if (*slot != -1) return 0;
  for (int index = 0; index < MR_SLOTS; index++) {
    if (mr_own(channel, slots + index * 64, 0) != 0) continue;
    *slot = index;
    atomic_fetch_add(mr_word(channel, counts), 1);
    return 0;
  }
  return EAGAIN;
}

static inline void mr_leave(const mr_channel *channel, int *slot, int slots, int counts, int word) {
  if (*slot == -1) return;
  atomic_store(mr_word(channel, counts + 4), 1);
  mr_disown(channel, slots + *slot * 64);
  *slot = -1;
  mr_notify(mr_word(channel, word), 0x7fffffff);
}

/* Leaves the channel. */
static inline void mr_channel_close(mr_channel *channel) {
  mr_leave(channel, &channel->sender, MR_SENDER_SLOTS, MR_SENDERS, MR_TAIL);
  mr_leave(channel, &channel->receiver, MR_RECEIVER_SLOTS, MR_RECEIVERS, MR_HEAD);
}

/* Whether all who were ever on a side have gone. */
static inline int mr_gone(const mr_channel *channel, int slots, int counts) {
  if (atomic_load(mr_word(channel, counts)) == 0) return 0;
  for (int index = 0; index < MR_SLOTS; index++) {
    if ((atomic_load(mr_word(channel, slots + index * 64)) & FUTEX_TID_MASK) != 0) return 0;
  }
  return 1;
}

/* Sends a message. 0; EMSGSIZE if it is too long; EPIPE if there is no room, and nobody receives; EBADMSG; EAGAIN. */
static inline int mr_channel_send(mr_channel *channel, const void *message, uint32_t length) {
  uint32_t capacity = channel->capacity;
  if (length > capacity / 2 - 8) return EMSGSIZE;
  uint32_t size = 8 + ((length + 7) & ~7u);
  int error = mr_join(channel, &channel->sender, MR_SENDER_SLOTS, MR_SENDERS);
  if (error) return error;
  for (;;) {
    error = mr_own(channel, MR_COMMIT_LOCK, 1);
    if (error) return error;
    uint32_t tail = atomic_load(mr_word(channel, MR_TAIL)), head = atomic_load(mr_word(channel, MR_HEAD));
    uint32_t used = tail - head, at = tail & (capacity - 1);
    uint32_t skipped = at + size > capacity ? capacity - at : 0;
    int room = 0;
    if (used > capacity || ((tail | head) & 7) != 0) {
      error = EBADMSG;
    } else if (skipped + size <= capacity - used) {
      room = 1;
      if (skipped > 0) {
        uint32_t filler[2] = { MR_FILLER | skipped, tail };
        memcpy(channel->ring + at, filler, 8);
        tail += skipped;
        at = 0;
      }
      uint32_t header[2] = { length, tail };
      memcpy(channel->ring + at, header, 8);
      memcpy(channel->ring + at + 8, message, length);
      atomic_store(mr_word(channel, MR_TAIL), tail + size);
    }
    mr_disown(channel, MR_COMMIT_LOCK);
    if (error) return error;
    if (room) {
      if (atomic_load(mr_word(channel, MR_RECEIVERS_WAIT)) != 0) {
        atomic_store(mr_word(channel, MR_RECEIVERS_WAIT), 0);
        mr_notify(mr_word(channel, MR_TAIL), 0x7fffffff);
      }
      return 0;
    }
    if (mr_spin(mr_word(channel, MR_HEAD), head)) continue;
    atomic_store(mr_word(channel, MR_SENDERS_WAIT), 1);
    if (atomic_load(mr_word(channel, MR_HEAD)) != head) continue;
    if (mr_gone(channel, MR_RECEIVER_SLOTS, MR_RECEIVERS)) return EPIPE;
    mr_wait(mr_word(channel, MR_HEAD), head, 200);
  }
}

/*
 * Finds the next message where it is: nobody else can receive until mr_channel_consume or mr_channel_release. If this
 * process dies before that, the next one gets the message. Returns its length; -1 when there are none and all senders have
 * gone; less for an error: -EBADMSG, -EAGAIN.
 */
static inline long mr_channel_peek(mr_channel *channel, const uint8_t **message) {
  uint32_t capacity = channel->capacity;
  int error = mr_join(channel, &channel->receiver, MR_RECEIVER_SLOTS, MR_RECEIVERS);
  if (error) return -error;
  for (;;) {
    error = mr_own(channel, MR_CONSUME_LOCK, 1);
    if (error) return -error;
    uint32_t head = atomic_load(mr_word(channel, MR_HEAD)), tail = atomic_load(mr_word(channel, MR_TAIL));
    uint32_t used = tail - head;
    if (used > 0 && used <= capacity && ((tail | head) & 7) == 0) {
      uint32_t at = head & (capacity - 1), first = mr_cell(channel, at);
      if ((first & MR_FILLER) != 0 && first == (MR_FILLER | (capacity - at)) && capacity - at < used) {
        head += capacity - at;
        used = tail - head;
        at = 0;
        first = mr_cell(channel, 0);
      }
      uint32_t size = 8 + ((first + 7) & ~7u);
      if (first <= capacity / 2 - 8 && size <= used && at + size <= capacity && mr_cell(channel, at + 4) == head) {
        channel->next = head + size;
        *message = channel->ring + at + 8;
        return (long)first;
      }
    }
    mr_disown(channel, MR_CONSUME_LOCK);
    if (used != 0) return -EBADMSG;
    if (mr_spin(mr_word(channel, MR_TAIL), tail)) continue;
    atomic_store(mr_word(channel, MR_RECEIVERS_WAIT), 1);
    if (atomic_load(mr_word(channel, MR_TAIL)) != tail) continue;
    if (mr_gone(channel, MR_SENDER_SLOTS, MR_SENDERS) && atomic_load(mr_word(channel, MR_TAIL)) == tail) return -1;
    mr_wait(mr_word(channel, MR_TAIL), tail, 200);
  }
}

/* Leaves the message in the channel. */
static inline void mr_channel_release(mr_channel *channel) { mr_disown(channel, MR_CONSUME_LOCK); }

/* Takes the message that was found out of the channel. */
static inline void mr_channel_consume(mr_channel *channel) {
  atomic_store(mr_word(channel, MR_HEAD), channel->next);
  mr_disown(channel, MR_CONSUME_LOCK);
  if (atomic_load(mr_word(channel, MR_SENDERS_WAIT)) == 0) return;
  atomic_store(mr_word(channel, MR_SENDERS_WAIT), 0);
  mr_notify(mr_word(channel, MR_HEAD), 0x7fffffff);
}

/*
 * Receives a message into a buffer. Returns what mr_channel_peek does, or -EMSGSIZE if the buffer is too small: then the
 * message stays in the channel.
 */
static inline long mr_channel_receive(mr_channel *channel, void *buffer, size_t room) {
  const uint8_t *message = NULL;
  long length = mr_channel_peek(channel, &message);
  if (length < 0) return length;
  if ((size_t)length > room) {
    mr_channel_release(channel);
    return -EMSGSIZE;
  }
  memcpy(buffer, message, (size_t)length);
  mr_channel_consume(channel);
  return length;
}

#endif
