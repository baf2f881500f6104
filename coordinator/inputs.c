/* A transfer is receiving, being hashed, or being looked at by a zoe-media child. */
#include "coordinator/inputs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/disk.h"
#include "base/fault.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "coordinator/credit_window.h"
#include "coordinator/intake.h"
#include "coordinator/quota.h"
#include "coordinator/releases.h"
#include "coordinator/reply.h"
#include "coordinator/shell.h"
#include "proto/codec.h"

#define UPLOAD_PREFIX "input."
#define UPLOAD_NAME_SIZE 96
#define DEATHS_MAX 2         /* M1 */
#define INPUT_RESERVE_LOWS 4 /* times what is low */

enum input_state { RECEIVING, SEALING, CHECKING };

struct listener {
    zsock_peer peer;
    uint64_t request;
    uint8_t key[KEY_BYTES];
    struct listener *next;
};

struct transfer {
    struct inputs *all;
    struct transfer *next;
    enum input_state state;
    enum input_kind kind;
    char *owner;
    uint8_t opener[KEY_BYTES]; /* the sender's */
    struct digest sha256;
    char name[UPLOAD_NAME_SIZE];
    struct listener *listeners; /* the first sends */
    struct artifact_upload *upload;
    struct credit_window window;
    struct media_run *run;
    int deaths;
};

struct inputs {
    struct coordinator *c;
    struct transfer *first;
    int count;
    struct releases released; /* held until the turn that gave them up is committed */
};

bool inputs_is_upload(const char *upload)
{
    return strncmp(upload, UPLOAD_PREFIX, strlen(UPLOAD_PREFIX)) == 0;
}

/* ---- answers ---- */

static void say_problem(struct inputs *in, const struct listener *l, const struct error *err)
{
    (void)outbound_problem(&in->c->outbound, true, l->peer, l->request, err, OUTBOUND_COMMITTED);
    shell_stir(in->c);
}

static void say_credit(struct transfer *t, uint64_t offset, uint64_t size_bytes)
{
    struct reply memory;
    Farm__Credit m = FARM__CREDIT__INIT;
    if (t->listeners == NULL) return;
    reply_init(&memory);
    m.input = reply_digest(&memory, &t->sha256);
    m.offset = offset;
    m.size_bytes = size_bytes;
    (void)outbound_reply(&t->all->c->outbound, true, t->listeners->peer, t->listeners->request,
                         FARM__ENVELOPE__BODY_CREDIT, &m.base, OUTBOUND_ALWAYS);
    reply_finish(&memory);
    shell_stir(t->all->c);
}

/* ---- life of a transfer ---- */

static struct transfer *find(const struct inputs *in, const char *owner,
                             const struct digest *sha256)
{
    for (struct transfer *t = in->first; t != NULL; t = t->next)
        if (strcmp(t->owner, owner) == 0 && digest_equal(&t->sha256, sha256)) return t;
    return NULL;
}

static void withdraw(struct transfer *t)
{
    const uint64_t unused = credit_window_withdraw(&t->window);
    if (unused > 0) intake_give_back(t->all->c->intake, t->owner, unused);
}

static void free_transfer(struct transfer *t)
{
    while (t->listeners != NULL) {
        struct listener *l = t->listeners;
        t->listeners = l->next;
        free(l);
    }
    free(t->owner);
    free(t);
}

static void end_transfer(struct transfer *t)
{
    struct inputs *in = t->all;
    struct transfer **at = &in->first;
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    in->count--;
    withdraw(t);
    artifact_upload_close(t->upload, true);
    if (t->run != NULL) media_run_cancel(t->run);
    free_transfer(t);
}

/* Nobody else would ever remove it. */
static void drop_bytes(struct transfer *t)
{
    artifact_upload_close(t->upload, false);
    t->upload = NULL;
}

static void fail(struct transfer *t, const struct error *err)
{
    drop_bytes(t);
    for (const struct listener *l = t->listeners; l != NULL; l = l->next)
        say_problem(t->all, l, err);
    end_transfer(t);
}

