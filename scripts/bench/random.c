// The floor of random.ts: random reads of 8 bytes in a mapped file. usage: random FILE READS
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "floor.h"

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  int fd = open(argv[1], O_RDONLY);
  struct stat status;
  if (fd == -1 || fstat(fd, &status) == -1) return 1;
  volatile double *words = mmap(0, status.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
  if (words == MAP_FAILED) return 1;
  uint32_t state = 0x9e3779b9, mask = status.st_size / 8 - 1;
  double sum = 0, reads = atof(argv[2]), best = 1e18;
  for (int round = 0; round < 3; round++) {
    double start = now();
    for (long i = 0; i < reads; i++) {
      state ^= state << 13;
      state ^= state >> 17;
      state ^= state << 5;
      sum += words[state & mask];
    }
    double spent = (now() - start) / reads;
    if (spent < best) best = spent;
  }
  printf("[%.2f]\n", best);
  return sum != sum;
}
