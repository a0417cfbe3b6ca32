/* fs.h -- whole files and directories: bounded reads, atomic writes. */
#ifndef GAFF_BASE_FS_H
#define GAFF_BASE_FS_H

#include "base/arena.h"
#include "base/err.h"

/* All of the file into the arena; ERR_LIMIT beyond max, ERR_NOT_FOUND when absent. */
enum err fs_read(struct arena *a, const char *path, size_t max, str *out,
                 struct reason *why) MUST_USE;
/* Writes a temporary file beside path, fsyncs it, renames it over path, fsyncs the directory. */
enum err fs_write_atomic(const char *path, str bytes, unsigned mode, struct reason *why) MUST_USE;
/* Creates the directory and its parents (mode 0700) when missing. */
enum err fs_mkdirs(const char *path, struct reason *why) MUST_USE;
/* fsyncs the directory that holds path, so that a new name in it is durable. */
enum err fs_sync_parent(const char *path, struct reason *why) MUST_USE;
bool fs_exists(const char *path);

#endif
