// What search.ts and lines.ts do, in C. usage: peer indexOf|count|offsets|bytes|strings NEEDLE FILE PASSES EXPECTED
#define _GNU_SOURCE
#include <string.h>
#include "floor.h"

static const char *needle;
static size_t size;

static double index_of(struct file file) {
  const char *found = memmem(file.bytes, file.length, needle, size);
  return found ? found - file.bytes : -1;
}

static double count(struct file file) {
  const char *end = file.bytes + file.length;
  double hits = 0;
  if (size == 1) {
    for (const char *at = file.bytes; (at = memchr(at, *needle, end - at)); at++) hits++;
  } else {
    for (const char *at = file.bytes; (at = memmem(at, end - at, needle, size)); at += size) hits++;
  }
  return hits;
}

// Calls `take` for each line; returns the sum of what it returns.
static inline double each_line(struct file file, size_t (*take)(const char *line, size_t length)) {
  const char *end = file.bytes + file.length;
  double sum = 0;
  for (const char *at = file.bytes; at < end;) {
    const char *newline = memchr(at, '\n', end - at);
    size_t length = (newline ? newline : end) - at;
    if (length > 0 && at[length - 1] == '\r') length--;
    sum += take(at, length);
    at = newline ? newline + 1 : end;
  }
  return sum;
}

static size_t as_bytes(const char *line, size_t length) {
  (void)line;
  return length;
}

static size_t as_string(const char *line, size_t length) {
  char *string = strndup(line, length);
  size_t characters = strlen(string);
  free(string);
  return characters;
}

static double bytes(struct file file) { return each_line(file, as_bytes); }
static double strings(struct file file) { return each_line(file, as_string); }

int main(int argc, char **argv) {
  if (argc != 6) return 2;
  needle = argv[2];
  size = strlen(needle);
  double (*once)(struct file) = !strcmp(argv[1], "indexOf") ? index_of
                                : !strcmp(argv[1], "count") ? count
                                : !strcmp(argv[1], "strings") ? strings
                                                              : bytes;
  report_each_pass(once, map(argv[3]), atoi(argv[4]), atof(argv[5]));
  return 0;
}
