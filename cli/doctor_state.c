/* Keys, and what lies in a state folder. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "cli/doctor.h"
#include "proto/keys.h"

#define HEADER_BYTES 100
#define VERSION_AT 60 /* user_version in a database's header, big-endian */
#define MANY_RESULTS 10

/* ---- keys ---- */

static void look_at_mode(struct doctor *d, const char *path, const struct stat *info, mode_t mode)
{
    char fix[64];
    (void)snprintf(fix, sizeof fix, "chmod %03o", (unsigned)mode);
    if ((info->st_mode & 077) != 0)
        DOCTOR_SAY(d, FAIL, "keys", path, fix, "others may read it (mode %03o)",
                   (unsigned)info->st_mode & 0777);
    if (info->st_uid != geteuid() && geteuid() != 0)
        DOCTOR_SAY(d, WARN, "keys", path, "run zoe as its owner, or give it to this user (chown)",
                   "it belongs to user %u, we are %u", (unsigned)info->st_uid, (unsigned)geteuid());
}

/* True when it is there. */
static bool look_at_key(struct doctor *d, const char *folder, const char *name)
{
    struct stat info;
    struct key_pair keys;
    struct error err = {0};
    char *path = path_join(folder, name);
    const bool there = stat(path, &info) == 0;
    if (there) look_at_mode(d, path, &info, 0600);
    const bool open_to_all = there && (info.st_mode & 077) != 0; /* that is said, and no load */
    if (there && !open_to_all && !keys_load(path, &keys, &err))
        DOCTOR_SAY(d, FAIL, "keys", path,
                   "put it back from a copy; a new one has to be allowed again", "%s", err.message);
    else if (there && !open_to_all)
        keys_wipe(&keys);
    free(path);
    return there;
}

void doctor_keys(struct doctor *d)
{
    const size_t before = d->findings.counts[FINDING_FAIL] + d->findings.counts[FINDING_WARN];
    struct stat info;
    int count = 0;
    char *config = path_user_config("zoetrope", NULL);
    if (config != NULL) count += look_at_key(d, config, "client.key");
    if (d->coordinator != NULL) {
        char *folder = path_join(d->coordinator, "keys");
        if (stat(folder, &info) == 0) look_at_mode(d, folder, &info, 0700);
        count += look_at_key(d, folder, "server.key");
        count += look_at_key(d, folder, "admin.key");
        free(folder);
    }
    if (d->worker != NULL) count += look_at_key(d, d->worker, "worker.key");
    if (count > 0 && d->findings.counts[FINDING_FAIL] + d->findings.counts[FINDING_WARN] == before)
        DOCTOR_SAY(d, OK, "keys", "", NULL, "%d secret keys, read by their owner alone", count);
    free(config);
}

/* ---- the coordinator's folder ---- */

static bool is_held(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool held = flock(fd, LOCK_SH | LOCK_NB) != 0;
    (void)close(fd);
    return held;
}

#define IN_LOG (-2) /* a young one: all of it is still in its log */

static int schema_of(const char *path)
{
    unsigned char header[HEADER_BYTES];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    const ssize_t got = read(fd, header, sizeof header);
    (void)close(fd);
    if (got == 0) return IN_LOG;
    if (got != HEADER_BYTES || memcmp(header, "SQLite format 3", 16) != 0) return 0;
    const unsigned char *at = header + VERSION_AT;
    const int version =
        (int)((unsigned)at[0] << 24 | (unsigned)at[1] << 16 | (unsigned)at[2] << 8 | at[3]);
    return version != 0 ? version : IN_LOG;
}

