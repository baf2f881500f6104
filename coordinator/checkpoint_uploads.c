/* One entry an attempt whose checkpoint is on its way. */
#include "coordinator/checkpoint_uploads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log_pace.h"
#include "base/table.h"
#include "base/xalloc.h"
#include "coordinator/checks.h"
#include "coordinator/releases.h"
#include "coordinator/shell.h"
#include "coordinator/uploads.h"

struct arrival {
    struct checkpoint_uploads *owner;
    char name[UPLOADS_NAME_SIZE]; /* of the attempt */
    char *worker;
    struct attempt_key attempt;
    struct digest sha256;
    uint64_t size_bytes;
    uint32_t step;
    struct artifact_upload *file;
    bool sealing;
    bool sealed; /* stands under its digest, held */
};

struct checkpoint_uploads {
    struct coordinator *c;
    struct table entries;     /* name -> struct arrival */
    struct releases released; /* held until the turn that gave them up is committed */
    struct log_pace untaken, unwritten, unsealed;
};

#define FILE_NAME_SIZE (UPLOADS_NAME_SIZE + 24)

/* The step is part of it: an older one of the attempt may still be hashed. */
static void file_name(const struct arrival *a, char out[FILE_NAME_SIZE])
{
    (void)snprintf(out, FILE_NAME_SIZE, "%s.%u-%u", a->name, (unsigned)CHECKPOINT_OUTPUT, a->step);
}

bool checkpoint_uploads_is_upload(const char *upload)
{
    char mark[8];
    const char *dot = strrchr(upload, '.');
    (void)snprintf(mark, sizeof(mark), ".%u-", (unsigned)CHECKPOINT_OUTPUT);
    return dot != NULL && strncmp(dot, mark, strlen(mark)) == 0;
}

struct checkpoint_uploads *checkpoint_uploads_create(struct coordinator *c)
{
    struct checkpoint_uploads *u = xcalloc(1, sizeof(*u));
    u->c = c;
    table_init(&u->entries);
    return u;
}

void checkpoint_uploads_tick(struct checkpoint_uploads *u)
{
    releases_run(&u->released, u->c->artifacts);
}

int64_t checkpoint_uploads_next(const struct checkpoint_uploads *u)
{
    return u->released.count > 0 ? 0 : INT64_MAX;
}

static void free_arrival(struct arrival *a)
{
    artifact_upload_close(a->file, false);
    if (a->sealed) releases_add(&a->owner->released, &a->sha256);
    free(a->worker);
    free(a);
}

static void remove_arrival(struct arrival *a)
{
    (void)table_remove_text(&a->owner->entries, a->name);
    free_arrival(a);
}

void checkpoint_uploads_clear(struct checkpoint_uploads *u)
{
    struct arrival *a = NULL;
    for (size_t i = 0; (a = table_next(&u->entries, &i, NULL, NULL)) != NULL;)
        free_arrival(a);
    table_finish(&u->entries);
    table_init(&u->entries);
    checkpoint_uploads_tick(u);
}

void checkpoint_uploads_destroy(struct checkpoint_uploads *u)
{
    if (u == NULL) return;
    checkpoint_uploads_clear(u);
    table_finish(&u->entries);
    releases_finish(&u->released);
    free(u);
}

static struct arrival *find(const struct checkpoint_uploads *u, const char *worker,
                            const struct attempt_key *key)
{
    char name[UPLOADS_NAME_SIZE];
    uploads_name(worker, key, name);
    return table_get_text(&u->entries, name);
}

/* ---- arriving ---- */

/* The entry may be gone after it. */
static void tell(struct arrival *a, bool right)
{
    struct coordinator *c = a->owner->c;
    shell_stir(c);
    farm_checkpoint_uploaded(c->farm, a->worker, &a->attempt, right, shell_now(c));
}

static void on_sealed(void *context, const struct error *err)
{
    struct arrival *a = context;
    a->file = NULL;
    a->sealing = false;
    a->sealed = err == NULL;
    if (err != NULL)
        log_paced(&a->owner->unsealed, shell_now(a->owner->c), LOG_WARN,
                  "a checkpoint is given up name=%s: %s", a->name, err->message);
    tell(a, a->sealed);
}

