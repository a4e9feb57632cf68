// The floor of pair.ts: mmap and munmap of one page. usage: pair MILLISECONDS
#include <sys/mman.h>
#include "floor.h"

static void once(void) {
  void *memory = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED || munmap(memory, 4096) == -1) exit(1);
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  report_per_call(once, atof(argv[1]));
  return 0;
}
