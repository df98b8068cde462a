/* What a power cut takes back: see power.h. The caller holds a lock. */
#define _GNU_SOURCE
#include "power.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

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
static int is_watching, is_lying;
static const char *side;

void watch_changes(const char *side_directory, int lying) {
  is_watching = 1;
  is_lying = lying;
  side = side_directory;
}

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

void remember_bytes(int fd, off_t at, size_t size) {
  struct stat info;
  if (!is_watching || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return;
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

void remember_name(enum change change, const char *from, const char *path) {
  if (!is_watching) return;
  struct undo *one = add_undo(change);
  snprintf(one->path, sizeof one->path, "%s", path);
  if (from != NULL) snprintf(one->from, sizeof one->from, "%s", from);
  set_directory(one, path);
  if (change != NAME_NEW) save_file(one, path);
}

void forget_last(void) {
  if (is_watching && undo_count > 0) undos[undo_count - 1].done = 1;
}

void synced(int fd) {
  struct stat info;
  if (!is_watching || is_lying || fstat(fd, &info) != 0) return;
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

void cut_power(void) {
  for (size_t i = undo_count; i > 0; i--)
    if (!undos[i - 1].done) take_back(&undos[i - 1]);
}
