// The floor of open.ts: what a C program does to see the first byte of a file. usage: open FILE MILLISECONDS
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "floor.h"

static const char *path;
static unsigned sum;

static void once(void) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat status;
  if (fd == -1 || fstat(fd, &status) == -1) exit(1);
  volatile unsigned char *bytes = mmap(0, status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (bytes == MAP_FAILED) exit(1);
  sum += bytes[0];
  if (munmap((void *)bytes, status.st_size) == -1 || close(fd) == -1) exit(1);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  path = argv[1];
  report_per_call(once, atof(argv[2]));
  return 0;
}
