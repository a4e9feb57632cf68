// What the C floors share: a clock, and the report to run.ts.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

// Prints the nanoseconds that one call takes, after half as long a time to warm up.
static void report_per_call(void (*once)(void), double milliseconds) {
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
