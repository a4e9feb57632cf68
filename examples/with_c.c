/* The C side of with_c.ts: answers each message with its length, and counts them under a mutex. */
#include "ipc.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  int fd = shm_open(argv[1], O_RDWR, 0600);
  struct stat status;
  if (fd == -1 || fstat(fd, &status) == -1) return 1;
  size_t length = (size_t)status.st_size, second = (size_t)atol(argv[2]);
  char *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return 1;

  /* A mutex at 0, the number that it protects at 64, a channel to us at 128, and one back. */
  mr_mutex *mutex = mr_mutex_at(memory);
  uint32_t *count = (uint32_t *)(memory + 64);
  mr_channel inbox, outbox;
  if (!mutex || mr_channel_open(&inbox, memory + 128, second - 128, 0) ||
      mr_channel_open(&outbox, memory + second, length - second, 0)) return 1;

  char message[1024], answer[64];
  long got;
  while ((got = mr_channel_receive(&inbox, message, sizeof message)) >= 0) {
    if (mr_mutex_lock(mutex) == EOWNERDEAD) mr_mutex_recovered(mutex);
    ++*count;
    mr_mutex_unlock(mutex);
    int size = snprintf(answer, sizeof answer, "%ld bytes", got);
    if (mr_channel_send(&outbox, answer, (uint32_t)size)) return 1;
  }
  mr_channel_close(&inbox);
  mr_channel_close(&outbox);
  return got == -1 ? 0 : 1;
}
