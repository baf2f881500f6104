/* One entry an attempt that has offered something. */
#include "coordinator/uploads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/log_pace.h"
#include "base/table.h"
#include "base/xalloc.h"
#include "coordinator/checks.h"
#include "coordinator/offer_judge.h"
#include "coordinator/releases.h"
#include "coordinator/shell.h"

#define RETRY_NS (2 * NS_PER_S)

struct upload;
struct seal { /* which file a pool thread is hashing */
    struct upload *upload;
    uint32_t output;
};

struct upload {
    struct uploads *owner;
    char name[UPLOADS_NAME_SIZE];
    char *worker;
    char *fingerprint;
    uint64_t session;
    struct farm_offer offer; /* the last one; its fingerprint is ours, its row none */
    struct artifact_upload *files[LIMIT_OUTPUTS];
    bool sealed[LIMIT_OUTPUTS]; /* stands under its digest */
    bool sealing[LIMIT_OUTPUTS];
    bool wrong; /* some output had another digest */
    struct seal seals[LIMIT_OUTPUTS];
    int64_t retry_at_ns; /* the disk refused: offer anew; 0 = no */
};

struct uploads {
    struct coordinator *c;
    struct table entries;     /* name -> struct upload */
    struct releases released; /* held until the turn that gave them up is committed */
    struct log_pace held_up;
};

void uploads_name(const char *worker, const struct attempt_key *key, char out[UPLOADS_NAME_SIZE])
{
    char hash[17];
    struct digest d = digest_of(worker, strlen(worker));
    hex_encode(d.bytes, 8, hash);
    (void)snprintf(out, UPLOADS_NAME_SIZE, "%s.%u.%u.%016llx.%s", key->task.batch, key->task.clip,
                   key->task.task, (unsigned long long)key->fence, hash);
}

struct uploads *uploads_create(struct coordinator *c)
{
    struct uploads *u = xcalloc(1, sizeof(*u));
    u->c = c;
    table_init(&u->entries);
    return u;
}

static void close_files(struct upload *e, bool keep)
{
    for (uint32_t i = 0; i < LIMIT_OUTPUTS; i++) {
        artifact_upload_close(e->files[i], keep);
        e->files[i] = NULL;
        e->sealing[i] = false;
    }
}

static void free_upload(struct upload *e, bool keep)
{
    close_files(e, keep);
    for (uint32_t i = 0; i < e->offer.output_count; i++) {
        if (e->sealed[i]) releases_add(&e->owner->released, &e->offer.outputs[i].sha256);
    }
    free(e->worker);
    free(e->fingerprint);
    free(e);
}

void uploads_clear(struct uploads *u)
{
    struct upload *e = NULL;
    for (size_t i = 0; (e = table_next(&u->entries, &i, NULL, NULL)) != NULL;)
        free_upload(e, true);
    table_finish(&u->entries);
    table_init(&u->entries);
    releases_run(&u->released, u->c->artifacts);
}

void uploads_destroy(struct uploads *u)
{
    if (u == NULL) return;
    uploads_clear(u);
    table_finish(&u->entries);
    releases_finish(&u->released);
    free(u);
}

static struct upload *find(const struct uploads *u, const char *worker,
                           const struct attempt_key *key)
{
    char name[UPLOADS_NAME_SIZE];
    uploads_name(worker, key, name);
    return table_get_text(&u->entries, name);
}

static void remove_upload(struct uploads *u, struct upload *e, bool keep)
{
    (void)table_remove_text(&u->entries, e->name);
    free_upload(e, keep);
}

/* ---- files --------------------------------------------------------------------------------------
 */

#define FILE_NAME_SIZE (UPLOADS_NAME_SIZE + 12) /* a dot, ten digits, the end */

static void file_name(const struct upload *e, uint32_t output, char out[FILE_NAME_SIZE])
{
    (void)snprintf(out, FILE_NAME_SIZE, "%s.%u", e->name, output);
}

static bool open_file(struct upload *e, uint32_t output, struct error *err)
{
    if (e->files[output] != NULL) return true;
    char name[FILE_NAME_SIZE];
    const struct output *o = &e->offer.outputs[output];
    file_name(e, output, name);
    e->files[output] =
        artifact_upload_open(e->owner->c->artifacts, name, &o->sha256, o->size_bytes, err);
    return e->files[output] != NULL;
}

