/* A power cut: every change since the last fsync of its file (bytes, size) or directory (names) is
   taken back in reverse order, the worst that POSIX allows. What a truncating open removes is not.
   Does nothing before watch_changes. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#pragma GCC visibility push(hidden) /* these are not for the program */
enum change { BYTES, NAME_NEW, NAME_GONE, NAME_MOVED };

/* `side`: where replaced files are kept, on the same file system. `lying`: no fsync counts. */
void watch_changes(const char *side, int lying);
/* Before `size` bytes from `at` on change; SIZE_MAX: all up to the end. */
void remember_bytes(int fd, off_t at, size_t size);
/* Before a name goes or is moved from `from`; after it came. Absolute paths. */
void remember_name(enum change change, const char *from, const char *path);
/* The change that was remembered last failed. */
void forget_last(void);
/* This file or directory was synced. */
void synced(int fd);
void cut_power(void);
#pragma GCC visibility pop
