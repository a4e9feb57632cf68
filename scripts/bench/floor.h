// What the C floors share: a clock, files, and the report to run.ts.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

// A floor that has no use for one of these functions is no worse for it.
#define SHARED __attribute__((unused)) static

SHARED double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

// Prints the nanoseconds that one call takes, after half as long a time to warm up.
SHARED void report_per_call(void (*once)(void), double milliseconds) {
  double spent = 0;
  long count = 0;
  for (int warm = 0; warm < 2; warm++) {
    double budget = milliseconds * (warm ? 1e6 : 0.5e6), start = now();
    count = 0;
    do {
      for (int i = 0; i < 100; i++) once();
      count += 100;
      spent = now() - start;
    } while (spent < budget);
  }
  printf("[%.2f]\n", spent / count);
}

struct file {
  const char *bytes;
  size_t length;
};

// Maps a file as a region is unless told otherwise; its pages are read in by the pass that warms up.
SHARED struct file map(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat status;
  if (fd == -1 || fstat(fd, &status) == -1) exit(1);
  struct file file = {mmap(0, status.st_size, PROT_READ, MAP_PRIVATE, fd, 0), status.st_size};
  if (file.bytes == MAP_FAILED) exit(1);
  return file;
}

// Prints the nanoseconds that each pass through a file takes, after one that warms up; fails if an answer is wrong.
SHARED void report_each_pass(double (*once)(struct file), struct file file, int passes, double expected) {
  for (int pass = 0; pass <= passes; pass++) {
    double start = now(), answer = once(file), spent = now() - start;
    if (answer != expected) {
      fprintf(stderr, "%.17g instead of %.17g\n", answer, expected);
      exit(1);
    }
    if (pass > 0) printf("%c%.0f", pass == 1 ? '[' : ',', spent);
  }
  puts("]");
}