/* ---- is it what it should be? ---- */

/* It may have been lost, and clips wait for it. */
struct arrived {
    struct coordinator *c;
    const struct digest *sha256;
};

static void wake(void *context, const char *batch)
{
    const struct arrived *a = context;
    farm_input_came(a->c->farm, batch, a->sha256);
}

static void wake_batches(struct coordinator *c, const struct digest *sha256)
{
    struct error err = {0};
    struct arrived arrived = {.c = c, .sha256 = sha256};
    if (!store_each_batch_of_input(c->store, sha256, wake, &arrived, &err))
        log_error("%s", err.message);
}

static bool keep(struct transfer *t, const json_t *report, struct error *err)
{
    struct coordinator *c = t->all->c;
    struct input_record r = {.sha256 = t->sha256,
                             .size_bytes = t->window.size_bytes,
                             .kind = t->kind,
                             .seen_ms = clock_wall_ms()};
    if (!shell_is_well(c, err) || !inputs_read_report(&r, report, err)) return false;
    fault_point("input.checked");
    store_input_add(c->store, &r);
    possessions_add(&c->possessions, t->owner, &t->sha256);
    wake_batches(c, &t->sha256);
    for (const struct listener *l = t->listeners; l != NULL; l = l->next)
        inputs_say_stored(c, l->peer, l->request, &r, false);
    return true;
}

static void look_at(struct transfer *t);

static void judge(struct transfer *t, const struct media_result *result, struct error *err)
{
    switch (result->outcome) {
    case MEDIA_OK:
        break;
    case MEDIA_REJECTED:
    case MEDIA_DIED:
        error_set(err, ERROR_REFUSED, "this file cannot be used: %s", result->message);
        return;
    case MEDIA_FULL:
        error_set(err, ERROR_FULL, "the file cannot be looked at now: %s", result->message);
        return;
    case MEDIA_FAILED:
        error_set(err, ERROR_IO, "the file cannot be looked at: %s", result->message);
        return;
    }
    (void)keep(t, result->report, err);
}

static void on_looked(void *context, const struct media_result *result)
{
    struct transfer *t = context;
    struct inputs *in = t->all;
    struct error err = {0};
    t->run = NULL;
    if (result->outcome == MEDIA_DIED && ++t->deaths < DEATHS_MAX) {
        look_at(t);
        return;
    }
    judge(t, result, &err);
    releases_add(&in->released, &t->sha256);
    shell_stir(in->c);
    if (err.code != ERROR_NONE)
        fail(t, &err);
    else
        end_transfer(t);
}

static void look_at(struct transfer *t)
{
    struct coordinator *c = t->all->c;
    char *path = artifacts_path(c->artifacts, &t->sha256);
    t->state = CHECKING;
    const struct media_latents latents = {.path = path != NULL ? path : ""};
    t->run = t->kind == INPUT_LATENTS ? media_latents_start(c->media, &latents, on_looked, t)
                                      : media_inspect_start(c->media, latents.path, on_looked, t);
    free(path);
}

static void on_sealed(void *context, const struct error *why)
{
    struct transfer *t = context;
    struct error err = {0};
    t->upload = NULL;
    shell_stir(t->all->c);
    if (why == NULL) {
        fault_point("input.sealed");
        look_at(t);
        return;
    }
    if (why->code == ERROR_INVALID)
        error_set(&err, ERROR_INVALID, "the file arrived with another SHA-256: send it again");
    else
        err = *why;
    fail(t, &err);
}

/* ---- receiving ---- */

/* Nothing more comes while the pool is empty or the disk is low; a tick goes on. */
static void grant(struct transfer *t)
{
    struct coordinator *c = t->all->c;
    const uint64_t from = t->window.granted, wanted = credit_window_wants(&t->window);
    if (wanted == 0 || t->listeners == NULL) return;
    uint64_t lent = intake_borrow(c->intake, t->owner, wanted, true);
    if (lent == 0) return;
    credit_window_lend(&t->window, lent, shell_now(c));
    say_credit(t, from, lent);
}

