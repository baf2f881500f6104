#include "worker/engine_profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/xalloc.h"

static const char *const phase_names[ENGINE_PROFILE_PHASES] = {
    [ENGINE_PROFILE_OPEN] = "open",
    [ENGINE_PROFILE_ENCODE] = "encode",
    [ENGINE_PROFILE_STEPS] = "steps",
    [ENGINE_PROFILE_DECODE] = "decode",
};

void engine_profile_begin(struct engine_profile *p)
{
    memset(p, 0, sizeof *p);
    p->last_ns = clock_now_ns();
}

void engine_profile_lap(struct engine_profile *p, enum engine_profile_phase phase)
{
    const int64_t now = clock_now_ns();
    p->spent_ns[phase] += now - p->last_ns;
    p->last_ns = now;
}

/* This program's own: what getrusage calls so includes the program that started it. */
static json_int_t peak_rss_bytes(void)
{
    char line[128];
    long long kib = 0;
    FILE *file = fopen("/proc/self/status", "re");
    if (file == NULL) return 0;
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "VmHWM: %lld kB", &kib) == 1) break;
    fclose(file);
    return (json_int_t)kib * 1024;
}

static void add_bytes(json_t *bytes, const struct engine_memory *m)
{
    const struct {
        const char *name;
        size_t value;
    } rows[] = {{"stored", m->stored},   {"weights", m->weights}, {"transformed", m->transformed},
                {"tensors", m->tensors}, {"live", m->live},       {"workspace", m->workspace}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        json_object_set_new(bytes, rows[i].name, json_integer((json_int_t)rows[i].value));
    json_object_set_new(bytes, "rss_peak", json_integer(peak_rss_bytes()));
}

void engine_profile_print(const struct engine_profile *p, const struct engine_model *model)
{
    const struct engine_memory memory = engine_memory(model);
    json_t *bytes = json_object(), *seconds = json_object();
    add_bytes(bytes, &memory);
    for (int i = 0; i < ENGINE_PROFILE_PHASES; i++)
        json_object_set_new(seconds, phase_names[i], json_real((double)p->spent_ns[i] * 1e-9));
    json_t *all = json_pack("{s:{s:o, s:o}}", "profile", "bytes", bytes, "seconds", seconds);
    ZOE_ASSERT(all != NULL);
    char *text = json_dumps(all, JSON_COMPACT | JSON_REAL_PRECISION(4));
    fprintf(stderr, "%s\n", text != NULL ? text : "{}");
    free(text);
    json_decref(all);
}
