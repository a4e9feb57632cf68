/*
 * A stand-in for macOS's libSystem.B.dylib, on Linux, x86-64: what the library calls of it, with Darwin's numbers and
 * Darwin's refusals, done by Linux's system calls. Whatever Darwin doesn't have is not here either, and since it is
 * linked with nothing, it can't be found in the system's own C library.
 *
 *     cc -shared -nostdlib -ffreestanding -fPIC -O1 -o libSystem.B.dylib libSystem.c
 *
 * The numbers are those of xnu's <sys/mman.h>, <sys/errno.h>, <sys/stat.h> and <sys/resource.h>. What it can't stand in
 * for: signals, the memory that Apple's CPUs let nobody execute, pages of 16 KiB, what APFS makes of holes.
 */
#include <stddef.h>
#include <stdint.h>

static __thread int error __attribute__((tls_model("initial-exec")));

int *__error(void) { return &error; }

static long call(long number, long a, long b, long c, long d, long e, long f) {
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

/* Linux's numbers of the system calls, <asm/unistd_64.h>. */
enum {
  SYS_CLOSE = 3, SYS_STAT = 4, SYS_FSTAT = 5, SYS_LSEEK = 8, SYS_MMAP = 9, SYS_MPROTECT = 10, SYS_MUNMAP = 11, SYS_PWRITE = 18,
  SYS_MSYNC = 26, SYS_MINCORE = 27, SYS_MADVISE = 28, SYS_DUP2 = 33, SYS_FTRUNCATE = 77, SYS_GETRLIMIT = 97, SYS_GETEUID = 107,
  SYS_MLOCK = 149, SYS_MUNLOCK = 150,
};

/* Darwin's numbers of the errors that have another one on Linux; up to 34 all others are the same. */
enum { EPERM = 1, ENOMEM = 12, EINVAL = 22 };

static int darwin_error(int linux_error) {
  static const uint8_t numbers[][2] = {
    {11, 35} /* EAGAIN */, {35, 11} /* EDEADLK */, {36, 63} /* ENAMETOOLONG */, {37, 77} /* ENOLCK */,
    {38, 78} /* ENOSYS */, {39, 66} /* ENOTEMPTY */, {40, 62} /* ELOOP */, {75, 84} /* EOVERFLOW */,
    {84, 92} /* EILSEQ */, {95, 102} /* EOPNOTSUPP */, {110, 60} /* ETIMEDOUT */, {116, 70} /* ESTALE */,
    {122, 69} /* EDQUOT */,
  };
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    if (numbers[i][0] == linux_error) return numbers[i][1];
  }
  return linux_error;
}

static long failed(int darwin_number) {
  error = darwin_number;
  return -1;
}

static long outcome(long result) { return result < 0 && result > -4096 ? failed(darwin_error(-result)) : result; }

enum { PAGE = 4096 };

int getpagesize(void) { return PAGE; }

enum {
  MAP_SHARED = 0x1, MAP_PRIVATE = 0x2, MAP_FIXED = 0x10, MAP_NORESERVE = 0x40, MAP_NOCACHE = 0x400, MAP_JIT = 0x800,
  MAP_ANON = 0x1000, MAP_RESILIENT_CODESIGN = 0x2000, MAP_RESILIENT_MEDIA = 0x4000, MAP_32BIT = 0x8000,
  LINUX_MAP_ANON = 0x20, LINUX_MAP_NORESERVE = 0x4000,
};

void *mmap(void *address, size_t length, int protection, int flags, int fd, long offset) {
  const int known = MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE | MAP_NOCACHE | MAP_JIT | MAP_ANON |
                    MAP_RESILIENT_CODESIGN | MAP_RESILIENT_MEDIA | MAP_32BIT;
  const int sharing = flags & (MAP_SHARED | MAP_PRIVATE);
  if (flags & ~known || protection & ~7 || length == 0 || offset % PAGE != 0) return (void *)failed(EINVAL);
  if (sharing != MAP_SHARED && sharing != MAP_PRIVATE) return (void *)failed(EINVAL);
  /* xnu takes a descriptor of anonymous memory as a tag with flags in it. */
  if (flags & MAP_ANON && fd != -1) return (void *)failed(EINVAL);
  if (flags & MAP_FIXED && (uintptr_t)address % PAGE != 0) return (void *)failed(EINVAL);
  int own = flags & (MAP_SHARED | MAP_PRIVATE | MAP_FIXED);
  if (flags & MAP_ANON) own |= LINUX_MAP_ANON;
  if (flags & MAP_NORESERVE) own |= LINUX_MAP_NORESERVE;
  return (void *)outcome(call(SYS_MMAP, (long)address, length, protection, own, fd, offset));
}