static uint64_t bytes_in(const struct upload *e, uint32_t output)
{
    if (e->sealed[output]) return e->offer.outputs[output].size_bytes;
    return e->files[output] != NULL ? artifact_upload_offset(e->files[output]) : 0;
}

static bool is_complete(const struct upload *e)
{
    for (uint32_t i = 0; i < e->offer.output_count; i++) {
        if (bytes_in(e, i) < e->offer.outputs[i].size_bytes) return false;
    }
    return true;
}

/* The bytes in flight are lost: the offer is made again when the disk may have recovered, and
 * credit starts anew at what stands on disk. */
static void disk_refused(struct upload *e, const struct error *err)
{
    struct coordinator *c = e->owner->c;
    log_paced(&e->owner->held_up, shell_now(c), LOG_WARN, "an upload is held up name=%s: %s",
              e->name, err->message);
    e->retry_at_ns = shell_now(c) + RETRY_NS;
    c->disk_seen_ns = 0;
    shell_stir(c);
}

/* ---- hashing ------------------------------------------------------------------------------------
 */

static void all_sealed(struct upload *e)
{
    struct coordinator *c = e->owner->c;
    for (uint32_t i = 0; i < e->offer.output_count; i++) {
        if (e->sealing[i]) return;
    }
    bool right = !e->wrong;
    for (uint32_t i = 0; right && i < e->offer.output_count; i++)
        right = e->sealed[i];
    if (!right && !e->wrong) { /* the disk refused one, perhaps while this one was hashed */
        if (e->retry_at_ns == 0) e->retry_at_ns = shell_now(c) + RETRY_NS;
        return;
    }
    e->wrong = false;
    farm_uploaded(c->farm, e->worker, &e->offer.attempt, right, shell_now(c));
}

/* The core thinks that all of it is here. The entry may be gone after it. */
static void lose(const struct upload *e)
{
    struct coordinator *c = e->owner->c;
    farm_upload_lost(c->farm, e->worker, &e->offer.attempt, shell_now(c));
}

static void on_sealed(void *context, const struct error *err)
{
    const struct seal *seal = context;
    struct upload *e = seal->upload;
    uint32_t i = seal->output;
    e->files[i] = NULL;
    e->sealing[i] = false;
    e->sealed[i] = err == NULL;
    shell_stir(e->owner->c);
    if (err != NULL && err->code != ERROR_INVALID) {
        disk_refused(e, err);
        lose(e);
        return;
    }
    if (err != NULL) e->wrong = true;
    all_sealed(e);
}

static void seal_files(struct upload *e)
{
    for (uint32_t i = 0; i < e->offer.output_count; i++) {
        if (e->sealed[i] || e->sealing[i] || e->files[i] == NULL) continue;
        e->seals[i] = (struct seal){e, i};
        e->sealing[i] = true;
        artifact_upload_finish(e->files[i], on_sealed, &e->seals[i]);
    }
}

static bool is_sealing(const struct upload *e)
{
    for (uint32_t i = 0; i < LIMIT_OUTPUTS; i++) {
        if (e->sealing[i]) return true;
    }
    return false;
}

static void go_on_if_complete(struct upload *e)
{
    if (is_sealing(e) || !is_complete(e)) return;
    seal_files(e);
    if (!is_sealing(e)) all_sealed(e);
}

/* ---- offers -------------------------------------------------------------------------------------
 */

static struct upload *take_entry(struct uploads *u, const char *worker,
                                 const struct farm_offer *offer)
{
    struct upload *e = find(u, worker, &offer->attempt);
    if (e != NULL && !outputs_are_same(e->offer.outputs, e->offer.output_count, offer->outputs,
                                       offer->output_count)) { /* it says something else now */
        remove_upload(u, e, false);
        e = NULL;
    }
    if (e == NULL) {
        e = xcalloc(1, sizeof(*e));
        e->owner = u;
        e->worker = xstrdup(worker);
        uploads_name(worker, &offer->attempt, e->name);
        (void)table_set_text(&u->entries, e->name, e);
    }
    free(e->fingerprint);
    e->fingerprint = xstrdup(offer->fingerprint);
    e->offer = *offer;
    e->offer.fingerprint = e->fingerprint;
    offer_unlink_rows(&e->offer);
    return e;
}

/* Whether the core sent it away or has it already: then nothing will be uploaded. */
static bool was_answered(const struct effects *list, size_t before)
{
    for (size_t i = before; i < list->count; i++) {
        enum effect_kind kind = list->items[i].kind;
        if (kind == EFFECT_STORED || kind == EFFECT_DROPPED) return true;
    }
    return false;
}

