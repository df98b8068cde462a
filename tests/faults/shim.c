/* LD_PRELOAD shim: makes one call that a process makes on files under a directory go wrong, ends
   the process there, cuts its power there, or sets its clock. Only for tests; Linux, glibc.

   FAULT_DIR           only files under this directory count
   FAULT_LOG           appended per call: "<number> <class> <path>", and "fired <number>"
   FAULT_AT            number of the call that goes wrong, from 1; 0: none; "end": at the end
   FAULT_KIND          enospc, eio    the call fails
                       full           this one and all later ones that need space fail with ENOSPC,
                                      until there is a file FAULT_SIDE/room
                       short          a write takes half
                       kill-before, kill-after   SIGKILL in place of the call, or when it is done
                       power          SIGKILL in place of the call, and what was not synced is
                                      undone (power.h)
   FAULT_SIDE          a directory on the same file system, outside FAULT_DIR
   FAULT_LYING_DISK    for power: nothing is ever synced, so that a test of the test fails
   FAULT_CLOCK_OFFSET  seconds added to CLOCK_REALTIME

   Calls inside libc (fopen) and memory-mapped writes are not seen; SQLite uses those only for what
   it builds anew. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "power.h"

enum kind { NONE, ENOSPC_ONCE, EIO_ONCE, FULL, SHORT, KILL_BEFORE, KILL_AFTER, POWER };
static const char *const kind_names[] = {"none",  "enospc",      "eio",        "full",
                                         "short", "kill-before", "kill-after", "power"};
static enum kind fault_kind;
static long fault_at;
static int at_end;
static long calls;
static long long clock_offset;
static char root[PATH_MAX];
static size_t root_size;
static const char *side;
static int log_fd = -1;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* ---- which call goes wrong ---- */

static void write_log(const char *format, ...) {
  char line[PATH_MAX + 64];
  va_list words;
  va_start(words, format);
  const int size = vsnprintf(line, sizeof line, format, words);
  va_end(words);
  if (log_fd >= 0 && size > 0) syscall(SYS_write, log_fd, line, (size_t)size);
}

static void die(void) {
  if (fault_kind == POWER) cut_power();
  syscall(SYS_kill, getpid(), SIGKILL);
}

__attribute__((constructor)) static void begin(void) {
  const char *text = getenv("FAULT_CLOCK_OFFSET");
  if (text != NULL) clock_offset = atoll(text);
  text = getenv("FAULT_DIR");
  if (text == NULL || realpath(text, root) == NULL) return;
  root_size = strlen(root);
  side = getenv("FAULT_SIDE");
  text = getenv("FAULT_LOG");
  if (text != NULL)
    log_fd = (int)syscall(SYS_openat, AT_FDCWD, text, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                          0600);
  text = getenv("FAULT_AT");
  if (text == NULL) return;
  at_end = strcmp(text, "end") == 0;
  fault_at = atol(text);
  text = getenv("FAULT_KIND");
  for (int i = 0; text != NULL && i <= POWER; i++)
    if (strcmp(text, kind_names[i]) == 0) fault_kind = (enum kind)i;
  if (fault_kind == POWER) watch_changes(side, getenv("FAULT_LYING_DISK") != NULL);
}

__attribute__((destructor)) static void end(void) {
  if (!at_end || fault_kind != POWER) return;
  write_log("fired end\n");
  cut_power();
}

static int is_inside(const char *path) {
  return root_size > 0 && strncmp(path, root, root_size) == 0 &&
         (path[root_size] == '/' || path[root_size] == '\0');
}

/* The path behind a descriptor, when it is inside. */
static int inside_fd(int fd, char *path, size_t room) {
  if (root_size == 0) return 0;
  char name[64];
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  const ssize_t size = readlink(name, path, room - 1);
  if (size <= 0) return 0;
  path[size] = '\0';
  return is_inside(path);
}

/* Absolute, with the directory's links resolved. */
static int inside_path(int at, const char *path, char *out, size_t room) {
  if (root_size == 0) return 0;
  char base[PATH_MAX] = "";
  if (path[0] != '/') {
    if (at == AT_FDCWD) {
      if (getcwd(base, sizeof base) == NULL) return 0;
    } else {
      char name[64];
      snprintf(name, sizeof name, "/proc/self/fd/%d", at);
      const ssize_t size = readlink(name, base, sizeof base - 1);
      if (size <= 0) return 0;
      base[size] = '\0';
    }
    strncat(base, "/", sizeof base - strlen(base) - 1);
  }
  if (snprintf(out, room, "%s%s", base, path) >= (int)room) return 0;
  return is_inside(out);
}

