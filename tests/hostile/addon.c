// An addon as others write them: it works on a buffer's memory in a thread of its own, long after the call has returned.
// It holds a reference to the buffer, and looks at nothing but the address that it was given at the start.
#include <node_api.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

typedef struct {
  napi_async_work work;
  napi_deferred deferred;
  napi_ref reference;
  unsigned char *bytes;
  size_t length;
  uint32_t value;
  uint32_t delay;
  int store;
  size_t count;
} task;

// Who is to wait for go() is given this delay.
#define UNTIL_GO UINT32_MAX
static sem_t gate;

// Counts the bytes of a value, or stores it to all of them.
static void execute(napi_env env, void *data) {
  (void)env;
  task *t = data;
  if (t->delay == UNTIL_GO) {
    while (sem_wait(&gate) != 0) continue;
  } else {
    struct timespec pause = {t->delay / 1000, t->delay % 1000 * 1000000L};
    nanosleep(&pause, NULL);
  }
  volatile unsigned char *bytes = t->bytes;
  for (size_t i = 0; i < t->length; i++) {
    if (t->store) bytes[i] = (unsigned char)t->value;
    if (bytes[i] == t->value) t->count++;
  }
}

static void complete(napi_env env, napi_status status, void *data) {
  (void)status;
  task *t = data;
  napi_value count;
  napi_create_int64(env, (int64_t)t->count, &count);
  napi_resolve_deferred(env, t->deferred, count);
  napi_delete_reference(env, t->reference);
  napi_delete_async_work(env, t->work);
  free(t);
}

// work(bytes, value, delay in milliseconds, store) → a promise of how many bytes have the value
static napi_value work(napi_env env, napi_callback_info info) {
  size_t argc = 4;
  napi_value arguments[4], promise, name;
  napi_get_cb_info(env, info, &argc, arguments, NULL, NULL);
  task *t = calloc(1, sizeof *t);
  napi_typedarray_type type;
  void *bytes = NULL;
  napi_get_typedarray_info(env, arguments[0], &type, &t->length, &bytes, NULL, NULL);
  t->bytes = bytes;
  napi_get_value_uint32(env, arguments[1], &t->value);
  napi_get_value_uint32(env, arguments[2], &t->delay);
  bool store = false;
  napi_get_value_bool(env, arguments[3], &store);
  t->store = store;
  napi_create_reference(env, arguments[0], 1, &t->reference);
  napi_create_promise(env, &t->deferred, &promise);
  napi_create_string_utf8(env, "work", NAPI_AUTO_LENGTH, &name);
  napi_create_async_work(env, NULL, name, execute, complete, t, &t->work);
  napi_queue_async_work(env, t->work);
  return promise;
}

// go(): one of those who wait begins.
static napi_value go(napi_env env, napi_callback_info info) {
  (void)env, (void)info;
  sem_post(&gate);
  return NULL;
}

NAPI_MODULE_INIT() {
  sem_init(&gate, 0, 0);
  napi_value function;
  napi_create_function(env, "work", NAPI_AUTO_LENGTH, work, NULL, &function);
  napi_set_named_property(env, exports, "work", function);
  napi_create_function(env, "go", NAPI_AUTO_LENGTH, go, NULL, &function);
  napi_set_named_property(env, exports, "go", function);
  return exports;
}
