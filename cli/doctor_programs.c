/* The binaries beside each other, what decides the bits of a result, and the models. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "cli/child_output.h"
#include "cli/doctor.h"
#include "proto/limits.h"

#define ANSWER_BYTES ((size_t)1024 * 1024)
#define ARGUMENTS_MAX 8
#define INSTALL_FIX "install all programs of one version into one folder"

/* ---- asking ---- */

_Noreturn static void become(const char *path, const char *program, const char *const *arguments,
                             int out)
{
    char *copy[ARGUMENTS_MAX + 2] = {xstrdup(program)};
    for (int i = 0; arguments[i] != NULL && i < ARGUMENTS_MAX; i++)
        copy[i + 1] = xstrdup(arguments[i]);
    (void)dup2(out, 1);
    if (freopen("/dev/null", "w", stderr) == NULL) _exit(127);
    (void)execv(path, copy);
    _exit(127);
}

char *doctor_hear(const struct doctor *d, const char *program, const char *const *arguments)
{
    struct buf text = BUF_INIT;
    int ends[2], status = 0;
    char *path = path_join(d->bin, program);
    if (access(path, X_OK) == 0 && pipe(ends) == 0) {
        pid_t child = fork();
        if (child == 0) become(path, program, arguments, ends[1]);
        (void)close(ends[1]);
        if (child > 0) child_output_read(ends[0], ANSWER_BYTES, &text);
        (void)close(ends[0]);
        while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
        }
    }
    char *answer = xstrdup(buf_text(&text));
    answer[strcspn(answer, "\n")] = '\0';
    buf_finish(&text);
    free(path);
    return answer;
}

json_t *doctor_ask(const struct doctor *d, const char *program, const char *const *arguments)
{
    char *line = doctor_hear(d, program, arguments);
    json_t *answer = json_parse(line, strlen(line), program, NULL);
    free(line);
    return answer;
}

