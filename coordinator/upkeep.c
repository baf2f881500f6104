#include "coordinator/upkeep.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/path.h"
#include "coordinator/tree.h"
#include "coordinator/upkeep_verbs.h"

char *upkeep_path(const struct upkeep *u, const char *name)
{
    return path_join(u->state, name);
}

/* ---- words ---- */

void upkeep_report(const struct upkeep *u, const char *schema, json_t *about, const char *words)
{
    if (u->json) {
        json_object_set_new(about, "schema", json_string(schema));
        json_object_set_new(about, "state", json_string(u->state));
        json_object_set_new(about, "findings", findings_json(&u->findings));
        char *text = json_pretty(about);
        (void)fputs(text, stdout);
        free(text);
    } else {
        findings_print(&u->findings, stdout, true, isatty(1) == 1);
        (void)printf("%s\n", words);
    }
    json_decref(about);
}

/* ---- a start ---- */

bool upkeep_may_start(const char *state, struct error *err)
{
    char **names = NULL;
    size_t count = 0;
    char *new = path_join(state, UPKEEP_NEW), *ready = path_join(state, UPKEEP_READY);
    char *database = path_join(state, UPKEEP_DATABASE);
    char *renders = path_join(state, "renders");
    struct stat info;
    bool ok = true;
    if (path_exists(new) || path_exists(ready))
        ok = error_set(err, ERROR_STATE,
                       "a restore or recover of %s was broken off: run it once more", state);
    else if ((stat(database, &info) != 0 || info.st_size == 0) &&
             tree_batches(renders, &names, &count, NULL) && count > 0)
        ok = error_set(err, ERROR_CORRUPT,
                       "%s is gone, but %zu batches stand in %s (to begin anew: move that away)",
                       database, count, renders);
    path_list_free(names, count);
    free(new);
    free(ready);
    free(database);
    free(renders);
    return ok;
}

void upkeep_advise(const char *state)
{
    (void)fprintf(stderr,
                  "zoe-coordinator: nothing that is published is lost. With a backup:\n"
                  "    zoe coordinator restore FILE --state %s\n"
                  "without one, from the published tree:\n"
                  "    zoe recover --state %s\n",
                  state, state);
}

/* ---- the command line ---- */

static const struct verb {
    const char *name;
    bool takes_file, looks_only;
    enum upkeep_need need;
    bool (*run)(struct upkeep *u, struct error *err);
    const char *help;
} verbs[] = {
    {"about", false, true, UPKEEP_NOTHING, upkeep_about,
     "zoe-coordinator about\n\n"
     "Prints this build's version, its range of protocol numbers and its schema, as JSON.\n"},
    {"check", false, true, UPKEEP_FARM, upkeep_check,
     "zoe-coordinator check --state DIR [--deep] [--json]\n\n"
     "Looks whether the database is whole, its rows make sense, and the files that it names are\n"
     "there. Changes nothing; the coordinator may run. Exit 0: all is well, 1: something is not,\n"
     "3: it is no coordinator's folder.\n"
     "  --deep     reads them from end to end: digests of stored and published files, prompts,\n"
     "             sidecars, batch.json\n"},
    {"restore", true, false, UPKEEP_FOLDER, upkeep_restore,
     "zoe-coordinator restore FILE --state DIR [--fast] [--paused] [--json]\n\n"
     "Puts a backup in the place of the database, which is kept beside it, and takes in what was\n"
     "published and submitted since. The coordinator must not run.\n"
     "  --fast     believes published files of the right size, without reading them\n"
     "  --paused   unfinished batches wait for `zoe batch resume`\n"},
    {"recover", false, false, UPKEEP_FARM, upkeep_recover,
     "zoe-coordinator recover --state DIR [--fast] [--paused] [--json]\n\n"
     "Makes a new database from the published tree: every batch with a batch.json, each clip that\n"
     "is published and whole; all others are rendered again. Keys of workers and clients are not\n"
     "in the tree: they are taken from the old database as far as it can be read.\n"
     "The old one is kept beside it. The coordinator must not run. Exit 3: no farm was ever "
     "there.\n"
     "  --fast     believes published files of the right size, without reading them\n"
     "  --paused   unfinished batches wait for `zoe batch resume`\n"},
};

static const struct option flags[] = {
    {"state", required_argument, NULL, 's'},
    {"deep", no_argument, NULL, 'd'},
    {"fast", no_argument, NULL, 'f'},
    {"paused", no_argument, NULL, 'p'},
    {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static bool take_flag(struct upkeep *u, int flag, const char **state, struct error *err)
{
    if (flag == 's') *state = optarg;
    if (flag == 'd') u->deep = true;
    if (flag == 'f') u->fast = true;
    if (flag == 'p') u->paused = true;
    if (flag == 'j') u->json = true;
    return strchr("sdfpj", flag) != NULL || error_set(err, ERROR_USAGE, "see --help");
}

static bool parse(struct upkeep *u, const struct verb *verb, int argc, char **argv, bool *help,
                  struct error *err)
{
    const char *state = NULL;
    for (int flag = 0; (flag = getopt_long(argc, argv, "", flags, NULL)) != -1;) {
        *help = *help || flag == 'h';
        if (flag != 'h' && !take_flag(u, flag, &state, err)) return false;
    }
    if (*help) return true;
    if (argc - optind != (verb->takes_file ? 1 : 0))
        return error_set(err, ERROR_USAGE, "%s",
                         verb->takes_file ? "the backup's FILE is needed, and one only"
                                          : "no argument is expected; see --help");
    if (verb->takes_file) u->file = argv[optind];
    if (verb->need == UPKEEP_NOTHING) return true;
    if (state == NULL) return error_set(err, ERROR_USAGE, "--state DIR is needed");
    return upkeep_open(u, state, verb->need, verb->looks_only, err);
}

int upkeep_main(int argc, char **argv)
{
    struct error err = {0};
    struct upkeep u = {.lock_fd = -1};
    const struct verb *verb = NULL;
    bool help = false;
    log_set_level(LOG_WARN);
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(argv[0], verbs[i].name) == 0) verb = &verbs[i];
    bool ok = verb != NULL ? parse(&u, verb, argc, argv, &help, &err)
                           : error_set(&err, ERROR_USAGE, "no command '%s'; see --help", argv[0]);
    if (ok && help) (void)fputs(verb->help, stdout);
    if (ok && !help) {
        err = (struct error){0};
        ok = verb->run(&u, &err);
    }
    if (!ok) (void)fprintf(stderr, "zoe-coordinator: %s\n", err.message);
    findings_finish(&u.findings);
    free(u.state);
    if (u.lock_fd >= 0) (void)close(u.lock_fd);
    return ok ? 0 : error_exit_code(err.code);
}