static void look_at_schema(struct doctor *d)
{
    static const char *const arguments[] = {"about", NULL};
    char *path = path_join(d->coordinator, "farm.db");
    json_t *about = doctor_ask(d, "zoe-coordinator", arguments);
    const int ours = (int)json_integer_value(json_object_get(about, "database"));
    const int schema = schema_of(path);
    if (schema == IN_LOG)
        DOCTOR_SAY(d, OK, "state", path, NULL, "all of it is still in its log");
    else if (schema < 0)
        DOCTOR_SAY(d, WARN, "state", path,
                   "nothing, if no coordinator ever ran here; else `zoe "
                   "recover --state DIR`",
                   "there is no database");
    else if (schema == 0)
        DOCTOR_SAY(d, FAIL, "state", path,
                   "`zoe coordinator restore FILE --state DIR` or `zoe recover --state DIR`",
                   "it is no database any more");
    else if (ours > 0 && schema > ours)
        DOCTOR_SAY(d, FAIL, "state", path,
                   "start the newer build, or go back: `zoe coordinator restore farm.db.vN`",
                   "schema %d, this build knows up to %d", schema, ours);
    else
        DOCTOR_SAY(d, OK, "state", path, NULL, "schema %d%s", schema,
                   schema < ours ? "; the next start raises it" : "");
    json_decref(about);
    free(path);
}

static size_t count_in(const char *folder, const char *beginning)
{
    char **names = NULL;
    size_t count = 0, found = 0;
    if (!path_list(folder, &names, &count, NULL)) return 0;
    for (size_t i = 0; i < count; i++)
        if (strncmp(names[i], beginning, strlen(beginning)) == 0) found++;
    path_list_free(names, count);
    return found;
}

static void look_for_broken_off(struct doctor *d, const char *name)
{
    char *path = path_join(d->coordinator, name);
    if (path_exists(path))
        DOCTOR_SAY(d, FAIL, "state", path, "run the restore or recover once more",
                   "it was broken off: no coordinator starts");
    free(path);
}

static void look_at_leftovers(struct doctor *d, bool running)
{
    char *renders = path_join(d->coordinator, "renders");
    const size_t old = count_in(d->coordinator, "farm.db.old-");
    const size_t hidden = running ? 0 : count_in(renders, ".tmp-");
    look_for_broken_off(d, "farm.db.new");
    look_for_broken_off(d, "farm.db.ready");
    if (old > 0)
        DOCTOR_SAY(d, OK, "state", d->coordinator, NULL,
                   "%zu replaced databases (farm.db.old-TIME) may be deleted", old);
    if (hidden > 0)
        DOCTOR_SAY(d, OK, "state", renders, NULL,
                   "%zu folders that the next start finishes or removes", hidden);
    free(renders);
}

static void look_at_coordinator(struct doctor *d)
{
    char *lock = path_join(d->coordinator, "coordinator.lock");
    const bool running = is_held(lock);
    DOCTOR_SAY(d, OK, "state", d->coordinator, NULL, "a coordinator %s on it",
               running ? "runs" : "does not run");
    look_at_schema(d);
    look_at_leftovers(d, running);
    free(lock);
}

static void look_at_worker(struct doctor *d)
{
    char *outbox = path_join(d->worker, "outbox");
    DOCTOR_SAY(d, OK, "state", d->worker, NULL, "it is a worker's folder");
    char **names = NULL;
    size_t count = 0, results = 0;
    (void)path_list(outbox, &names, &count, NULL);
    for (size_t i = 0; i < count; i++)
        if (strstr(names[i], ".json") != NULL) results++;
    path_list_free(names, count);
    if (results >= MANY_RESULTS)
        DOCTOR_SAY(d, WARN, "state", outbox, "see that its coordinator is reached and has room",
                   "%zu finished results wait to be handed over", results);
    else
        DOCTOR_SAY(d, OK, "state", outbox, NULL, "%zu finished results wait to be handed over",
                   results);
    free(outbox);
}

/* A folder that was named is a mistake when it is not there; an empty one may be made for a farm.
 */
static void look_at_none(struct doctor *d)
{
    const char *named = call_option(d->call, "state");
    if (named == NULL)
        DOCTOR_SAY(d, OK, "state", d->folder != NULL ? d->folder : "", NULL,
                   "no farm has its state on this machine (or name it with --state DIR)");
    else if (path_is_folder(named))
        DOCTOR_SAY(d, OK, "state", named, NULL, "no farm was ever here");
    else
        DOCTOR_SAY(d, FAIL, "state", named, "name the folder of a coordinator or a worker",
                   "there is no such folder");
}

void doctor_state(struct doctor *d)
{
    if (d->coordinator != NULL) look_at_coordinator(d);
    if (d->worker != NULL) look_at_worker(d);
    if (d->coordinator == NULL && d->worker == NULL) look_at_none(d);
}