int munmap(void *address, size_t length) {
  if ((uintptr_t)address % PAGE != 0 || length == 0) return failed(EINVAL);
  return outcome(call(SYS_MUNMAP, (long)address, length, 0, 0, 0, 0));
}

int mprotect(void *address, size_t length, int protection) {
  if ((uintptr_t)address % PAGE != 0 || protection & ~7) return failed(EINVAL);
  return outcome(call(SYS_MPROTECT, (long)address, length, protection, 0, 0, 0));
}

enum { MS_ASYNC = 0x1, MS_INVALIDATE = 0x2, MS_SYNC = 0x10, LINUX_MS_SYNC = 4 };

int msync(void *address, size_t length, int flags) {
  if ((uintptr_t)address % PAGE != 0 || length == 0) return failed(EINVAL);
  if (flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC) || (flags & MS_ASYNC && flags & MS_SYNC)) return failed(EINVAL);
  int own = flags & (MS_ASYNC | MS_INVALIDATE);
  if (flags & MS_SYNC) own |= LINUX_MS_SYNC;
  return outcome(call(SYS_MSYNC, (long)address, length, own, 0, 0, 0));
}

void *memset(void *s, int c, size_t n) {
  void *at = s;
  __asm__ volatile("rep stosb" : "+D"(at), "+c"(n) : "a"(c) : "memory");
  return s;
}

/* MADV_ZERO_WIRED_PAGES, _FREE_REUSE and _CAN_REUSE change nothing that Linux could show. */
int madvise(void *address, size_t length, int advice) {
  static const int8_t own[] = {
    0 /* NORMAL */, 1 /* RANDOM */, 2 /* SEQUENTIAL */, 3 /* WILLNEED */, 20 /* DONTNEED, which drops nothing: COLD */,
    8 /* FREE */, -1, 8 /* FREE_REUSABLE */, -1, -1, 21 /* PAGEOUT */, -2 /* ZERO */,
  };
  if (advice < 0 || advice >= (int)sizeof own) return failed(EINVAL);
  const uintptr_t start = (uintptr_t)address & -PAGE, end = ((uintptr_t)address + length + PAGE - 1) & -PAGE;
  if (own[advice] == -1) return 0;
  if (own[advice] == -2) return memset((void *)start, 0, end - start), 0;
  return outcome(call(SYS_MADVISE, start, end - start, own[advice], 0, 0, 0));
}

int mlock(const void *address, size_t length) {
  return outcome(call(SYS_MLOCK, (long)address, length, 0, 0, 0, 0));
}

int munlock(const void *address, size_t length) {
  return outcome(call(SYS_MUNLOCK, (long)address, length, 0, 0, 0, 0));
}

/* A page that is resident has more bits than the first, and one that isn't may have some. */
int mincore(const void *address, size_t length, char *pages) {
  const long result = outcome(call(SYS_MINCORE, (long)address, length, (long)pages, 0, 0, 0));
  for (size_t i = 0; result == 0 && i < (length + PAGE - 1) / PAGE; i++) pages[i] = pages[i] & 1 ? 0x03 : 0x20;
  return result;
}

struct linux_stat {
  uint64_t device, inode, links;
  uint32_t mode, owner, group, padding;
  uint64_t special_device;
  int64_t size, block_size, blocks;
  uint64_t times[6], unused[3];
};

struct darwin_stat {
  int32_t device;
  uint16_t mode, links;
  uint64_t inode;
  uint32_t owner, group;
  int32_t special_device;
  uint64_t times[8];
  int64_t size, blocks;
  int32_t block_size;
  uint32_t flags, generation;
  int32_t spare;
  int64_t spares[2];
};

_Static_assert(offsetof(struct darwin_stat, size) == 96 && sizeof(struct darwin_stat) == 144, "<sys/stat.h>");

static int status(long result, const struct linux_stat *from, struct darwin_stat *to) {
  if (result < 0) return outcome(result);
  *to = (struct darwin_stat){
    .device = from->device, .mode = from->mode, .links = from->links, .inode = from->inode, .owner = from->owner,
    .group = from->group, .special_device = from->special_device, .size = from->size, .blocks = from->blocks,
    .block_size = from->block_size, .spare = -1, .spares = {-1, -1},
  };
  return 0;
}