/* Files of a foreign offer are opened only to see what is there: nothing is made before a byte is
 * written. */
static bool ask_core(struct upload *e)
{
    struct coordinator *c = e->owner->c;
    struct error err = {0};
    struct farm_offer *offer = &e->offer;
    struct offer_rows rows;
    for (uint32_t i = 0; i < offer->output_count; i++) {
        if (!e->sealed[i] && !open_file(e, i, &err)) {
            disk_refused(e, &err);
            return false;
        }
        offer->received[i] = bytes_in(e, i);
    }
    size_t before = farm_effects(c->farm)->count;
    offer_link_rows(c, e->session, offer, &rows);
    farm_offer(c->farm, e->session, offer, shell_now(c));
    offer_unlink_rows(offer);
    return !was_answered(farm_effects(c->farm), before);
}

static void offer_again(struct upload *e)
{
    e->retry_at_ns = 0;
    if (is_sealing(e)) return; /* the answer is on its way */
    if (!ask_core(e)) {
        if (e->retry_at_ns == 0) remove_upload(e->owner, e, true);
        return;
    }
    go_on_if_complete(e);
}

void uploads_offer(struct uploads *u, uint64_t session, const char *worker,
                   struct farm_offer *offer)
{
    struct coordinator *c = u->c;
    if (farm_offer_differs(c->farm, worker, offer)) { /* what is judged keeps its files */
        farm_offer(c->farm, session, offer, shell_now(c));
        return;
    }
    struct upload *e = take_entry(u, worker, offer);
    e->session = session;
    offer_again(e);
}

void uploads_chunk(struct uploads *u, uint64_t session, const char *worker,
                   const struct attempt_key *key, uint32_t output, uint64_t offset,
                   struct bytes payload)
{
    struct coordinator *c = u->c;
    struct upload *e = find(u, worker, key);
    uint64_t from = 0;
    uint64_t end = 0;
    if (e == NULL || output >= e->offer.output_count || is_sealing(e) || e->retry_at_ns != 0)
        return;
    if (!farm_upload_window(c->farm, session, key, output, &from, &end)) return;
    uint64_t chunk_end = offset + payload.size;
    if (offset > from || chunk_end <= from || chunk_end > end) return;
    struct error err = {0};
    if (!open_file(e, output, &err) ||
        !artifact_upload_write(e->files[output], offset, payload.data, payload.size, &err)) {
        disk_refused(e, &err);
        return;
    }
    (void)farm_received(c->farm, session, key, output, chunk_end, shell_now(c));
    go_on_if_complete(e);
}

/* ---- ends
 * ----------------------------------------------------------------------------------------- */

void uploads_stored(struct uploads *u, const char *worker, const struct attempt_key *key)
{
    struct upload *e = find(u, worker, key);
    if (e != NULL) remove_upload(u, e, false);
}

/* An attempt that ended and was adopted anew in the same turn goes on with its files. */
void uploads_discard(struct uploads *u, const char *worker, const struct attempt_key *key)
{
    if (farm_has_upload(u->c->farm, worker, key)) return;
    checks_drop(u->c->checks, worker, key);
    struct upload *e = find(u, worker, key);
    if (e != NULL) remove_upload(u, e, false);
    char name[UPLOADS_NAME_SIZE];
    uploads_name(worker, key, name);
    for (uint32_t i = 0; i < LIMIT_OUTPUTS; i++) {
        char *file = xasprintf("%s.%u", name, i);
        artifacts_discard(u->c->artifacts, file);
        free(file);
    }
}

void uploads_tick(struct uploads *u, int64_t now_ns)
{
    struct upload *e = NULL;
    releases_run(&u->released, u->c->artifacts);
    for (size_t i = 0; (e = table_next(&u->entries, &i, NULL, NULL)) != NULL;) {
        if (e->retry_at_ns != 0 && e->retry_at_ns <= now_ns) offer_again(e);
    }
}

int64_t uploads_next(const struct uploads *u)
{
    int64_t next_ns = INT64_MAX;
    const struct upload *e = NULL;
    if (u->released.count > 0) return 0;
    for (size_t i = 0; (e = table_next(&u->entries, &i, NULL, NULL)) != NULL;) {
        if (e->retry_at_ns != 0 && e->retry_at_ns < next_ns) next_ns = e->retry_at_ns;
    }
    return next_ns;
}
