/* path: files and folders, durably. Every writer here either leaves the old file or the complete
 * new one. */
#ifndef ZOE_BASE_PATH_H
#define ZOE_BASE_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"

char *path_join(const char *folder, const char *name); /* caller frees */
char *path_dirname(const char *path);        /* caller frees; "." when there is no slash */
const char *path_basename(const char *path); /* borrowed */

/* A relative path that stays below its folder: no empty part, no ".", "..", no leading '/', no
 * control characters, at most 255 bytes a part. */
bool path_is_safe_relative(const char *path);

/* Opens a file for reading at a safe relative path below `folder`, without following a symbolic
 * link anywhere below it. -1 with errno: ELOOP or ENOTDIR where something else stands in the way,
 * EINVAL for a path that is not safe. */
int path_open_below(const char *folder, const char *relative);

bool path_exists(const char *path);
bool path_is_folder(const char *path);
bool path_make_folders(const char *path, mode_t mode,
                       struct error *err); /* like mkdir -p; each new folder is made durable */
bool path_remove_tree(const char *path,
                      struct error *err); /* missing is fine; never follows a symbolic link */

/* It was used now (its time of modification); what cannot be touched stays as old as it was. */
void path_touch(const char *path);

/* Sizes of all regular files in and below a folder; what cannot be looked at counts as nothing. */
uint64_t path_tree_bytes(const char *path);

/* Reads a whole file of at most `limit_bytes`; ERROR_NOT_FOUND, ERROR_REFUSED when larger. */
bool path_read(const char *path, size_t limit_bytes, struct buf *out, struct error *err);

/* Writes all of `data` to a descriptor, short writes and EINTR included; `what` names it in errors.
 */
bool path_write_fd(int fd, const void *data, size_t size_bytes, const char *what,
                   struct error *err);
/* The same at an offset, whatever the descriptor's own; `words` are the error's. */
bool path_write_at(int fd, uint64_t offset, const void *data, size_t size_bytes, const char *words,
                   struct error *err);

/* Writes beside (".NAME.tmp.PID.RANDOM"), fsyncs, renames over, fsyncs the folder. `mode` is
 * subject to the umask. After a failure the old file is untouched and nothing is left beside it. */
bool path_write_atomic(const char *path, const void *data, size_t size_bytes, mode_t mode,
                       struct error *err);

/* The same without fsync: whole for every reader, but a power cut may leave anything. */
bool path_write_expendable(const char *path, const void *data, size_t size_bytes, mode_t mode,
                           struct error *err);

/* After a failure nothing of the file is to be believed, and syncing it again proves nothing: Linux
 * tells of bytes that it could not write once, and takes them for written from then on. Whoever
 * keeps a file to go on with it later removes or empties it first. */
bool path_fsync_file(const char *path, struct error *err);
bool path_fsync_fd(int fd, const char *path, struct error *err); /* `path` names it in errors */
bool path_fsync_folder(const char *folder, struct error *err);
/* rename, then fsync of both folders. */
bool path_rename_durable(const char *from, const char *to, struct error *err);

bool path_free_bytes(const char *path, uint64_t *free_out, uint64_t *total_out, struct error *err);

/* Takes an exclusive lock on `path` (made 0600 if absent) that lives as long as the descriptor.
 * ERROR_STATE when another process holds it. Returns fd or -1. */
int path_lock(const char *path, struct error *err);

/* $XDG_STATE_HOME/NAME or ~/.local/state/NAME (and the same for config). Caller frees; NULL with
 * err when HOME is unset. */
char *path_user_state(const char *name, struct error *err);
char *path_user_config(const char *name, struct error *err);

/* Folder of the running executable. Caller frees. */
char *path_own_folder(void);

/* Sorted names in a folder ("." and ".." left out); caller frees each and the array. */
bool path_list(const char *folder, char ***names_out, size_t *count_out, struct error *err);
void path_list_free(char **names, size_t count);

#endif
