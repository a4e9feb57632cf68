// The floor of records.ts: the sum of one field over a mapped file. usage: records FILE COUNT
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "floor.h"

struct record {
  uint64_t id;
  double price;
  uint32_t amount;
  char name[12];
};

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  int fd = open(argv[1], O_RDONLY);
  struct stat status;
  if (fd == -1 || fstat(fd, &status) == -1) return 1;
  volatile struct record *records = mmap(0, status.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
  if (records == MAP_FAILED) return 1;
  long length = status.st_size / sizeof *records;
  uint32_t sum = 0;
  printf("[");
  for (int round = 0, rounds = atoi(argv[2]); round <= rounds; round++) {
    double start = now();
    for (long i = 0; i < length; i++) sum += records[i].amount;
    if (round > 0) printf("%s%.3f", round > 1 ? "," : "", (now() - start) / length); // the first warms up
  }
  printf("]\n");
  return sum == 0;
}
