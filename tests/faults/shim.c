/* LD_PRELOAD shim: makes one call that a process makes on files under a directory go wrong, ends the
   process there, cuts its power there, or sets its clock. Only for tests; Linux, glibc.

   FAULT_DIR           only files under this directory count
   FAULT_LOG           appended per call: "<number> <class> <path>", and "fired <number>" for the fault
   FAULT_AT            number of the call that goes wrong, from 1; 0: none; "end": when the process ends
   FAULT_KIND          enospc, eio    the call fails
                       full           this one and all later ones that need space fail with ENOSPC, until
                                      there is a file FAULT_SIDE/room
                       short          a write takes half
                       kill-before, kill-after   SIGKILL in place of the call, or when it is done
                       power          SIGKILL in place of the call, and what was not synced is undone
   FAULT_SIDE          a directory on the same file system, outside FAULT_DIR
   FAULT_LYING_DISK    for power: nothing is ever synced, so that a test of the test fails
   FAULT_CLOCK_OFFSET  seconds added to CLOCK_REALTIME

   Power cut: every change since the last fsync of its file (bytes, size) or directory (names) is taken
   back in reverse order, the worst that POSIX allows. Memory-mapped writes are not seen; SQLite uses
   them only for what it builds anew. Calls inside libc (fopen) are not seen either. */
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

enum kind { NONE, ENOSPC_ONCE, EIO_ONCE, FULL, SHORT, KILL_BEFORE, KILL_AFTER, POWER };
static const char *const kind_names[] = {"none",  "enospc",      "eio",        "full",
                                         "short", "kill-before", "kill-after", "power"};
static enum kind fault_kind;
static long fault_at;
static int at_end, is_lying;
static long calls;
static long long clock_offset;
static char root[PATH_MAX];
static size_t root_size;
static const char *side;
static int log_fd = -1;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* ---- what a power cut takes back ---- */

enum change { BYTES, NAME_NEW, NAME_GONE, NAME_MOVED };
struct undo {
  enum change change;
  int done;
  dev_t dev;       /* of the file (BYTES) or of the directory */
  ino_t ino;
  int fd;          /* BYTES: an own descriptor, never closed: that would drop SQLite's locks */
  off_t at;
  off_t old_size;
  size_t size;
  unsigned char *bytes;
  char from[PATH_MAX / 4];
  char path[PATH_MAX / 4];
  char saved[PATH_MAX / 4]; /* the file that had this name, under FAULT_SIDE; may be empty */
};
static struct undo *undos;
static size_t undo_count, undo_room;
static long saved_count;

static struct undo *add_undo(enum change change) {
  if (undo_count == undo_room) {
    undo_room = undo_room ? 2 * undo_room : 64;
    undos = realloc(undos, undo_room * sizeof *undos);
    if (undos == NULL) abort();
  }
  struct undo *one = &undos[undo_count++];
  memset(one, 0, sizeof *one);
  one->change = change;
  one->fd = -1;
  return one;
}

static int own_descriptor(int fd, const struct stat *info) {
  for (size_t i = 0; i < undo_count; i++)
    if (undos[i].change == BYTES && undos[i].dev == info->st_dev && undos[i].ino == info->st_ino)
      return undos[i].fd;
  char name[64];
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  return (int)syscall(SYS_openat, AT_FDCWD, name, O_RDWR | O_CLOEXEC);
}

