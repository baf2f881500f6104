/* A new database in the place of the old one. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "coordinator/store.h"
#include "coordinator/upkeep_verbs.h"

static bool move_if_there(const struct upkeep *u, const char *name, const char *suffix,
                          const char *to, struct error *err)
{
    char *from = xasprintf("%s/%s%s", u->state, name, suffix);
    char *target = xasprintf("%s/%s%s", u->state, to, suffix);
    bool ok = rename(from, target) == 0 || errno == ENOENT ||
              error_set_errno(err, errno, "cannot rename %s to %s", from, target);
    free(from);
    free(target);
    return ok;
}

/* Only the file itself moves: what its log holds would be lost. */
static bool has_no_log(const struct upkeep *u, struct error *err)
{
    struct stat info;
    char *path = upkeep_path(u, UPKEEP_NEW "-wal");
    bool ok = stat(path, &info) != 0 || info.st_size == 0 ||
              error_set(err, ERROR_IO, "%s holds what is not in the new database yet", path);
    free(path);
    return ok;
}

void upkeep_swap_drop(const struct upkeep *u)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char *path = xasprintf("%s/%s%s", u->state, UPKEEP_NEW, suffixes[i]);
        (void)unlink(path);
        free(path);
    }
    char *path = upkeep_path(u, UPKEEP_NEW);
    store_older_drop(path); /* an older build goes back to the backup itself */
    free(path);
}

static bool stands(const struct upkeep *u, const char *name)
{
    char *path = upkeep_path(u, name);
    const bool there = path_exists(path);
    free(path);
    return there;
}

/* The time of the finished file, so that a second run moves what is left to the same name as the
 * first: a database and its log stay together. */
static bool name_old(const struct upkeep *u, char old[UPKEEP_OLD_SIZE], struct error *err)
{
    struct stat info;
    char *ready = upkeep_path(u, UPKEEP_READY);
    bool ok = stat(ready, &info) == 0 || error_set_errno(err, errno, "%s", ready);
    free(ready);
    if (!ok) return false;
    long long at_s = info.st_mtime;
    do {
        (void)snprintf(old, UPKEEP_OLD_SIZE, UPKEEP_DATABASE ".old-%lld", at_s++);
    } while (stands(u, old));
    return true;
}

/* The log goes first: it would be read into whatever has the name then. */
static bool move_old(const struct upkeep *u, const char *old, struct error *err)
{
    if (!move_if_there(u, UPKEEP_DATABASE, "-wal", old, err) ||
        !move_if_there(u, UPKEEP_DATABASE, "-shm", old, err) || !path_fsync_folder(u->state, err))
        return false;
    fault_point("swap.log_moved");
    if (!move_if_there(u, UPKEEP_DATABASE, "", old, err)) return false;
    fault_point("swap.old_moved");
    return path_fsync_folder(u->state, err);
}

static bool place_ready(const struct upkeep *u, char old[UPKEEP_OLD_SIZE], struct error *err)
{
    char *ready = upkeep_path(u, UPKEEP_READY), *now = upkeep_path(u, UPKEEP_DATABASE);
    const bool there = stands(u, UPKEEP_DATABASE);
    bool ok =
        name_old(u, old, err) && move_old(u, old, err) && path_rename_durable(ready, now, err);
    if (!there) old[0] = '\0';
    free(ready);
    free(now);
    return ok;
}

bool upkeep_swap_in(const struct upkeep *u, char old[UPKEEP_OLD_SIZE], struct error *err)
{
    char *new = upkeep_path(u, UPKEEP_NEW), *ready = upkeep_path(u, UPKEEP_READY);
    bool ok =
        has_no_log(u, err) && path_fsync_file(new, err) && path_rename_durable(new, ready, err);
    free(new);
    free(ready);
    if (!ok) return false;
    fault_point("swap.ready");
    upkeep_swap_drop(u); /* an empty log, and copies of an older schema */
    return place_ready(u, old, err);
}

bool upkeep_swap_finish(struct upkeep *u, struct error *err)
{
    char old[UPKEEP_OLD_SIZE];
    if (!stands(u, UPKEEP_READY)) return true;
    if (!place_ready(u, old, err)) return false;
    findings_add(&u->findings, FINDING_OK, "swap", u->state, NULL,
                 "an earlier restore or recover was broken off at its end: it was finished first");
    return true;
}
