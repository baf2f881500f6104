#include "coordinator/memory_probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <uv.h>

#include "base/json.h"
#include "base/log.h"
#include "base/table.h"
#include "base/xalloc.h"
#include "coordinator/engine_child.h"

#define PROBES_MAX 16 /* a submission; each takes some tens of milliseconds */
#define PROBE_LIMIT_MS 10000

struct memory_book {
    uv_mutex_t lock;
    struct table known; /* wanted -> uint64_t, owned */
    int references;
};

struct wanted { /* without padding */
    struct digest model;
    int64_t width, height, frames;
};

struct memory_book *memory_book_create(void)
{
    struct memory_book *book = xcalloc(1, sizeof(*book));
    table_init(&book->known);
    int code = uv_mutex_init(&book->lock);
    ZOE_ASSERT(code == 0);
    book->references = 1;
    return book;
}

struct memory_book *memory_book_ref(struct memory_book *book)
{
    uv_mutex_lock(&book->lock);
    book->references++;
    uv_mutex_unlock(&book->lock);
    return book;
}

void memory_book_unref(struct memory_book *book)
{
    if (book == NULL) return;
    uv_mutex_lock(&book->lock);
    bool last = --book->references == 0;
    uv_mutex_unlock(&book->lock);
    if (!last) return;
    table_finish_all(&book->known);
    uv_mutex_destroy(&book->lock);
    free(book);
}

static bool look_up(struct memory_book *book, const struct wanted *w, uint64_t *out)
{
    uv_mutex_lock(&book->lock);
    const uint64_t *bytes = table_get(&book->known, w, sizeof(*w));
    if (bytes != NULL) *out = *bytes;
    uv_mutex_unlock(&book->lock);
    return bytes != NULL;
}

static void remember(struct memory_book *book, const struct wanted *w, uint64_t bytes)
{
    uint64_t *copy = xcalloc(1, sizeof(*copy));
    *copy = bytes;
    uv_mutex_lock(&book->lock);
    free(table_set(&book->known, w, sizeof(*w), copy));
    uv_mutex_unlock(&book->lock);
}

/* ---- asking ---- */

static bool read_peak(const struct buf *answer, uint64_t *out, struct error *err)
{
    int64_t peak = 0;
    json_t *facts = json_parse(buf_text(answer), answer->size, "zoe-engine estimate", err);
    bool ok = facts != NULL && json_get_int(json_object_get(facts, "memory"), "peak", &peak,
                                            "zoe-engine estimate", err);
    json_decref(facts);
    *out = peak > 0 ? (uint64_t)peak : 0;
    return ok;
}

static bool ask(const char *engine, const char *folder, const struct wanted *w, uint64_t *out,
                struct error *err)
{
    char size[48], frames[24];
    int status;
    struct buf answer = BUF_INIT;
    (void)snprintf(size, sizeof(size), "%lldx%lld", (long long)w->width, (long long)w->height);
    (void)snprintf(frames, sizeof(frames), "%lld", (long long)w->frames);
    const char *const arguments[] = {"zoe-engine", "estimate", "--model", folder,          "--size",
                                     size,         "--frames", frames,    "--memory-only", NULL};
    bool ok = engine_child_run(engine, arguments, PROBE_LIMIT_MS, &answer, &status, err);
    if (ok && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
        ok = error_set(err, ERROR_INVALID, "zoe-engine estimate ended with status %d", status);
    ok = ok && read_peak(&answer, out, err);
    buf_finish(&answer);
    return ok;
}

struct probing {
    struct memory_book *book;
    const struct model_list *models;
    const atomic_bool *stop;
    uint32_t left;
};

static uint64_t memory_of(struct probing *p, const char *model, const struct wanted *w)
{
    uint64_t bytes = 0;
    struct error err = {0};
    const struct model *m = model_list_find(p->models, model);
    if (look_up(p->book, w, &bytes) || m == NULL || p->left == 0 || atomic_load(p->stop))
        return bytes;
    p->left--;
    if (!ask(p->models->engine, m->folder, w, &bytes, &err))
        log_debug("no estimate of %s: %s", model, err.message);
    remember(p->book, w, bytes);
    return bytes;
}

void memory_book_fill(struct memory_book *book, const struct model_list *models,
                      const atomic_bool *stop, struct submit_result *result)
{
    struct probing p = {book, models, stop, PROBES_MAX};
    if (models == NULL || models->engine == NULL) return;
    for (uint32_t i = 0; i < result->group_count; i++) {
        struct submit_group *g = &result->groups[i];
        const int64_t window = g->plan.window > 0 ? g->plan.window : g->frames;
        const struct wanted first = {g->model_digest, g->width, g->height, window};
        const struct wanted second = {g->second_digest, g->second_width, g->second_height, window};
        g->memory_bytes = memory_of(&p, g->model, &first);
        if (g->second != NULL) g->second_memory_bytes = memory_of(&p, g->second, &second);
    }
}
