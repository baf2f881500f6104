/* zoe coordinator backup|restore|check, zoe recover: the coordinator's database. A backup is asked
 * of the running coordinator; the rest is done by `zoe-coordinator`, which alone knows the
 * database.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/embedded.h"
#include "cli/output.h"

#define BACKUP_LIMIT_NS (24 * 3600 * NS_PER_S)

/* ---- backup ---- */

/* The coordinator has a working folder of its own. */
static char *whole_path(const char *file, struct error *err)
{
    char here[PATH_MAX];
    if (file[0] == '/') return xstrdup(file);
    if (getcwd(here, sizeof here) != NULL) return path_join(here, file);
    error_set_errno(err, errno, "the working folder is not known");
    return NULL;
}

static struct message *ask_for_backup(struct zclient *client, char *path, int64_t limit_ns,
                                      struct error *err)
{
    Farm__BackupWanted body = FARM__BACKUP_WANTED__INIT;
    Farm__Envelope request = FARM__ENVELOPE__INIT;
    body.path = path;
    request.body_case = FARM__ENVELOPE__BODY_BACKUP_WANTED;
    request.backup_wanted = &body;
    return zclient_ask(client, &request, FARM__ENVELOPE__BODY_BACKUP_MADE, limit_ns, err);
}

static void print_backup(const struct call *call, const Farm__BackupMade *made)
{
    char size[32];
    text_size(made->size_bytes, size, sizeof size);
    if (call->json)
        output_print(json_pack("{sssIsI}", "file", made->path, "size_bytes",
                               (json_int_t)made->size_bytes, "took_ms", (json_int_t)made->took_ms),
                     "zoe.backup.v1");
    else if (call->quiet)
        puts(made->path);
    else
        fprintf(stderr,
                "%s: %s in %.1f s. It is the database alone: copy prompts/, keys/ and renders/ of "
                "the state folder too\n",
                made->path, size, (double)made->took_ms / 1000);
}

static int run_backup(struct call *call)
{
    struct error err = {0};
    int64_t limit_ns = BACKUP_LIMIT_NS;
    char *path = whole_path(call->arguments[0], &err);
    bool ok = path != NULL && call_duration(call, "timeout", &limit_ns, &err);
    struct zclient *client = ok ? client_connect(call, TARGET_START_IF_FOLDER, &err) : NULL;
    struct message *made = client ? ask_for_backup(client, path, limit_ns, &err) : NULL;
    if (made) print_backup(call, made->envelope->backup_made);
    int code = made ? 0 : call_fail(call, &err);
    if (made) message_free(made);
    if (client) zclient_close(client);
    free(path);
    return code;
}

/* ---- what zoe-coordinator does ---- */

/* --state names a coordinator's folder or that of `zoe farm up`, whose coordinator's is inside. */
static char *state_folder(const struct call *call, struct error *err)
{
    char *folder = embedded_folder(call, err);
    char *inside = folder ? path_join(folder, "coordinator") : NULL;
    if (inside && path_is_folder(inside)) {
        free(folder);
        return inside;
    }
    free(inside);
    return folder;
}

/* Its output and its exit code are ours. */
static int become_coordinator(struct call *call, const char *verb)
{
    static const char *const switches[] = {"deep", "fast", "paused", "json"};
    struct error err = {0};
    char *arguments[12], words[4][16];
    int count = 0;
    char *bin = path_own_folder();
    char *program = path_join(bin, "zoe-coordinator");
    char *state = state_folder(call, &err);
    if (state == NULL) return call_fail(call, &err);
    arguments[count++] = xstrdup("zoe-coordinator");
    arguments[count++] = xstrdup(verb);
    for (int i = 0; i < call->argument_count; i++)
        arguments[count++] = xstrdup(call->arguments[i]);
    arguments[count++] = xstrdup("--state");
    arguments[count++] = state;
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++) {
        if (!call_has(call, switches[i])) continue;
        snprintf(words[i], sizeof words[i], "--%s", switches[i]);
        arguments[count++] = words[i];
    }
    arguments[count] = NULL;
    fflush(stdout);
    execv(program, arguments);
    error_set_errno(&err, errno, "cannot run %s", program);
    return call_fail(call, &err);
}

static int run_restore(struct call *call)
{
    return become_coordinator(call, "restore");
}

static int run_check(struct call *call)
{
    return become_coordinator(call, "check");
}

static int run_recover(struct call *call)
{
    return become_coordinator(call, "recover");
}

static const struct option CHECK_OPTIONS[] = {
    {"deep", 0, NULL, "compare the bytes of every file with its digest"}, {0}};
static const struct option REBUILD_OPTIONS[] = {
    {"fast", 0, NULL, "believe published files of the right size, without reading them"},
    {"paused", 0, NULL, "unfinished batches wait for `zoe batch resume`"},
    {0}};

const struct command command_coordinator_backup = {
    "coordinator",
    "backup",
    "FILE",
    1,
    1,
    "copy the database while the farm works",
    "FILE is a new file on the coordinator's machine. The copy is whole and checked when the "
    "command ends; heartbeats and results go on meanwhile. prompts/, keys/ and renders/ of the "
    "state folder are plain files that never change once they are there: copy them too.",
    NULL,
    run_backup,
    false};
const struct command command_coordinator_restore = {
    "coordinator",
    "restore",
    "FILE",
    1,
    1,
    "put a backup in the place of the database",
    "The coordinator must not run. The old database stays beside the new one. What was published "
    "or submitted since the backup is taken in from the published tree, and results of attempts "
    "that the backup does not know are told apart.",
    REBUILD_OPTIONS,
    run_restore,
    false};
const struct command command_coordinator_check = {
    "coordinator",
    "check",
    "",
    0,
    0,
    "look whether the state folder is as it should be",
    "The database's pages, its rows against each other, and the files that they name. Changes "
    "nothing; the coordinator may run. Exit 1 when something is wrong, 3 when DIR is no "
    "coordinator's folder.",
    CHECK_OPTIONS,
    run_check,
    false};
const struct command command_recover = {
    "recover",
    NULL,
    "",
    0,
    0,
    "rebuild the database from the published tree",
    "For a database that is lost or damaged, without a backup. Every batch with a batch.json is "
    "taken in, each clip that is published and whole stays, all others are rendered again. Keys "
    "are taken from the old database as far as it can be read. The coordinator must not run.",
    REBUILD_OPTIONS,
    run_recover,
    false};
