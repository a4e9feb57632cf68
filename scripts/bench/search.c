// The floor of search.ts: memmem, or memchr for a single byte. usage: search NEEDLE FILE PASSES EXPECTED
#define _GNU_SOURCE
#include <string.h>
#include "floor.h"

static const char *needle;

static double count(struct file file) {
  size_t size = strlen(needle);
  const char *end = file.bytes + file.length;
  double hits = 0;
  if (size == 1) {
    for (const char *at = file.bytes; (at = memchr(at, *needle, end - at)); at++) hits++;
  } else {
    for (const char *at = file.bytes; (at = memmem(at, end - at, needle, size)); at += size) hits++;
  }
  return hits;
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  needle = argv[1];
  report_each_pass(count, map(argv[2]), atoi(argv[3]), atof(argv[4]));
  return 0;
}
