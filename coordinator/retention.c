#include "coordinator/retention.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "coordinator/publisher.h"
#include "coordinator/shell.h"

#define LOOK_SLICE 4096 /* batches of a look */
#define LOOK_MAX_NS (60 * NS_PER_S)
#define SOON_NS (100 * NS_PER_MS) /* between two removals, or two slices */
#define CLEAN_NS (5 * NS_PER_MS)  /* between two lots of rows */

/* ---- what was said ---- */

void retention_init(struct retention *r)
{
    table_init(&r->keeps);
}

void retention_finish(struct retention *r)
{
    table_finish_all(&r->keeps);
}

static void note(void *context, const char *batch, int64_t keep_s)
{
    struct retention *r = context;
    int64_t *keep = xcalloc(1, sizeof *keep);
    *keep = keep_s;
    free(table_set_text(&r->keeps, batch, keep));
    if (keep_s > 0 && (r->shortest_s == 0 || keep_s < r->shortest_s)) r->shortest_s = keep_s;
}

bool retention_load(struct coordinator *c, struct error *err)
{
    struct retention *r = &c->retention;
    table_finish_all(&r->keeps);
    r->shortest_s = c->options.keep_s;
    r->due_ns = 0;
    r->cursor = 0;
    return store_each_keep(c->store, note, r, err);
}

bool retention_keep(struct coordinator *c, const char *batch, int64_t keep_s)
{
    const int64_t *own = table_get_text(&c->retention.keeps, batch);
    if (own != NULL && *own == keep_s) return false;
    note(&c->retention, batch, keep_s);
    store_keep_save(c->store, batch, keep_s);
    c->retention.due_ns = 0;
    shell_stir(c);
    return true;
}

static int64_t keep_of(const struct coordinator *c, const char *batch)
{
    const int64_t *own = table_get_text(&c->retention.keeps, batch);
    return own != NULL ? *own : c->options.keep_s;
}

int64_t retention_goes_ms(const struct coordinator *c, const struct batch_info *info)
{
    const int64_t keep_s = keep_of(c, info->id);
    if (keep_s == 0 || info->finished_ms == 0 || !batch_state_is_terminal(info->state)) return 0;
    return info->finished_ms + keep_s * 1000;
}

/* ---- going on ---- */

static void resume_one(void *context, const char *batch, const char *folder)
{
    struct coordinator *c = context;
    struct error err = {0};
    log_info("the removal of batch %s goes on", batch);
    publisher_remove_batch(c->publisher, batch, folder);
    if (!prompts_remove(c->prompts, batch, &err)) log_warn("%s", err.message);
}

bool retention_resume(struct coordinator *c, struct error *err)
{
    return store_each_removal(c->store, resume_one, c, err);
}

/* ---- removing ---- */

/* One that is still publishing the last of it (canceled) goes a little later. */
static bool remove_one(struct coordinator *c, const struct batch_info *info)
{
    char id[ID_BATCH_SIZE], kept[64], words[128];
    struct error err = {0};
    clock_duration_text(keep_of(c, info->id) * NS_PER_S, kept, sizeof(kept));
    (void)snprintf(words, sizeof(words), "it was kept for %s after its end", kept);
    memcpy(id, info->id, sizeof(id));
    if (!farm_batch_remove(c->farm, id, &err)) return false;
    struct event_record event = {.kind = "batch.expired",
                                 .batch = id,
                                 .worker = "",
                                 .message = words,
                                 .at_ms = clock_wall_ms()};
    shell_event(c, &event);
    free(table_remove_text(&c->retention.keeps, id));
    return true;
}

/* True when there is more to look at now. */
static bool look(struct coordinator *c)
{
    struct retention *r = &c->retention;
    const int64_t wall_ms = clock_wall_ms();
    struct batch_info info;
    for (uint32_t i = 0; i < LOOK_SLICE; i++) {
        if (!farm_batch_at(c->farm, r->cursor, &info)) {
            r->cursor = 0;
            return false;
        }
        const int64_t goes_ms = retention_goes_ms(c, &info);
        if (goes_ms != 0 && goes_ms <= wall_ms && remove_one(c, &info)) return true;
        r->cursor++;
    }
    return true;
}

static int64_t pace(const struct retention *r)
{
    const int64_t tenth_ns = r->shortest_s < 600 ? r->shortest_s * (NS_PER_S / 10) : LOOK_MAX_NS;
    return tenth_ns > SOON_NS ? tenth_ns : SOON_NS;
}

void retention_tick(struct coordinator *c)
{
    struct retention *r = &c->retention;
    const int64_t now_ns = shell_now(c);
    if (c->unwell) return;
    r->cleaning = store_clean_some(c->store);
    if (r->cleaning) r->clean_ns = now_ns + CLEAN_NS;
    c->sweep_anew = c->sweep_anew || r->cleaning;
    if (r->shortest_s == 0 || now_ns < r->due_ns) return;
    r->due_ns = now_ns + (look(c) ? SOON_NS : pace(r));
}

int64_t retention_next(const struct coordinator *c)
{
    const struct retention *r = &c->retention;
    if (c->unwell) return INT64_MAX;
    int64_t next = r->shortest_s > 0 ? r->due_ns : INT64_MAX;
    return r->cleaning && r->clean_ns < next ? r->clean_ns : next;
}
