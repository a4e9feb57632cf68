// The floor of scan.ts: memchr by threads, each in its part of a mapped file. usage: scan THREADS FILE PASSES EXPECTED
#include <pthread.h>
#include <string.h>
#include "floor.h"

struct part {
  const char *at, *end;
  double hits;
};

static int threads;

static void *count(void *argument) {
  struct part *part = argument;
  const char *at = part->at;
  long hits = 0;
  for (; (at = memchr(at, '\n', part->end - at)); at++) hits++;
  part->hits = hits;
  return 0;
}

static double scan(struct file file) {
  pthread_t ids[threads];
  struct part parts[threads];
  double sum = 0;
  for (int i = 0; i < threads; i++) {
    parts[i].at = file.bytes + file.length * i / threads;
    parts[i].end = file.bytes + file.length * (i + 1) / threads;
    if (pthread_create(&ids[i], 0, count, &parts[i])) exit(1);
  }
  for (int i = 0; i < threads; i++) {
    if (pthread_join(ids[i], 0)) exit(1);
    sum += parts[i].hits;
  }
  return sum;
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  threads = atoi(argv[1]);
  report_each_pass(scan, map(argv[2]), atoi(argv[3]), atof(argv[4]));
  return 0;
}
