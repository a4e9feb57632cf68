/* A peer in C. Each command ends with 0, or says on standard error what was wrong. */
#define _GNU_SOURCE
#include "../../examples/ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHECK(condition) \
  do { if (!(condition)) { fprintf(stderr, "line %d: %s\n", __LINE__, #condition); exit(1); } } while (0)

static char *map(const char *name, int flags, size_t create) {
  int fd = shm_open(name, flags, 0600);
  CHECK(fd != -1);
  if (create) CHECK(ftruncate(fd, (off_t)create) == 0);
  struct stat status;
  CHECK(fstat(fd, &status) == 0);
  char *memory = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  CHECK(memory != MAP_FAILED);
  close(fd);
  return memory;
}

/* Checks a message, and notes it, as tests/ipc/programs/soak.ts does. */
static void note(_Atomic int32_t *cells, const uint8_t *message, long length, int take) {
  int32_t writer, sequence;
  memcpy(&writer, message, 4);
  memcpy(&sequence, message + 4, 4);
  CHECK(length == 8 + sequence * 37 % 500);
  for (long index = 8; index < length; index++) CHECK(message[index] == (uint8_t)(writer + sequence));
  atomic_fetch_add(&cells[4], 1);
  if (take) {
    atomic_fetch_add(&cells[65536 + writer], 1);
    return;
  }
  int32_t last = atomic_load(&cells[65536 + writer]);
  CHECK(sequence >= last);
  if (sequence == last) atomic_fetch_add(&cells[2], 1);
  else atomic_fetch_add(&cells[3], sequence - last - 1);
  atomic_store(&cells[65536 + writer], sequence);
}

/* As tests/ipc/programs/soak.ts does. */
static void soak(const char *name, const char *role, int id) {
  char *memory = map(name, O_RDWR, 0);
  _Atomic int32_t *cells = (_Atomic int32_t *)memory;
  mr_channel channel;
  CHECK(mr_channel_open(&channel, memory + (1 << 20), (1 << 16) + MR_CHANNEL_RING, 0) == 0);
  const uint8_t *found = NULL;
  uint8_t message[1024];
  int write = !strcmp(role, "write"), take = !strcmp(role, "take");
  if (!write) {
    CHECK(mr_channel_peek(&channel, &found) >= 0);
    mr_channel_release(&channel);
  }
  puts("started");
  fflush(stdout);
  if (write) {
    for (int32_t sequence = 1; atomic_load(&cells[0]) == 0; sequence++) {
      uint32_t length = 8 + (uint32_t)(sequence * 37 % 500);
      memcpy(message, &id, 4);
      memcpy(message + 4, &sequence, 4);
      memset(message + 8, (id + sequence) & 255, length - 8);
      CHECK(mr_channel_send(&channel, message, length) == 0);
      atomic_store(&cells[1024 + id], sequence);
    }
  } else if (take) {
    long length;
    while ((length = mr_channel_receive(&channel, message, sizeof message)) >= 0) note(cells, message, length, 1);
    CHECK(length == -1);
  } else {
    CHECK(!strcmp(role, "read"));
    long length;
    while ((length = mr_channel_peek(&channel, &found)) >= 0) {
      note(cells, found, length, 0);
      mr_channel_consume(&channel);
    }
    CHECK(length == -1);
  }
  mr_channel_close(&channel);
}

int main(int argc, char **argv) {
  CHECK(argc >= 3);
  const char *command = argv[1], *name = argv[2];
  if (!strcmp(command, "exchange")) {
    char *at = map(name, O_RDWR, 0) + atol(argv[3]);
    CHECK(!memcmp(at, argv[4], strlen(argv[4])));
    memcpy(at, argv[5], strlen(argv[5]));
  } else if (!strcmp(command, "create")) {
    strcpy(map(name, O_RDWR | O_CREAT | O_EXCL, (size_t)atol(argv[3])), argv[4]);
  } else if (!strcmp(command, "mutex")) {
    char *memory = map(name, O_RDWR, 0);
    mr_mutex *mutex = mr_mutex_at(memory);
    CHECK(mutex);
    volatile int *numbers = (int *)(memory + 64);
    puts("started");
    fflush(stdout);
    for (long round = 0; round < atol(argv[3]); round++) {
      CHECK(mr_mutex_lock(mutex) == 0);
      CHECK(numbers[0] == numbers[1]);
      numbers[0]++;
      numbers[1]++;
      CHECK(mr_mutex_unlock(mutex) == 0);
    }
  } else if (!strcmp(command, "recover")) {
    mr_mutex *mutex = mr_mutex_at(map(name, O_RDWR, 0));
    int result = mr_mutex_lock(mutex);
    puts(result == EOWNERDEAD ? "owner died" : result == 0 ? "locked" : "error");
    CHECK(mr_mutex_recovered(mutex) == 0);
    CHECK(mr_mutex_unlock(mutex) == 0);
  } else if (!strcmp(command, "die")) {
    CHECK(mr_mutex_lock(mr_mutex_at(map(name, O_RDWR, 0))) == 0);
    raise(SIGKILL);
  } else if (!strcmp(command, "send") || !strcmp(command, "receive")) {
    /* Sends so many messages, or receives all there are: message n has n % 300 bytes, each (n * 7 + its index) % 256. */
    struct stat status;
    int fd = shm_open(name, O_RDWR, 0600);
    CHECK(fd != -1 && fstat(fd, &status) == 0);
    char *memory = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(memory != MAP_FAILED);
    mr_channel channel;
    CHECK(mr_channel_open(&channel, memory, (size_t)status.st_size, 0) == 0);
    uint8_t message[300], received[300];
    long most = atol(argv[3]), count = 0;
    for (;; count++) {
      long length = count % 300;
      for (long index = 0; index < length; index++) message[index] = (uint8_t)(count * 7 + index);
      if (!strcmp(command, "send")) {
        if (count == most) break;
        CHECK(mr_channel_send(&channel, message, (uint32_t)length) == 0);
      } else {
        long result = mr_channel_receive(&channel, received, sizeof received);
        if (result == -1) break;
        CHECK(result == length);
        CHECK(!memcmp(message, received, (size_t)length));
      }
    }
    printf("%ld messages\n", count);
    mr_channel_close(&channel);
  } else if (!strcmp(command, "soak")) {
    soak(name, argv[3], atoi(argv[4]));
  } else {
    CHECK(!"a command");
  }
  return 0;
}