/* On x86-64 the plain names have another structure, which is no use here. */
int fstat64(int fd, struct darwin_stat *to) __asm__("fstat$INODE64");
int fstat64(int fd, struct darwin_stat *to) {
  struct linux_stat from;
  return status(call(SYS_FSTAT, fd, (long)&from, 0, 0, 0, 0), &from, to);
}

int stat64(const char *path, struct darwin_stat *to) __asm__("stat$INODE64");
int stat64(const char *path, struct darwin_stat *to) {
  struct linux_stat from;
  return status(call(SYS_STAT, (long)path, (long)&from, 0, 0, 0, 0), &from, to);
}

long lseek(int fd, long offset, int whence) { return outcome(call(SYS_LSEEK, fd, offset, whence, 0, 0, 0)); }

int ftruncate(int fd, long length) { return outcome(call(SYS_FTRUNCATE, fd, length, 0, 0, 0, 0)); }

long pwrite(int fd, const void *bytes, size_t count, long offset) {
  return outcome(call(SYS_PWRITE, fd, (long)bytes, count, offset, 0, 0));
}

/* RLIMIT_FSIZE has one number on both; no limit is the largest off_t here. */
int getrlimit(int resource, uint64_t limits[2]) {
  if (resource != 1) return failed(EINVAL);
  const int result = outcome(call(SYS_GETRLIMIT, resource, (long)limits, 0, 0, 0, 0));
  for (int i = 0; i < 2; i++) {
    if (limits[i] > INT64_MAX) limits[i] = INT64_MAX;
  }
  return result;
}

/* What tests call, and the library doesn't. */
int dup2(int from, int to) { return outcome(call(SYS_DUP2, from, to, 0, 0, 0, 0)); }

int close(int fd) { return outcome(call(SYS_CLOSE, fd, 0, 0, 0, 0, 0)); }

int geteuid(void) { return call(SYS_GETEUID, 0, 0, 0, 0, 0, 0); }

/* It is bound, but there is no handler for macOS that it could install. */
int sigaction(int signal, const void *action, void *old) { return failed(EINVAL); }

char *getenv(const char *name) { return NULL; }

void *memchr(const void *s, int c, size_t n) {
  const uint8_t *bytes = s;
  for (size_t i = 0; i < n; i++) {
    if (bytes[i] == (uint8_t)c) return (void *)(bytes + i);
  }
  return NULL;
}

int memcmp(const void *one, const void *other, size_t n) {
  const volatile uint8_t *a = one, *b = other;
  for (size_t i = 0; i < n; i++) {
    if (a[i] != b[i]) return a[i] - b[i];
  }
  return 0;
}

// Compares the needle with what has its hash, so that it takes a time in proportion to the lengths (Rabin and Karp).
void *memmem(const void *haystack, size_t length, const void *needle, size_t needle_length) {
  const uint64_t BASE = 0x9e3779b97f4a7c15;
  const uint8_t *at = haystack, *wanted = needle;
  if (needle_length == 0) return (void *)haystack;
  if (length < needle_length) return NULL;
  uint64_t hash = 0, wanted_hash = 0, power = 1;
  for (size_t i = 0; i < needle_length; i++) {
    hash = hash * BASE + at[i];
    wanted_hash = wanted_hash * BASE + wanted[i];
    if (i > 0) power *= BASE;
  }
  for (const uint8_t *last = at + length - needle_length;; at++) {
    if (hash == wanted_hash && memcmp(at, needle, needle_length) == 0) return (void *)at;
    if (at == last) return NULL;
    hash = (hash - at[0] * power) * BASE + at[needle_length];
  }
}

void *bsearch(const void *key, const void *base, size_t count, size_t size,
              int (*compare)(const void *key, const void *element)) {
  const uint8_t *elements = base;
  for (size_t from = 0, to = count; from < to;) {
    const size_t middle = from + (to - from) / 2;
    const int order = compare(key, elements + middle * size);
    if (order == 0) return (void *)(elements + middle * size);
    if (order < 0) to = middle;
    else from = middle + 1;
  }
  return NULL;
}

void *memcpy(void *to, const void *from, size_t n) {
  void *at = to;
  __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(n) : : "memory");
  return to;
}

void *memmove(void *to, const void *from, size_t n) {
  if ((uintptr_t)to - (uintptr_t)from >= n) return memcpy(to, from, n);
  volatile uint8_t *a = to;
  const volatile uint8_t *b = from;
  while (n-- > 0) a[n] = b[n];
  return to;
}
