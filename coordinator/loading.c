/* Rows to farm_load_*, in the order that farm.h asks for. */
#include "coordinator/loading.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/table.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "coordinator/canaries.h"
#include "coordinator/checkpoint_uploads.h"
#include "coordinator/inputs.h"
#include "coordinator/publisher.h"
#include "coordinator/retention.h"
#include "coordinator/shell.h"
#include "coordinator/uploads.h"

struct load {
    struct coordinator *c;
    struct farm *farm;
    struct catalog catalog;
    char (*unfinished)[ID_BATCH_SIZE]; /* batches whose pages are needed */
    size_t count;
    size_t capacity;
    const char *batch; /* whose pages are being read */
    bool ok;
    struct error err;
};

static void note(struct load *l, bool ok, const struct error *err)
{
    if (ok || !l->ok) return;
    l->ok = false;
    l->err = *err;
}

static void load_worker(void *context, const struct worker_record *record)
{
    struct load *l = context;
    struct error err = {0};
    note(l, farm_load_worker(l->farm, record, &err), &err);
}

static void remember(struct load *l, const char *batch)
{
    if (l->count == l->capacity) {
        l->capacity = l->capacity == 0 ? 64 : 2 * l->capacity;
        l->unfinished = xrealloc_array(l->unfinished, l->capacity, sizeof(*l->unfinished));
    }
    memcpy(l->unfinished[l->count++], batch, ID_BATCH_SIZE);
}

static void load_batch(void *context, const struct store_batch *batch,
                       const struct batch_record *record)
{
    struct load *l = context;
    struct error err = {0};
    note(l, farm_load_batch(l->farm, &batch->spec, record, &err), &err);
    catalog_set(&l->catalog, batch->spec.id, batch->folder, batch->key);
    if (record->state != BATCH_DONE) remember(l, batch->spec.id);
}

static void load_page(void *context, uint32_t index, const uint8_t *states, size_t size)
{
    struct load *l = context;
    struct error err = {0};
    uint8_t page[CLIPS_PER_PAGE] = {0};
    memcpy(page, states, size < sizeof(page) ? size : sizeof(page));
    note(l, farm_load_page(l->farm, l->batch, index, page, &err), &err);
}

static void load_task(void *context, const struct task_record *record)
{
    struct load *l = context;
    struct error err = {0};
    note(l, farm_load_task(l->farm, record, &err), &err);
}

static void load_attempt(void *context, const struct attempt_record *record)
{
    struct load *l = context;
    struct error err = {0};
    note(l, farm_load_attempt(l->farm, record, &err), &err);
}

static bool load_pages(struct load *l, struct error *err)
{
    for (size_t i = 0; i < l->count; i++) {
        l->batch = l->unfinished[i];
        if (!store_each_page(l->c->store, l->batch, load_page, l, err)) return false;
    }
    return true;
}

static bool load_rows(struct load *l, struct error *err)
{
    struct store *store = l->c->store;
    bool ok = store_each_worker(store, load_worker, l, err) &&
              store_each_batch(store, load_batch, l, err) && load_pages(l, err) &&
              store_each_open_task(store, load_task, l, err) &&
              store_each_live_attempt(store, load_attempt, l, err);
    if (ok && !l->ok) return error_set(err, l->err.code, "%s", l->err.message);
    return ok;
}

static uint32_t generation(struct coordinator *c)
{
    int64_t number = 0;
    char *text = store_meta(c->store, "generation");
    if (text != NULL) (void)text_parse_i64(text, 0, 32767, &number);
    free(text);
    return (uint32_t)number;
}

static struct farm *new_farm(struct coordinator *c)
{
    uint64_t wall = (uint64_t)clock_wall_ms();
    c->first_session = wall > c->first_session ? wall : c->first_session + UINT64_C(1000000);
    struct farm_config config = {.seed = id_random_u64(),
                                 .first_session = c->first_session,
                                 .generation = generation(c),
                                 .compare_one_in = c->options.compare_one_in};
    if (c->canary.count > 0) config.canary_answer = c->canary.answers[0].frames_sha256;
    struct farm *farm = farm_new(&config);
    canaries_tell(c, farm);
    return farm;
}

