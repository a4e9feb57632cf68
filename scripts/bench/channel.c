// The same ring in C, by examples/ipc.h. usage: channel.out trip|stream SIZE COUNT
#include "floor.h"

#include "../../examples/ipc.h"

#include <sys/wait.h>

#define MOST (1 << 21)

static char message[MOST];

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  int trip = !strcmp(argv[1], "trip");
  uint32_t size = (uint32_t)atol(argv[2]), capacity = 1 << 20;
  long count = atol(argv[3]);
  while (capacity < size * 8) capacity *= 2;
  size_t length = MR_CHANNEL_RING + capacity;
  char *memory = mmap(NULL, 2 * length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  mr_channel there, back;
  if (mr_channel_open(&there, memory, length, capacity) || mr_channel_open(&back, memory + length, length, capacity)) return 1;
  if (fork() == 0) {
    for (long i = 0; i < count; i++) {
      if (mr_channel_receive(&there, message, MOST) != (long)size) return 1;
      if ((trip || i == count - 1) && mr_channel_send(&back, message, size)) return 1;
    }
    mr_channel_close(&there);
    mr_channel_close(&back);
    return 0;
  }
  double start = now();
  for (long i = 0; i < count; i++) {
    if (mr_channel_send(&there, message, size)) return 1;
    if (trip && mr_channel_receive(&back, message, MOST) != (long)size) return 1;
  }
  if (!trip && mr_channel_receive(&back, message, MOST) != (long)size) return 1;
  double spent = now() - start;
  mr_channel_close(&there);
  wait(NULL);
  printf("[%.2f]\n", spent / count);
  return 0;
}
