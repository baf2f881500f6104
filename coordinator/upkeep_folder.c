/* Whose folder it is, and its lock. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/xalloc.h"
#include "coordinator/upkeep_verbs.h"

static bool holds_any(const struct upkeep *u, const char *const *names)
{
    bool found = false;
    for (; *names != NULL && !found; names++) {
        char *path = upkeep_path(u, *names);
        found = path_exists(path);
        free(path);
    }
    return found;
}

/* Any of these may be all that is left of a farm. */
static bool was_farm(const struct upkeep *u)
{
    static const char *const names[] = {UPKEEP_DATABASE, UPKEEP_NEW, UPKEEP_READY, "renders",
                                        "prompts",       "keys",     NULL};
    return holds_any(u, names);
}

static bool is_worker(const struct upkeep *u)
{
    static const char *const names[] = {"worker.key", "worker.lock", NULL};
    return holds_any(u, names);
}

static bool must_be_farm(const struct upkeep *u, enum upkeep_need need, struct error *err)
{
    if (was_farm(u)) return true;
    if (is_worker(u))
        return error_set(err, ERROR_NOT_FOUND,
                         "%s is a worker's folder: name that of the coordinator", u->state);
    return need != UPKEEP_FARM ||
           error_set(err, ERROR_NOT_FOUND, "%s: no farm was ever here", u->state);
}

/* Whoever only looks makes no file: where no lock is, nobody holds it. */
static bool take_lock(struct upkeep *u, bool looks_only, struct error *err)
{
    char *lock = upkeep_path(u, "coordinator.lock");
    const bool nobody = looks_only && !path_exists(lock);
    if (!nobody) u->lock_fd = path_lock(lock, err);
    free(lock);
    u->running = !nobody && u->lock_fd < 0 && err->code == ERROR_STATE;
    return nobody || u->lock_fd >= 0 || u->running;
}

bool upkeep_open(struct upkeep *u, const char *state, enum upkeep_need need, bool looks_only,
                 struct error *err)
{
    char real[PATH_MAX];
    if (realpath(state, real) == NULL)
        return errno == ENOENT ? error_set(err, ERROR_NOT_FOUND, "there is no folder %s", state)
                               : error_set_errno(err, errno, "%s", state);
    u->state = xstrdup(real);
    return must_be_farm(u, need, err) && take_lock(u, looks_only, err);
}