static void go_on(struct transfer *t)
{
    if (t->window.received == t->window.size_bytes) {
        t->state = SEALING;
        artifact_upload_finish(t->upload, on_sealed, t);
    } else {
        grant(t);
    }
}

static bool add_listener(struct transfer *t, const struct listener *asker)
{
    int crowd = 0;
    for (const struct listener *l = t->listeners; l != NULL; l = l->next) {
        if (l->peer == asker->peer && l->request == asker->request) return true;
        crowd++;
    }
    if (crowd >= SUBMIT_CROWD_MAX) return false;
    struct listener *l = xcalloc(1, sizeof(*l));
    *l = *asker;
    l->next = t->listeners;
    t->listeners = l;
    return true;
}

/* Another sends from now on: credit that an older one had is granted again from what is here. */
static void grant_anew(struct transfer *t)
{
    memcpy(t->opener, t->listeners->key, KEY_BYTES);
    withdraw(t);
    credit_window_open(&t->window, t->window.received, shell_now(t->all->c));
    grant(t);
}

/* The newest opener sends. */
static bool join(struct transfer *t, const struct listener *asker,
                 const struct input_record *wanted, struct error *err)
{
    if (t->kind != wanted->kind)
        return error_set(err, ERROR_REFUSED, "this file is on its way as another kind");
    if (t->window.size_bytes != wanted->size_bytes)
        return error_set(err, ERROR_REFUSED, "this file is on its way with another size");
    if (!add_listener(t, asker))
        return error_set(err, ERROR_REFUSED, "too many wait for this file: try again");
    if (t->state == RECEIVING) grant_anew(t);
    return true;
}

/* The whole digest: it is what the sender says, and two that begin alike are easily said. */
static void name_upload(struct transfer *t)
{
    char who[17], what[DIGEST_TEXT_SIZE];
    struct digest owner = digest_of(t->owner, strlen(t->owner));
    hex_encode(owner.bytes, 8, who);
    digest_text(&t->sha256, what);
    (void)snprintf(t->name, sizeof(t->name), UPLOAD_PREFIX "%s.%s", what, who);
}

static int count_of(const struct inputs *in, const char *owner)
{
    int count = 0;
    for (const struct transfer *t = in->first; t != NULL; t = t->next)
        count += strcmp(t->owner, owner) == 0;
    return count;
}

static bool has_place(const struct inputs *in, const char *owner, struct error *err)
{
    if (in->count >= INPUT_TRANSFERS_MAX)
        return error_set(err, ERROR_REFUSED, "too many files are on their way: try again");
    return count_of(in, owner) < INPUT_TRANSFERS_OWNER_MAX ||
           error_set(err, ERROR_REFUSED,
                     "too many files of this owner are on their way: try again");
}

static uint64_t on_their_way(const struct inputs *in)
{
    uint64_t bytes = 0;
    for (const struct transfer *t = in->first; t != NULL; t = t->next)
        bytes += t->window.size_bytes - t->window.received;
    return bytes;
}

/* Its bytes were lost, its row was not. */
static bool is_counted(const struct inputs *in, const char *owner, const struct digest *sha256)
{
    struct input_record row;
    return store_input(in->c->store, sha256, &row, NULL) && inputs_has(in->c, owner, sha256);
}

static bool owner_may(const struct inputs *in, const char *owner, const struct input_record *wanted,
                      struct error *err)
{
    uint64_t more = wanted->size_bytes;
    if (is_counted(in, owner, &wanted->sha256)) return true;
    for (const struct transfer *t = in->first; t != NULL; t = t->next)
        if (strcmp(t->owner, owner) == 0 && !is_counted(in, owner, &t->sha256))
            more += t->window.size_bytes;
    return quota_allows_file(in->c, owner, more, err);
}

/* All owners' files together must not be able to bring the disk so low that nobody's work goes on
 * (D1). */
