/* A new database in the place of the old one. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/path.h"
#include "base/xalloc.h"
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

/* The log goes first: it would be read into whatever has the name then. While the new file has its
 * own name, no coordinator starts (upkeep_may_start). */
bool upkeep_swap_in(const struct upkeep *u, char old[UPKEEP_OLD_SIZE], struct error *err)
{
    char *new = upkeep_path(u, UPKEEP_NEW), *now = upkeep_path(u, UPKEEP_DATABASE);
    const bool there = path_exists(now);
    (void)snprintf(old, UPKEEP_OLD_SIZE, UPKEEP_DATABASE ".old-%lld",
                   (long long)(clock_wall_ms() / 1000));
    bool ok = has_no_log(u, err) && move_if_there(u, UPKEEP_DATABASE, "-wal", old, err) &&
              move_if_there(u, UPKEEP_DATABASE, "-shm", old, err) &&
              move_if_there(u, UPKEEP_DATABASE, "", old, err) && path_fsync_folder(u->state, err) &&
              path_rename_durable(new, now, err);
    if (!there) old[0] = '\0';
    free(new);
    free(now);
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
}
