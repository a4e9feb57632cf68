// What C's own robust, process-shared mutex takes. usage: mutex.out alone|contended TIMES
#include "floor.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct shared {
  pthread_mutex_t mutex;
  char pad[64];
  volatile long count;
  atomic_int go;
};

static void lock_often(struct shared *s, long times) {
  for (long i = 0; i < times; i++) {
    pthread_mutex_lock(&s->mutex);
    s->count++;
    pthread_mutex_unlock(&s->mutex);
  }
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  long times = atol(argv[2]);
  struct shared *s = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&s->mutex, &attributes);
  int contended = !strcmp(argv[1], "contended");
  if (contended && fork() == 0) {
    while (!s->go) ;
    lock_often(s, times);
    return 0;
  }
  lock_often(s, times);
  s->count = 0;
  double start = now();
  s->go = 1;
  lock_often(s, times);
  if (contended) wait(NULL);
  double spent = now() - start;
  printf("[%.2f]\n", spent / s->count);
  return s->count == times * (contended ? 2 : 1) ? 0 : 1;
}