static int has_room(void) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/room", side != NULL ? side : "");
  return access(path, F_OK) == 0;
}

enum verdict { GO, FAIL, HALF, KILL_LATER };

/* Counts a call; the process may end here. `needs_space`: for FAULT_KIND=full. */
static enum verdict count_call(const char *class, const char *path, int needs_space, int is_write) {
  const long number = ++calls;
  write_log("%ld %s %s\n", number, class, path + root_size);
  if (fault_at == 0 || fault_kind == NONE) return GO;
  if (fault_kind == FULL && number > fault_at && needs_space && !has_room()) {
    errno = ENOSPC;
    return FAIL;
  }
  if (number != fault_at) return GO;
  if (fault_kind == SHORT && !is_write) return GO;
  if (fault_kind == FULL && !needs_space) return GO;
  write_log("fired %ld\n", number);
  switch (fault_kind) {
    case ENOSPC_ONCE:
    case FULL: errno = ENOSPC; return FAIL;
    case EIO_ONCE: errno = EIO; return FAIL;
    case SHORT: return HALF;
    case KILL_AFTER: return KILL_LATER;
    case KILL_BEFORE:
    case POWER: die(); return GO;
    case NONE: break;
  }
  return GO;
}

static void after(enum verdict verdict) {
  if (verdict == KILL_LATER) die();
}

/* ---- the calls ---- */

/* Begins a counted call: declares `verdict`, takes the mutex. */
#define BEGIN(class, path, needs_space, is_write)       \
  pthread_mutex_lock(&mutex);                           \
  const enum verdict verdict = count_call(class, path, needs_space, is_write)
#define END()     \
  after(verdict); \
  const int kept_errno = errno; \
  pthread_mutex_unlock(&mutex); \
  errno = kept_errno

static ssize_t write_like(const char *class, int fd, const void *bytes, size_t size, off_t at) {
  char path[PATH_MAX];
  const int counts = inside_fd(fd, path, sizeof path);
  if (!counts && at < 0) return syscall(SYS_write, fd, bytes, size);
  if (!counts) return syscall(SYS_pwrite64, fd, bytes, size, at);
  BEGIN(class, path, 1, 1);
  ssize_t done = -1;
  if (verdict != FAIL) {
    const off_t place = at >= 0 ? at : lseek(fd, 0, SEEK_CUR);
    const int appends = (fcntl(fd, F_GETFL) & O_APPEND) != 0;
    if (place >= 0) remember_bytes(fd, appends ? lseek(fd, 0, SEEK_END) : place, size);
    const size_t some = verdict == HALF && size > 1 ? size / 2 : size;
    done = at < 0 ? syscall(SYS_write, fd, bytes, some)
                  : syscall(SYS_pwrite64, fd, bytes, some, at);
  }
  END();
  return done;
}
ssize_t write(int fd, const void *bytes, size_t size) {
  return write_like("write", fd, bytes, size, -1);
}
ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) {
  return write_like("pwrite", fd, bytes, size, at);
}
ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) {
  return write_like("pwrite", fd, bytes, size, at);
}

static int sync_like(const char *class, int fd, long number) {
  char path[PATH_MAX];
  if (!inside_fd(fd, path, sizeof path)) return (int)syscall(number, fd);
  BEGIN(class, path, 1, 0);
  int done = -1;
  if (verdict != FAIL) {
    done = fault_kind == POWER ? 0 : (int)syscall(number, fd);
    if (done == 0) synced(fd);
  }
  END();
  return done;
}
int fsync(int fd) { return sync_like("fsync", fd, SYS_fsync); }
int fdatasync(int fd) { return sync_like("fdatasync", fd, SYS_fdatasync); }

static int truncate_like(int fd, off_t size) {
  char path[PATH_MAX];
  if (!inside_fd(fd, path, sizeof path)) return (int)syscall(SYS_ftruncate, fd, size);
  BEGIN("ftruncate", path, 0, 0);
  int done = -1;
  if (verdict != FAIL) {
    remember_bytes(fd, size, SIZE_MAX);
    done = (int)syscall(SYS_ftruncate, fd, size);
  }
  END();
  return done;
}
int ftruncate(int fd, off_t size) { return truncate_like(fd, size); }
int ftruncate64(int fd, off64_t size) { return truncate_like(fd, size); }

