/* store_backup: SQLite's online copy. It runs on the connection that writes: what that changes
 * meanwhile goes into the copy too, so that it never starts again, and between two steps it holds
 * no lock and pins no log. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "coordinator/store_db.h"

#define STEP_PAGES 16

struct store_backup {
    struct store *s;
    char *path;
    sqlite3 *copy;
    sqlite3_backup *run;
    bool done;
};

/* Nobody reads the copy before it is complete and synced by the caller: no journal, no sync. */
static bool open_copy(struct store_backup *b, struct error *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    int fd = open(b->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        int why = errno;
        error_set_errno(err, why, "%s cannot be made", b->path);
        if (why == EEXIST) err->code = ERROR_REFUSED;
        return false;
    }
    close(fd);
    if (sqlite3_open_v2(b->path, &b->copy, flags, NULL) == SQLITE_OK &&
        sqlite3_exec(b->copy,
                     "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = OFF;"
                     "PRAGMA synchronous = OFF",
                     NULL, NULL, NULL) == SQLITE_OK)
        b->run = sqlite3_backup_init(b->copy, "main", b->s->db, "main");
    if (b->run != NULL) return true;
    return error_set(err, ERROR_IO, "%s: %s", b->path,
                     b->copy ? sqlite3_errmsg(b->copy) : "no memory");
}

struct store_backup *store_backup_begin(struct store *s, const char *path, struct error *err)
{
    struct store_backup *b = xcalloc(1, sizeof *b);
    b->s = s;
    b->path = xstrdup(path);
    if (open_copy(b, err)) return b;
    bool ours = b->copy != NULL;
    b->done = !ours; /* somebody's file stays */
    store_backup_end(b);
    return NULL;
}

static bool step_failed(struct store_backup *b, int code, struct error *err)
{
    return error_set(err, store_db_error_code(code), "copying %s to %s: %s", b->s->path, b->path,
                     sqlite3_errstr(code));
}

/* The pages of a database that keeps a log say so, and nobody could read them where no log can be
 * made: on a medium that is read only. */
static bool settle(struct store_backup *b, struct error *err)
{
    int code = sqlite3_backup_finish(b->run);
    b->run = NULL;
    if (code == SQLITE_OK)
        code = sqlite3_exec(b->copy, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
    return code == SQLITE_OK || step_failed(b, code, err);
}

bool store_backup_step(struct store_backup *b, int64_t budget_ns, bool *done_out, struct error *err)
{
    const int64_t until_ns = clock_now_ns() + budget_ns;
    int code = SQLITE_OK;
    *done_out = false;
    if (store_is_dirty(b->s))
        return error_set(err, ERROR_STATE, "a backup in the middle of a turn");
    do {
        code = sqlite3_backup_step(b->run, STEP_PAGES);
    } while (code == SQLITE_OK && clock_now_ns() < until_ns);
    if (code == SQLITE_DONE) {
        b->done = *done_out = settle(b, err);
        return b->done;
    }
    if (code == SQLITE_OK || code == SQLITE_BUSY || code == SQLITE_LOCKED) return true;
    return step_failed(b, code, err);
}

void store_backup_end(struct store_backup *b)
{
    if (b == NULL) return;
    sqlite3_backup_finish(b->run);
    sqlite3_close(b->copy);
    if (!b->done) unlink(b->path);
    free(b->path);
    free(b);
}

/* ---- a file that no store has open ---- */

static bool copy_pages(sqlite3 *from, sqlite3 *to, const char *path, struct error *err)
{
    sqlite3_backup *run = sqlite3_backup_init(to, "main", from, "main");
    int code = run != NULL ? sqlite3_backup_step(run, -1) : sqlite3_errcode(to);
    sqlite3_backup_finish(run);
    if (code == SQLITE_DONE) return true;
    return error_set(err, store_db_error_code(code), "%s: %s", path, sqlite3_errstr(code));
}

bool store_copy(const char *from, const char *to, struct error *err)
{
    sqlite3 *old = NULL, *new = NULL;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (access(from, R_OK) != 0) return error_set_errno(err, errno, "%s", from);
    bool ok = store_db_open_still(from, &old) == SQLITE_OK &&
              sqlite3_open_v2(to, &new, flags, NULL) == SQLITE_OK;
    if (!ok)
        error_set(err, ERROR_IO, "copying %s to %s: %s", from, to,
                  sqlite3_errmsg(new != NULL ? new : old));
    ok = ok && copy_pages(old, new, from, err);
    sqlite3_close(old);
    sqlite3_close(new);
    if (ok && chmod(to, 0600) != 0) ok = error_set_errno(err, errno, "%s", to);
    ok = ok && path_fsync_file(to, err);
    if (!ok) unlink(to);
    return ok;
}
