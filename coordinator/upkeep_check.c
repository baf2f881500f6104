/* check: the database, its rows, the files that they name; about: what this build is. */
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/path.h"
#include "coordinator/migrate.h"
#include "coordinator/state_check.h"
#include "coordinator/store_check.h"
#include "coordinator/upkeep_verbs.h"
#include "proto/limits.h"

static void check_rows(struct upkeep *u, const char *path)
{
    struct error err = {0};
    struct store *s = store_open_reading(path, &err);
    if (s == NULL) {
        const bool newer = err.code == ERROR_VERSION;
        findings_add(&u->findings, newer ? FINDING_WARN : FINDING_FAIL, "database", path,
                     newer ? "start its own build, or the coordinator of this one, which raises it"
                           : "`zoe coordinator restore FILE --state DIR` or `zoe recover`",
                     "its rows were not looked at: %s", err.message);
        return;
    }
    struct state_check options = {.state = u->state, .deep = u->deep};
    store_check_rows(s, &u->findings);
    state_check_files(&options, s, &u->findings);
    store_close(s);
}

bool upkeep_check(struct upkeep *u, struct error *err)
{
    char words[128];
    char *path = upkeep_path(u, UPKEEP_DATABASE);
    if (!path_exists(path))
        findings_add(&u->findings, FINDING_FAIL, "database", path,
                     "`zoe coordinator restore FILE --state DIR` or `zoe recover --state DIR`",
                     "there is none");
    else if (store_check_pages(path, u->running && !u->deep, &u->findings))
        check_rows(u, path);
    free(path);
    const size_t failed = u->findings.counts[FINDING_FAIL];
    (void)snprintf(words, sizeof words, "%zu thing%s wrong%s", failed,
                   failed == 1 ? " is" : "s are", u->running ? " (the coordinator runs)" : "");
    upkeep_report(u, "zoe.check.v1",
                  json_pack("{sbsb}", "sound", failed == 0, "running", u->running),
                  failed > 0 ? words : "all is well");
    return failed == 0 || error_set(err, ERROR_FAILED, "%s is not as it should be", u->state);
}

bool upkeep_about(struct upkeep *u, struct error *err)
{
    int schema = 0;
    (void)u;
    (void)err;
    (void)migrate_steps(&schema);
    json_t *about =
        json_pack("{sssssisisi}", "schema", "zoe.about.v1", "version", ZOE_VERSION, "protocol_min",
                  PROTOCOL_MIN, "protocol_max", PROTOCOL_MAX, "database", schema);
    char *line = json_line(about);
    (void)printf("%s\n", line);
    free(line);
    json_decref(about);
    return true;
}