static int rename_like(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
  char source[PATH_MAX], target[PATH_MAX];
  const int counts = inside_path(to_at, to, target, sizeof target);
  if (!counts || !inside_path(from_at, from, source, sizeof source))
    return (int)syscall(SYS_renameat2, from_at, from, to_at, to, flags);
  BEGIN("rename", target, 1, 0);
  int done = -1;
  if (verdict != FAIL) {
    remember_name(NAME_MOVED, source, target);
    done = (int)syscall(SYS_renameat2, from_at, from, to_at, to, flags);
    if (done != 0) forget_last();
  }
  END();
  return done;
}
int rename(const char *from, const char *to) {
  return rename_like(AT_FDCWD, from, AT_FDCWD, to, 0);
}
int renameat(int from_at, const char *from, int to_at, const char *to) {
  return rename_like(from_at, from, to_at, to, 0);
}
int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
  return rename_like(from_at, from, to_at, to, flags);
}

static int link_like(int from_at, const char *from, int to_at, const char *to, int flags) {
  char target[PATH_MAX];
  if (!inside_path(to_at, to, target, sizeof target))
    return (int)syscall(SYS_linkat, from_at, from, to_at, to, flags);
  BEGIN("link", target, 1, 0);
  int done = -1;
  if (verdict != FAIL) {
    done = (int)syscall(SYS_linkat, from_at, from, to_at, to, flags);
    if (done == 0) remember_name(NAME_NEW, NULL, target);
  }
  END();
  return done;
}
int link(const char *from, const char *to) { return link_like(AT_FDCWD, from, AT_FDCWD, to, 0); }
int linkat(int from_at, const char *from, int to_at, const char *to, int flags) {
  return link_like(from_at, from, to_at, to, flags);
}

static int unlink_like(int at, const char *name, int flags) {
  char path[PATH_MAX];
  if (!inside_path(at, name, path, sizeof path)) return (int)syscall(SYS_unlinkat, at, name, flags);
  BEGIN("unlink", path, 0, 0);
  int done = -1;
  if (verdict != FAIL) {
    if ((flags & AT_REMOVEDIR) == 0) remember_name(NAME_GONE, NULL, path);
    done = (int)syscall(SYS_unlinkat, at, name, flags);
    if (done != 0 && (flags & AT_REMOVEDIR) == 0) forget_last();
  }
  END();
  return done;
}
int unlink(const char *path) { return unlink_like(AT_FDCWD, path, 0); }
int unlinkat(int at, const char *path, int flags) { return unlink_like(at, path, flags); }
int remove(const char *path) {
  const int done = unlink_like(AT_FDCWD, path, 0);
  if (done == 0 || errno != EISDIR) return done;
  return (int)syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
}

static int open_like(int at, const char *name, int flags, mode_t mode) {
  char path[PATH_MAX];
  const int may_change = (flags & (O_CREAT | O_TRUNC)) != 0;
  if (!may_change || !inside_path(at, name, path, sizeof path))
    return (int)syscall(SYS_openat, at, name, flags, mode);
  BEGIN("open", path, 1, 0);
  int done = -1;
  if (verdict != FAIL) {
    struct stat info;
    const int is_new = lstat(path, &info) != 0;
    done = (int)syscall(SYS_openat, at, name, flags, mode);
    if (done >= 0 && is_new) remember_name(NAME_NEW, NULL, path);
  }
  END();
  return done;
}
#define MODE_OF(flags)                                       \
  mode_t mode = 0;                                           \
  if (((flags) & (O_CREAT | O_TMPFILE)) != 0) {              \
    va_list words;                                           \
    va_start(words, flags);                                  \
    mode = (mode_t)va_arg(words, int);                       \
    va_end(words);                                           \
  }
int open(const char *path, int flags, ...) {
  MODE_OF(flags)
  return open_like(AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...) {
  MODE_OF(flags)
  return open_like(AT_FDCWD, path, flags, mode);
}
int openat(int at, const char *path, int flags, ...) {
  MODE_OF(flags)
  return open_like(at, path, flags, mode);
}
int openat64(int at, const char *path, int flags, ...) {
  MODE_OF(flags)
  return open_like(at, path, flags, mode);
}

/* ---- the clock ---- */

int clock_gettime(clockid_t id, struct timespec *now) {
  const int done = (int)syscall(SYS_clock_gettime, id, now);
  const int is_wall = id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE;
  if (done == 0 && is_wall) now->tv_sec += clock_offset;
  return done;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  (void)zone;
  struct timespec exact;
  clock_gettime(CLOCK_REALTIME, &exact);
  now->tv_sec = exact.tv_sec;
  now->tv_usec = exact.tv_nsec / 1000;
  return 0;
}
time_t time(time_t *out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != NULL) *out = now.tv_sec;
  return now.tv_sec;
}
