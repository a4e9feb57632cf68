// The floor of records.ts: the sum of one field of the structs of a mapped file. usage: records FILE PASSES EXPECTED
#include <stdint.h>
#include "floor.h"

struct record {
  uint64_t id;
  double price;
  uint32_t amount;
  char name[12];
};

static double sum(struct file file) {
  const struct record *records = (const struct record *)file.bytes;
  double sum = 0;
  for (size_t i = 0; i < file.length / sizeof *records; i++) sum += records[i].price;
  return sum;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  report_each_pass(sum, map(argv[1]), atoi(argv[2]), atof(argv[3]));
  return 0;
}