static bool leaves_room(struct inputs *in, uint64_t size_bytes, struct error *err)
{
    uint64_t available = 0, total = 0;
    char size[32], kept[32];
    if (!artifacts_free(in->c->artifacts, &available, &total, NULL)) return true;
    const uint64_t reserve = INPUT_RESERVE_LOWS * disk_low_bytes(total);
    const uint64_t wanted = on_their_way(in) + size_bytes;
    if (available >= reserve && available - reserve >= wanted) return true;
    text_size(size_bytes, size, sizeof(size));
    text_size(reserve, kept, sizeof(kept));
    return error_set(err, ERROR_REFUSED,
                     "no room for a file of %s: the last %s of the farm's disk are kept for "
                     "results; free space there, or remove batches that are over",
                     size, kept);
}

static bool begin(struct inputs *in, const struct listener *asker, const char *owner,
                  const struct input_record *wanted, struct error *err)
{
    struct coordinator *c = in->c;
    if (!has_place(in, owner, err) || !owner_may(in, owner, wanted, err) ||
        !leaves_room(in, wanted->size_bytes, err))
        return false;
    struct transfer *t = xcalloc(1, sizeof(*t));
    *t = (struct transfer){.all = in,
                           .owner = xstrdup(owner),
                           .kind = wanted->kind,
                           .sha256 = wanted->sha256,
                           .window = {.size_bytes = wanted->size_bytes}};
    memcpy(t->opener, asker->key, KEY_BYTES);
    name_upload(t);
    t->upload = artifact_upload_open(c->artifacts, t->name, &t->sha256, wanted->size_bytes, err);
    if (t->upload == NULL) {
        free_transfer(t);
        return false;
    }
    credit_window_open(&t->window, artifact_upload_offset(t->upload), shell_now(c));
    t->next = in->first;
    in->first = t;
    in->count++;
    (void)add_listener(t, asker);
    go_on(t);
    return true;
}

static bool may_open(struct inputs *in, const Farm__InputOpen *open, enum input_kind *kind,
                     struct error *err)
{
    *kind = strcmp(open->kind, "latents") == 0 ? INPUT_LATENTS : INPUT_MEDIA;
    if (*kind == INPUT_MEDIA && open->kind[0] != '\0')
        return error_set(err, ERROR_INVALID, "there is no kind of input %.40s", open->kind);
    if (!shell_is_well(in->c, err)) return false;
    return !farm_disk_is_low(in->c->farm) ||
           error_set(err, ERROR_REFUSED,
                     "the farm's disk is almost full: nothing is accepted until space is freed");
}

static bool is_here(struct inputs *in, const struct input_record *wanted,
                    struct input_record *known)
{
    if (!inputs_find(in->c, &wanted->sha256, known)) return inputs_adopt(in->c, wanted, known);
    store_input_seen(in->c->store, &wanted->sha256, clock_wall_ms());
    return true;
}

void inputs_open(struct inputs *in, zsock_peer peer, uint64_t request,
                 const struct keyring_entry *sender, bool sees_all, const Farm__InputOpen *open)
{
    struct error err = {0};
    const char *owner = sender->name;
    struct listener asker = {.peer = peer, .request = request};
    struct input_record wanted = {.size_bytes = open->size_bytes}, known;
    memcpy(asker.key, sender->key, KEY_BYTES);
    (void)codec_digest_get(&open->sha256, &wanted.sha256);
    struct transfer *t = find(in, owner, &wanted.sha256);
    bool ok = may_open(in, open, &wanted.kind, &err);
    if (ok && t != NULL) {
        ok = join(t, &asker, &wanted, &err);
    } else if (ok && (sees_all || inputs_has(in->c, owner, &wanted.sha256)) &&
               is_here(in, &wanted, &known)) {
        wake_batches(in->c, &wanted.sha256);
        inputs_say_stored(in->c, peer, request, &known, true);
    } else if (ok) {
        ok = begin(in, &asker, owner, &wanted, &err);
    }
    if (!ok) say_problem(in, &asker, &err);
}