/* Before `size` bytes from `at` on change; SIZE_MAX: all up to the end. */
static void remember_bytes(int fd, off_t at, size_t size) {
  struct stat info;
  if (fault_kind != POWER || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return;
  const int own = own_descriptor(fd, &info);
  struct undo *one = add_undo(BYTES);
  one->dev = info.st_dev;
  one->ino = info.st_ino;
  one->fd = own;
  one->at = at;
  one->old_size = info.st_size;
  if (at >= info.st_size) return;
  if (size > (size_t)(info.st_size - at)) size = (size_t)(info.st_size - at);
  one->bytes = malloc(size ? size : 1);
  if (one->bytes == NULL) abort();
  const ssize_t got = pread(own, one->bytes, size, at);
  one->size = got > 0 ? (size_t)got : 0;
}

static void set_directory(struct undo *one, const char *path) {
  char directory[PATH_MAX / 4];
  struct stat info;
  snprintf(directory, sizeof directory, "%s", path);
  char *slash = strrchr(directory, '/');
  if (slash == NULL) return;
  *slash = '\0';
  if (stat(directory, &info) != 0) return;
  one->dev = info.st_dev;
  one->ino = info.st_ino;
}

/* Keeps the file that has this name now. */
static void save_file(struct undo *one, const char *path) {
  struct stat info;
  if (side == NULL || lstat(path, &info) != 0) return;
  snprintf(one->saved, sizeof one->saved, "%s/%d-%ld", side, (int)getpid(), ++saved_count);
  if (syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, one->saved, 0) != 0) one->saved[0] = '\0';
}

static void remember_name(enum change change, const char *from, const char *path) {
  if (fault_kind != POWER) return;
  struct undo *one = add_undo(change);
  snprintf(one->path, sizeof one->path, "%s", path);
  if (from != NULL) snprintf(one->from, sizeof one->from, "%s", from);
  set_directory(one, path);
  if (change != NAME_NEW) save_file(one, path);
}

static void forget_last(void) {
  if (fault_kind == POWER && undo_count > 0) undos[undo_count - 1].done = 1;
}

static void synced(int fd) {
  struct stat info;
  if (fault_kind != POWER || is_lying || fstat(fd, &info) != 0) return;
  for (size_t i = 0; i < undo_count; i++) {
    struct undo *one = &undos[i];
    const int is_file = one->change == BYTES;
    if (S_ISREG(info.st_mode) == is_file && one->dev == info.st_dev && one->ino == info.st_ino)
      one->done = 1;
  }
}

static void take_back(struct undo *one) {
  switch (one->change) {
    case BYTES:
      if (one->size > 0) syscall(SYS_pwrite64, one->fd, one->bytes, one->size, one->at);
      syscall(SYS_ftruncate, one->fd, one->old_size);
      return;
    case NAME_NEW: syscall(SYS_unlinkat, AT_FDCWD, one->path, 0); return;
    case NAME_MOVED: syscall(SYS_renameat2, AT_FDCWD, one->path, AT_FDCWD, one->from, 0); break;
    case NAME_GONE: break;
  }
  if (one->saved[0] != '\0') syscall(SYS_renameat2, AT_FDCWD, one->saved, AT_FDCWD, one->path, 0);
}

static void cut_power(void) {
  for (size_t i = undo_count; i > 0; i--)
    if (!undos[i - 1].done) take_back(&undos[i - 1]);
}

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
    log_fd = (int)syscall(SYS_openat, AT_FDCWD, text, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  is_lying = getenv("FAULT_LYING_DISK") != NULL;
  text = getenv("FAULT_AT");
  if (text == NULL) return;
  at_end = strcmp(text, "end") == 0;
  fault_at = atol(text);
  text = getenv("FAULT_KIND");
  for (int i = 0; text != NULL && i <= POWER; i++)
    if (strcmp(text, kind_names[i]) == 0) fault_kind = (enum kind)i;
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
    done = at < 0 ? syscall(SYS_write, fd, bytes, some) : syscall(SYS_pwrite64, fd, bytes, some, at);
  }
  END();
  return done;
}
ssize_t write(int fd, const void *bytes, size_t size) { return write_like("write", fd, bytes, size, -1); }
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
int rename(const char *from, const char *to) { return rename_like(AT_FDCWD, from, AT_FDCWD, to, 0); }
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
  return done != 0 && errno == EISDIR ? (int)syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR) : done;
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
int open(const char *path, int flags, ...) { MODE_OF(flags) return open_like(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE_OF(flags) return open_like(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE_OF(flags) return open_like(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE_OF(flags) return open_like(at, path, flags, mode); }

/* ---- the clock ---- */

int clock_gettime(clockid_t id, struct timespec *now) {
  const int done = (int)syscall(SYS_clock_gettime, id, now);
  if (done == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) now->tv_sec += clock_offset;
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