/* The core keeps shares for its life only. */
static void set_shares(struct coordinator *c)
{
    const struct owner_entry *owner = NULL;
    for (size_t i = 0; (owner = table_next(&c->owners.by_name, &i, NULL, NULL)) != NULL;) {
        if (owner->share > 0) farm_owner_share(c->farm, owner->name, owner->share, shell_now(c));
    }
}

bool loading_load(struct coordinator *c, struct error *err)
{
    struct load l = {.c = c, .ok = true};
    l.farm = new_farm(c);
    catalog_init(&l.catalog);
    farm_wall(l.farm, clock_wall_ms());
    bool ok = load_rows(&l, err);
    free(l.unfinished);
    if (!ok) {
        farm_free(l.farm);
        catalog_finish(&l.catalog);
        return error_wrap(err, "reading the farm's state");
    }
    if (c->farm != NULL) farm_free(c->farm);
    catalog_finish(&c->catalog);
    c->farm = l.farm;
    c->catalog = l.catalog;
    c->last_sequence = store_last_sequence(c->store);
    c->now_ns = 0;
    c->disk_seen_ns = 0;
    if (!retention_load(c, err)) return false;
    set_shares(c);
    farm_loaded(c->farm, shell_now(c));
    shell_stir(c);
    return true;
}

/* ---- recovery
 * ------------------------------------------------------------------------------------- */

struct claims {
    struct coordinator *c;
    struct table live; /* names of attempts that may resume */
};

static void claim(void *context, const struct attempt_record *record)
{
    struct claims *claims = context;
    char name[UPLOADS_NAME_SIZE];
    struct attempt_key key = {.task = record->task, .fence = record->worker_fence};
    uploads_name(record->worker, &key, name);
    (void)table_set_text(&claims->live, name, claims);
}

/* `upload` is an attempt's name with ".OUTPUT" behind it. */
static bool is_live(void *context, const char *upload)
{
    const struct claims *claims = context;
    if (inputs_is_upload(upload)) return true; /* until it is an hour old */
    if (checkpoint_uploads_is_upload(upload)) return false;
    const char *dot = strrchr(upload, '.');
    return dot != NULL && table_get(&claims->live, upload, (size_t)(dot - upload)) != NULL;
}

static void reopen_task(void *context, const struct output_record *output)
{
    struct coordinator *c = context;
    farm_output_missing(c->farm, &output->task, output->index == CHECKPOINT_OUTPUT, shell_now(c));
}

/* A3: a row with no file reopens its task. */
static void on_missing(void *context, const struct digest *digest)
{
    const struct claims *claims = context;
    struct error err = {0};
    char hex[DIGEST_TEXT_SIZE];
    digest_text(digest, hex);
    log_warn("a stored file is missing sha256=%s", hex);
    if (!store_each_use(claims->c->store, digest, reopen_task, claims->c, &err)) {
        log_error("%s", err.message);
    }
}

static bool batch_is_known(void *context, const char *batch)
{
    const struct coordinator *c = context;
    return catalog_folder(&c->catalog, batch) != NULL;
}

static const char *folder_of(void *context, const char *batch)
{
    const struct coordinator *c = context;
    return catalog_folder(&c->catalog, batch);
}

static bool recover_artifacts(struct coordinator *c, struct error *err)
{
    struct claims claims = {.c = c};
    table_init(&claims.live);
    struct artifacts_claims calls = {.context = &claims, .live = is_live, .missing = on_missing};
    bool ok = store_each_live_attempt(c->store, claim, &claims, err) &&
              artifacts_recover(c->artifacts, clock_wall_ms(), &calls, err);
    table_finish(&claims.live);
    return ok;
}

bool loading_recover(struct coordinator *c, struct error *err)
{
    if (!recover_artifacts(c, err)) return error_wrap(err, "tidying artifacts");
    if (!prompts_recover(c->prompts, batch_is_known, c, err)) {
        return error_wrap(err, "tidying prompts");
    }
    if (!publish_batch_recover(c->renders, folder_of, c, err)) {
        return error_wrap(err, "tidying %s", c->renders);
    }
    publisher_sweep(c->publisher);
    return retention_resume(c, err);
}