static void go_on_if_complete(struct arrival *a)
{
    if (a->sealing || a->sealed || a->file == NULL) return;
    if (artifact_upload_offset(a->file) < a->size_bytes) return;
    a->sealing = true;
    artifact_upload_finish(a->file, on_sealed, a);
}

static bool open_file(struct arrival *a, struct error *err)
{
    char name[FILE_NAME_SIZE];
    struct coordinator *c = a->owner->c;
    file_name(a, name);
    artifacts_discard(c->artifacts, name);
    a->file = artifact_upload_open(c->artifacts, name, &a->sha256, a->size_bytes, err);
    return a->file != NULL;
}

static struct arrival *begin(struct checkpoint_uploads *u, const char *worker,
                             const struct farm_checkpoint *k)
{
    struct error err = {0};
    struct arrival *a = xcalloc(1, sizeof(*a));
    a->owner = u;
    a->worker = xstrdup(worker);
    a->attempt = k->attempt;
    a->sha256 = k->output.sha256;
    a->size_bytes = k->output.size_bytes;
    a->step = k->step;
    uploads_name(worker, &k->attempt, a->name);
    if (!open_file(a, &err)) {
        log_paced(&u->untaken, shell_now(u->c), LOG_WARN,
                  "a checkpoint cannot be taken name=%s: %s", a->name, err.message);
        free_arrival(a);
        return NULL;
    }
    (void)table_set_text(&u->entries, a->name, a);
    return a;
}

/* The same once more, or a newer one in its place. */
static struct arrival *take(struct checkpoint_uploads *u, const char *worker,
                            const struct farm_checkpoint *k)
{
    struct arrival *a = find(u, worker, &k->attempt);
    if (a != NULL && a->step == k->step && digest_equal(&a->sha256, &k->output.sha256)) return a;
    if (a != NULL) {
        checks_drop_checkpoint(u->c->checks, worker, &k->attempt);
        remove_arrival(a);
    }
    return begin(u, worker, k);
}

static bool was_answered(const struct effects *list, size_t before)
{
    for (size_t i = before; i < list->count; i++) {
        enum effect_kind kind = list->items[i].kind;
        if (kind == EFFECT_CHECKPOINT_SEEN || kind == EFFECT_DISCARD_CHECKPOINT) return true;
    }
    return false;
}

void checkpoint_uploads_offer(struct checkpoint_uploads *u, uint64_t session, const char *worker,
                              struct farm_checkpoint *k)
{
    struct coordinator *c = u->c;
    struct arrival *a = k->matches ? take(u, worker, k) : NULL;
    k->matches = a != NULL;
    if (a != NULL) {
        k->received = a->sealed ? a->size_bytes : 0;
        if (a->file != NULL) k->received = artifact_upload_offset(a->file);
    }
    size_t before = farm_effects(c->farm)->count;
    farm_checkpoint(c->farm, session, k, shell_now(c));
    if (a == NULL || was_answered(farm_effects(c->farm), before)) return;
    if (a->sealed)
        tell(a, true);
    else
        go_on_if_complete(a);
}

void checkpoint_uploads_chunk(struct checkpoint_uploads *u, uint64_t session, const char *worker,
                              const struct attempt_key *key, uint64_t offset, struct bytes payload)
{
    struct coordinator *c = u->c;
    struct arrival *a = find(u, worker, key);
    struct error err = {0};
    uint64_t from = 0, end = 0;
    if (a == NULL || a->file == NULL || a->sealing) return;
    if (!farm_upload_window(c->farm, session, key, CHECKPOINT_OUTPUT, &from, &end)) return;
    uint64_t chunk_end = offset + payload.size;
    if (offset > from || chunk_end <= from || chunk_end > end) return;
    if (!artifact_upload_write(a->file, offset, payload.data, payload.size, &err)) {
        log_paced(&u->unwritten, shell_now(c), LOG_WARN, "a checkpoint is given up name=%s: %s",
                  a->name, err.message);
        tell(a, false);
        return;
    }
    (void)farm_received(c->farm, session, key, CHECKPOINT_OUTPUT, chunk_end, shell_now(c));
    go_on_if_complete(a);
}

void checkpoint_uploads_end(struct checkpoint_uploads *u, const char *worker,
                            const struct attempt_key *key, uint32_t step)
{
    struct arrival *a = find(u, worker, key);
    if (a != NULL && (step == 0 || a->step == step)) remove_arrival(a);
}