static const char *member(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

/* ---- programs ---- */

static void look_at_version(struct doctor *d, const char *program, const char *version)
{
    if (version[0] == '\0')
        DOCTOR_SAY(d, FAIL, "programs", program, INSTALL_FIX, "it is not in %s, or does not run",
                   d->bin);
    else if (strcmp(version, ZOE_VERSION) != 0)
        DOCTOR_SAY(d, FAIL, "programs", program, INSTALL_FIX, "version %s, but zoe is %s", version,
                   ZOE_VERSION);
}

static void look_at_worded(struct doctor *d, const char *program)
{
    static const char *const arguments[] = {"--version", NULL};
    char *line = doctor_hear(d, program, arguments);
    const char *space = strrchr(line, ' ');
    look_at_version(d, program, space != NULL ? space + 1 : "");
    free(line);
}

static void look_at_coordinator(struct doctor *d)
{
    static const char *const arguments[] = {"about", NULL};
    json_t *about = doctor_ask(d, "zoe-coordinator", arguments);
    look_at_version(d, "zoe-coordinator", member(about, "version"));
    const json_int_t min = json_integer_value(json_object_get(about, "protocol_min"));
    const json_int_t max = json_integer_value(json_object_get(about, "protocol_max"));
    if (about != NULL && (min != PROTOCOL_MIN || max != PROTOCOL_MAX))
        DOCTOR_SAY(d, FAIL, "programs", "zoe-coordinator", INSTALL_FIX,
                   "it speaks protocol %d to %d, zoe %d to %d", (int)min, (int)max, PROTOCOL_MIN,
                   PROTOCOL_MAX);
    json_decref(about);
}

static void look_at_media(struct doctor *d)
{
    static const char *const arguments[] = {"versions", NULL};
    json_t *about = doctor_ask(d, "zoe-media", arguments);
    look_at_version(d, "zoe-media", member(about, "version"));
    if (about != NULL && json_is_true(json_object_get(about, "h264")) &&
        json_is_true(json_object_get(about, "ffv1")))
        DOCTOR_SAY(d, OK, "media", "FFmpeg", NULL,
                   "libavcodec %s, libavformat %s with x264 and FFV1", member(about, "libavcodec"),
                   member(about, "libavformat"));
    else if (about != NULL)
        DOCTOR_SAY(d, FAIL, "media", "FFmpeg",
                   "install libavcodec with libx264 (deploy/packages.txt)",
                   "no encoder for H.264 (libx264), or no decoder for FFV1");
    json_decref(about);
}

static void look_at_engine(struct doctor *d)
{
    static const char *const arguments[] = {"fingerprint", NULL};
    json_t *about = doctor_ask(d, "zoe-engine", arguments);
    const char *fingerprint = member(about, "fingerprint");
    const char *core = getenv("OPENBLAS_CORETYPE");
    if (fingerprint[0] == '\0')
        DOCTOR_SAY(d, FAIL, "engine", "zoe-engine", INSTALL_FIX, "it does not say what it is");
    else if (strstr(fingerprint, "openblas") != NULL && strstr(fingerprint, "avx2") != NULL &&
             strstr(fingerprint, "Haswell") == NULL)
        DOCTOR_SAY(d, WARN, "engine", fingerprint,
                   core != NULL ? "unset OPENBLAS_CORETYPE" : "install libopenblas0-pthread",
                   "its results differ by bits from those of workers with OpenBLAS's Haswell core: "
                   "a clip stays on workers like this one");
    else
        DOCTOR_SAY(d, OK, "engine", fingerprint, NULL, "what decides the bits of a result here");
    json_decref(about);
}

void doctor_programs(struct doctor *d)
{
    const size_t before = d->findings.counts[FINDING_FAIL];
    look_at_coordinator(d);
    look_at_worded(d, "zoe-worker");
    look_at_worded(d, "zoe-engine");
    look_at_media(d);
    if (d->findings.counts[FINDING_FAIL] == before)
        DOCTOR_SAY(d, OK, "programs", d->bin, NULL, "all of version %s, protocol %d to %d",
                   ZOE_VERSION, PROTOCOL_MIN, PROTOCOL_MAX);
    look_at_engine(d);
}

/* ---- models ---- */

static void look_at_canary(struct doctor *d, const char *folder, const char *name)
{
    char *path = path_join(folder, "canary.json");
    if (!path_exists(path))
        DOCTOR_SAY(d, WARN, "models", name,
                   "`zoe model canary NAME`; without it workers are judged by what two agree on",
                   "it has no canary.json");
    free(path);
}

static bool look_at_model(struct doctor *d, const char *folder, const char *name)
{
    const char *const arguments[] = {"describe", "--model", folder, NULL};
    json_t *about = doctor_ask(d, "zoe-engine", arguments);
    const bool usable = about != NULL && json_is_string(json_object_get(about, "family"));
    if (!usable)
        DOCTOR_SAY(d, FAIL, "models", folder, "`zoe model verify NAME`; add it again",
                   "the engine cannot use it");
    else if (strcmp(member(about, "family"), "lora") != 0)
        look_at_canary(d, folder, name);
    json_decref(about);
    return usable;
}

static int look_at_models_in(struct doctor *d, const char *parent)
{
    char **names = NULL;
    size_t count = 0;
    int usable = 0;
    if (!path_list(parent, &names, &count, NULL)) return 0;
    for (size_t i = 0; i < count; i++) {
        char *folder = path_join(parent, names[i]);
        if (names[i][0] != '.' && path_is_folder(folder) && look_at_model(d, folder, names[i]))
            usable++;
        free(folder);
    }
    path_list_free(names, count);
    return usable;
}

void doctor_models(struct doctor *d)
{
    char *built_in = xasprintf("%s/../share/zoetrope/models", d->bin);
    char *pattern = path_join(built_in, "pattern");
    char *own = d->coordinator != NULL ? path_join(d->coordinator, "models") : NULL;
    int usable = look_at_models_in(d, built_in) + (own != NULL ? look_at_models_in(d, own) : 0);
    if (!path_is_folder(pattern))
        DOCTOR_SAY(d, FAIL, "models", pattern, INSTALL_FIX,
                   "the model `pattern` is missing: workers are admitted by it");
    else
        DOCTOR_SAY(d, OK, "models", built_in, NULL, "%d usable", usable);
    free(built_in);
    free(pattern);
    free(own);
}