static bool is_sender(const struct transfer *t, zsock_peer peer)
{
    return t->state == RECEIVING && t->listeners != NULL && t->listeners->peer == peer;
}

void inputs_chunk(struct inputs *in, zsock_peer peer, uint64_t request, const char *owner,
                  const Farm__Chunk *chunk, struct bytes payload)
{
    struct error err = {0};
    struct digest sha256;
    (void)codec_digest_get(&chunk->input, &sha256);
    struct transfer *t = find(in, owner, &sha256);
    if (t == NULL || !is_sender(t, peer)) return;
    struct credit_window *w = &t->window;
    if (credit_window_wakes(w, chunk->offset, payload.size)) grant(t);
    if (!credit_window_fits(w, chunk->offset, payload.size)) {
        error_set(&err, ERROR_INVALID, "a chunk outside of what was granted");
        say_problem(in, &(struct listener){.peer = peer, .request = request}, &err);
        return;
    }
    uint64_t end = chunk->offset + payload.size;
    if (end <= w->received) return; /* a doubled one */
    if (!artifact_upload_write(t->upload, chunk->offset, payload.data, payload.size, &err)) {
        fail(t, &err);
        return;
    }
    intake_give_back(in->c->intake, owner, credit_window_take(w, end, shell_now(in->c)));
    fault_point("input.chunk");
    go_on(t);
}

/* Those of this peer or, when one is given, of this key. */
static void remove_listeners(struct transfer *t, zsock_peer peer, const uint8_t *key)
{
    for (struct listener **at = &t->listeners; *at != NULL;) {
        struct listener *l = *at;
        if (key != NULL ? !keys_equal(l->key, key) : l->peer != peer) {
            at = &l->next;
            continue;
        }
        *at = l->next;
        free(l);
    }
}

/* Who waits for a verdict says nothing meanwhile, and is told it all the same. */
void inputs_gone(struct inputs *in, zsock_peer peer)
{
    for (struct transfer *t = in->first; t != NULL; t = t->next)
        if (t->state == RECEIVING) remove_listeners(t, peer, NULL);
}

/* Neither its file nor its temporary stays, whatever it is at. */
static void abandon(struct transfer *t)
{
    if (t->state == CHECKING) releases_add(&t->all->released, &t->sha256);
    drop_bytes(t);
    end_transfer(t);
}

void inputs_expel(struct inputs *in, const uint8_t key[KEY_BYTES])
{
    for (struct transfer *t = in->first, *next; t != NULL; t = next) {
        next = t->next;
        remove_listeners(t, 0, key);
        if (!keys_equal(t->opener, key)) continue;
        if (t->listeners == NULL)
            abandon(t);
        else if (t->state == RECEIVING)
            grant_anew(t);
        else
            memcpy(t->opener, t->listeners->key, KEY_BYTES);
    }
}

void inputs_tick(struct inputs *in, int64_t now_ns)
{
    releases_run(&in->released, in->c->artifacts);
    for (struct transfer *t = in->first, *next; t != NULL; t = next) {
        next = t->next;
        if (t->state != RECEIVING) continue;
        if (credit_window_silent_ns(&t->window, now_ns) > SUBMIT_RESUME_NS) {
            struct error err;
            error_set(&err, ERROR_TIMEOUT, "the file stopped coming: send it again");
            fail(t, &err);
        } else if (credit_window_tires(&t->window, now_ns)) {
            withdraw(t); /* others can use it */
        } else {
            grant(t);
        }
    }
}

bool inputs_is_busy(const struct inputs *in)
{
    return in->count > 0 || in->released.count > 0;
}

/* ---- life ---- */

struct inputs *inputs_create(struct coordinator *c)
{
    struct inputs *in = xcalloc(1, sizeof(*in));
    in->c = c;
    return in;
}

void inputs_destroy(struct inputs *in)
{
    if (in == NULL) return;
    while (in->first != NULL)
        end_transfer(in->first);
    releases_run(&in->released, in->c->artifacts);
    releases_finish(&in->released);
    free(in);
}
