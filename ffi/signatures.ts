/**
 * The C functions that the library calls, each with its declaration: one table.
 *
 * @module
 */
import type { Bound, Signature } from "./abi.ts";

/**
 * The C functions we bind, each with its declaration.
 *
 * Variadic functions (`open`) are left out: arm64 macOS passes variadic arguments differently, which no FFI here can
 * express. `mremap`, `syscall` and `fcntl` are variadic, too, but are called on Linux only, where that makes no
 * difference. `shm_open` is called on macOS: its mode gets lost there, and is set by fchmod.
 */
export const SIGNATURES = {
  // void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
  mmap: { parameters: ["address", "size", "int", "int", "int", "offset"], result: "address" },
  // int munmap(void *addr, size_t length)
  munmap: { parameters: ["address", "size"], result: "int" },
  // void *mremap(void *old, size_t old_length, size_t new_length, int flags, void *new)
  mremap: { parameters: ["address", "size", "size", "int", "address"], result: "address" },
  // int msync(void *addr, size_t length, int flags)
  msync: { parameters: ["address", "size", "int"], result: "int" },
  // int mprotect(void *addr, size_t length, int prot)
  mprotect: { parameters: ["address", "size", "int"], result: "int" },
  // int madvise(void *addr, size_t length, int advice)
  madvise: { parameters: ["address", "size", "int"], result: "int" },
  // int mlock(const void *addr, size_t length)
  mlock: { parameters: ["address", "size"], result: "int" },
  // int munlock(const void *addr, size_t length)
  munlock: { parameters: ["address", "size"], result: "int" },
  // int mincore(void *addr, size_t length, unsigned char *vec)
  mincore: { parameters: ["address", "size", "bytes"], result: "int" },
  // int getpagesize(void)
  getpagesize: { parameters: [], result: "int" },
  // off_t lseek(int fd, off_t offset, int whence)
  lseek: { parameters: ["int", "offset", "int"], result: "offset" },
  // int fstat(int fd, struct stat *status); glibc has it from 2.33 on
  fstat: { parameters: ["int", "bytes"], result: "int" },
  // int stat(const char *path, struct stat *status); glibc has it from 2.33 on
  stat: { parameters: ["bytes", "bytes"], result: "int" },
  // int __fxstat(int version, int fd, struct stat *status); what fstat is called in older glibc
  __fxstat: { parameters: ["int", "int", "bytes"], result: "int" },
  // int __xstat(int version, const char *path, struct stat *status); what stat is called in older glibc
  __xstat: { parameters: ["int", "bytes", "bytes"], result: "int" },
  // int fstatfs(int fd, struct statfs *status)
  fstatfs: { parameters: ["int", "bytes"], result: "int" },
  // int sysinfo(struct sysinfo *info)
  sysinfo: { parameters: ["bytes"], result: "int" },
  // int ftruncate(int fd, off_t length)
  ftruncate: { parameters: ["int", "offset"], result: "int" },
  // ssize_t pwrite(int fd, const void *buffer, size_t count, off_t offset)
  pwrite: { parameters: ["int", "bytes", "size", "offset"], result: "offset" },
  // int getrlimit(int resource, struct rlimit *limit)
  getrlimit: { parameters: ["int", "bytes"], result: "int" },
  // int posix_fallocate(int fd, off_t offset, off_t length); returns the error number and leaves errno alone
  posix_fallocate: { parameters: ["int", "offset", "offset"], result: "int" },
  // void *memchr(const void *s, int c, size_t n)
  memchr: { parameters: ["address", "int", "size"], result: "address" },
  // void *memrchr(const void *s, int c, size_t n)
  memrchr: { parameters: ["address", "int", "size"], result: "address" },
  // void *memmem(const void *haystack, size_t haystack_length, const void *needle, size_t needle_length)
  memmem: { parameters: ["address", "size", "bytes", "size"], result: "address" },
  // int memcmp(const void *s1, const void *s2, size_t n)
  memcmp: { parameters: ["address", "address", "size"], result: "int" },
  // void *memmove(void *dest, const void *src, size_t n)
  memmove: { parameters: ["address", "address", "size"], result: "address" },
  // void *memcpy(void *dest, const void *src, size_t n)
  memcpy: { parameters: ["bytes", "address", "size"], result: "address" },
  // void *memset(void *s, int c, size_t n)
  memset: { parameters: ["address", "int", "size"], result: "address" },
  // void *bsearch(const void *key, const void *base, size_t count, size_t size, int (*compare)(const void *, const void *))
  bsearch: { parameters: ["bytes", "address", "size", "size", "address"], result: "address" },
  // int sigaction(int signum, const struct sigaction *act, struct sigaction *oldact)
  sigaction: { parameters: ["int", "address", "address"], result: "int" },
  // uid_t geteuid(void)
  geteuid: { parameters: [], result: "int" },
  // char *getenv(const char *name)
  getenv: { parameters: ["bytes"], result: "address" },
  // void *calloc(size_t count, size_t size)
  calloc: { parameters: ["size", "size"], result: "address" },
  // pid_t getpid(void)
  getpid: { parameters: [], result: "int" },
  // int clock_gettime(clockid_t clock, struct timespec *time)
  clock_gettime: { parameters: ["int", "address"], result: "int" },
  // int close(int fd)
  close: { parameters: ["int"], result: "int" },
  // int flock(int fd, int operation)
  flock: { parameters: ["int", "int"], result: "int" },
  // int memfd_create(const char *name, unsigned int flags), Linux
  memfd_create: { parameters: ["bytes", "int"], result: "int" },
  // int fcntl(int fd, int command, ...)
  fcntl: { parameters: ["int", "int", "int"], result: "int" },
  // long syscall(long number, ...), Linux
  syscall: {
    parameters: ["offset", "address", "offset", "offset", "address", "offset"],
    result: "offset",
  },
  // int shm_open(const char *name, int flags, ...)
  shm_open: { parameters: ["bytes", "int", "int"], result: "int" },
  // int shm_unlink(const char *name)
  shm_unlink: { parameters: ["bytes"], result: "int" },
  // int os_sync_wait_on_address_with_timeout(void *addr, uint64_t value, size_t size, uint32_t flags, uint32_t clock,
  //   uint64_t nanoseconds), macOS 14.4
  os_sync_wait_on_address_with_timeout: {
    parameters: ["address", "offset", "size", "int", "int", "offset"],
    result: "int",
  },
  // int os_sync_wake_by_address_any(void *addr, size_t size, uint32_t flags), macOS 14.4
  os_sync_wake_by_address_any: { parameters: ["address", "size", "int"], result: "int" },
  // int os_sync_wake_by_address_all(void *addr, size_t size, uint32_t flags), macOS 14.4
  os_sync_wake_by_address_all: { parameters: ["address", "size", "int"], result: "int" },
  // int pthread_mutexattr_init(pthread_mutexattr_t *attributes)
  pthread_mutexattr_init: { parameters: ["address"], result: "int" },
  // int pthread_mutexattr_setrobust(pthread_mutexattr_t *attributes, int robust); older glibc has it in libpthread
  pthread_mutexattr_setrobust: { parameters: ["address", "int"], result: "int" },
  // int pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes)
  pthread_mutex_init: { parameters: ["address", "address"], result: "int" },
  // int pthread_mutex_lock(pthread_mutex_t *mutex)
  pthread_mutex_lock: { parameters: ["address"], result: "int" },
  // unsigned long getauxval(unsigned long type), Linux
  getauxval: { parameters: ["size"], result: "address" },
  // int *__errno_location(void), glibc and musl
  __errno_location: { parameters: [], result: "address" },
  // int *__error(void), macOS
  __error: { parameters: [], result: "address" },
} as const satisfies Record<string, Signature>;

/** The name of a C function in {@linkcode SIGNATURES}. */
export type FunctionName = keyof typeof SIGNATURES;

/** The C functions, bound when first looked at. Each returns what C returns; -1 is failure. */
export type Functions = { readonly [Name in FunctionName]: Bound<(typeof SIGNATURES)[Name]> };
