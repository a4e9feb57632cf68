// The floor of count.ts: memmem, or memchr for one byte, over a mapped file. usage: count FILE LITERAL EXPECTED COUNT
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "floor.h"

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  int fd = open(argv[1], O_RDONLY);
  struct stat status;
  if (fd == -1 || fstat(fd, &status) == -1) return 1;
  char *file = mmap(0, status.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
  if (file == MAP_FAILED) return 1;
  size_t length = strlen(argv[2]);
  printf("[");
  for (int round = 0, rounds = atoi(argv[4]); round <= rounds; round++) {
    double start = now();
    long hits = 0;
    for (char *at = file, *end = file + status.st_size;; hits++) {
      at = length == 1 ? memchr(at, argv[2][0], end - at) : memmem(at, end - at, argv[2], length);
      if (!at) break;
      at += length;
    }
    if (hits != atol(argv[3])) return 3;
    if (round > 0) printf("%s%.0f", round > 1 ? "," : "", now() - start); // the first warms up
  }
  printf("]\n");
}
