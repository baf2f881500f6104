/* Callbacks of the transfers: what is known, credit, acceptance, answers. */
#include "coordinator/intake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mutation.h"
#include "base/path.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "coordinator/canaries.h"
#include "coordinator/inputs.h"
#include "coordinator/intake_answer.h"
#include "coordinator/loans.h"
#include "coordinator/quota.h"
#include "coordinator/rebuild.h"
#include "coordinator/reply.h"
#include "coordinator/shell.h"
#include "proto/codec.h"

#define TICK_NS NS_PER_S
#define DRY_RUN_ALWAYS_BYTES (1024 * 1024) /* on an almost full disk, too: they go at once */
#define DISK_LOW_WORDS "the farm's disk is almost full: nothing is accepted until space is freed"

struct accepted { /* in this turn, not yet committed */
    struct accepted *next;
    struct submit_transfer *transfer;
    char batch[ID_BATCH_SIZE];
};

struct opening { /* waits for the model scan */
    struct opening *next;
    struct submit_request wanted; /* a copy */
};

struct intake {
    struct coordinator *c;
    struct submit_transfers *transfers;
    struct inputs *inputs;
    struct accepted *accepted;
    struct opening *openings;
    int opening_count;
    int64_t ticked_ns;
    struct loans loans;
};

/* ---- answers ------------------------------------------------------------------------------------
 */

static void send_problem(struct coordinator *c, zsock_peer peer, uint64_t request,
                         const struct error *err)
{
    (void)outbound_problem(&c->outbound, true, peer, request, err, OUTBOUND_COMMITTED);
    shell_stir(c);
}

static void on_answer(void *context, const struct submit_answer *a)
{
    struct intake *in = context;
    intake_answer(in->c, a);
}

static void on_credit(void *context, uint64_t client, uint64_t request, const char *key,
                      uint64_t offset, uint64_t size_bytes)
{
    struct intake *in = context;
    struct reply r;
    Farm__Credit m = FARM__CREDIT__INIT;
    reply_init(&r);
    m.key = reply_name(&r, key, LIMIT_KEY_BYTES);
    m.offset = offset;
    m.size_bytes = size_bytes;
    (void)outbound_reply(&in->c->outbound, true, client, request, FARM__ENVELOPE__BODY_CREDIT,
                         &m.base, OUTBOUND_ALWAYS);
    reply_finish(&r);
    shell_stir(in->c);
}

/* ---- what is known
 * --------------------------------------------------------------------------------- */

static bool on_known(void *context, const char *owner, const char *key, bool default_key,
                     struct submit_known *out, struct error *err)
{
    struct intake *in = context;
    struct store_known known;
    if (mutated(MUTATION_NO_DEDUPE)) return error_set(err, ERROR_NOT_FOUND, "%s", key);
    if (!store_batch_by_key(in->c->store, owner, key, default_key, &known, err)) return false;
    memcpy(out->batch, known.batch, sizeof(out->batch));
    (void)snprintf(out->folder, sizeof(out->folder), "%s", known.folder);
    out->content = known.content;
    out->prompts = known.prompts;
    out->clips = known.clips;
    return true;
}

uint64_t intake_borrow(struct intake *in, const char *owner, uint64_t wanted_bytes, bool for_good)
{
    if (for_good && farm_disk_is_low(in->c->farm)) return 0;
    uint64_t offered = loans_offer(&in->loans, owner, wanted_bytes);
    uint64_t lent = farm_credit_borrow(in->c->farm, offered);
    loans_add(&in->loans, owner, lent);
    return lent;
}

void intake_give_back(struct intake *in, const char *owner, uint64_t size_bytes)
{
    loans_end(&in->loans, owner, size_bytes);
    farm_credit_return(in->c->farm, size_bytes);
}

static uint64_t on_borrow(void *context, const char *owner, uint64_t wanted_bytes, bool for_good)
{
    return intake_borrow(context, owner, wanted_bytes, for_good);
}

static void on_give_back(void *context, const char *owner, uint64_t size_bytes)
{
    intake_give_back(context, owner, size_bytes);
}

static bool on_id_is_free(void *context, const char *batch)
{
    struct intake *in = context;
    struct batch_info info;
    return !farm_batch_info(in->c->farm, batch, &info);
}

/* ---- acceptance
 * -------------------------------------------------------------------------------------- */

struct arrays { /* a batch_spec's arrays */
    struct shape *shapes;
    struct clip_run *runs;
    uint32_t run_count;
    uint32_t run_capacity;
};

static void take_run(void *context, uint64_t first_clip, uint64_t count, uint32_t group)
{
    struct arrays *arrays = context;
    (void)count;
    if (arrays->run_count == arrays->run_capacity) {
        arrays->run_capacity = arrays->run_capacity == 0 ? 16 : 2 * arrays->run_capacity;
        arrays->runs = xrealloc_array(arrays->runs, arrays->run_capacity, sizeof(*arrays->runs));
    }
    arrays->runs[arrays->run_count++] = (struct clip_run){(uint32_t)first_clip, group};
}

static bool make_arrays(struct coordinator *c, const struct submit_ready *ready,
                        struct arrays *arrays, struct error *err)
{
    const struct submit_result *result = ready->result;
    arrays->shapes = xcalloc(result->group_count, sizeof(*arrays->shapes));
    for (uint32_t i = 0; i < result->group_count; i++) {
        submit_group_shape(&result->groups[i], &arrays->shapes[i]);
    }
    return prompts_group_runs(c->prompts, ready->batch, take_run, arrays, err);
}

static bool add_batch(struct coordinator *c, const struct submit_ready *ready,
                      const struct arrays *arrays, struct error *err)
{
    struct store_batch row = {.folder = ready->folder,
                              .key = ready->key,
                              .default_key = ready->default_key,
                              .content = ready->content,
                              .options = ready->options};
    struct batch_spec *spec = &row.spec;
    struct batch_record record;
    memcpy(spec->id, ready->batch, sizeof(spec->id));
    spec->name = ready->name;
    spec->owner = ready->owner;
    spec->priority = ready->priority;
    spec->sequence = c->last_sequence + 1;
    spec->created_ms = ready->submitted_ms;
    spec->prompts = ready->result->prompts;
    spec->clips = (uint32_t)ready->result->clips;
    spec->shapes = arrays->shapes;
    spec->groups = ready->result->group_count;
    spec->runs = arrays->runs;
    spec->run_count = arrays->run_count;
    if (!farm_batch_add(c->farm, spec, err)) return false;
    if (!farm_batch_record(c->farm, spec->id, &record)) {
        return error_set(err, ERROR_INTERNAL, "batch %s has no record", spec->id);
    }
    c->last_sequence++;
    store_batch_add(c->store, &row, &record);
    catalog_set(&c->catalog, spec->id, ready->folder, ready->key);
    return true;
}

/* S1: it may never be rendered by those who are here; others may come. */
static void warn_of_memory(struct coordinator *c, const struct submit_ready *ready)
{
    char text[LIMIT_TEXT_BYTES];
    uint64_t needed, largest;
    char size[2][32];
    if (!farm_lacks_memory(c->farm, ready->batch, &needed, &largest)) return;
    text_size(needed, size[0], sizeof(size[0]));
    text_size(largest, size[1], sizeof(size[1]));
    (void)snprintf(text, sizeof(text),
                   "no worker here can render all of it: a task needs about %s of memory, the "
                   "largest slot has %s",
                   size[0], size[1]);
    submit_transfer_warn(ready->transfer, text);
}

static void on_accept(void *context, const struct submit_ready *ready)
{
    struct intake *in = context;
    struct coordinator *c = in->c;
    struct arrays arrays = {0};
    struct error err = {0};
    bool ok = shell_is_well(c, &err) &&
              (ready->sees_all || quota_allows_priority(ready->priority, 0, &err)) &&
              quota_allows(c, ready->owner, ready->result, &err) &&
              inputs_check(c, ready->sees_all ? "" : ready->owner, ready->result, &err) &&
              make_arrays(c, ready, &arrays, &err) && add_batch(c, ready, &arrays, &err);
    if (ok) inputs_bind(c, ready->batch, ready->result);
    if (ok) warn_of_memory(c, ready);
    free(arrays.shapes);
    free(arrays.runs);
    shell_stir(c);
    if (!ok) {
        submit_transfer_failed(in->transfers, ready->transfer, &err);
        return;
    }
    struct accepted *a = xcalloc(1, sizeof(*a));
    a->transfer = ready->transfer;
    memcpy(a->batch, ready->batch, sizeof(a->batch));
    a->next = in->accepted;
    in->accepted = a;
}

void intake_committed(struct intake *in)
{
    if (in == NULL || in->accepted == NULL) return;
    fault_point("submit.accepted");
    while (in->accepted != NULL) {
        struct accepted *a = in->accepted;
        in->accepted = a->next;
        submit_transfer_accepted(in->transfers, a->transfer);
        free(a);
    }
}

void intake_failed(struct intake *in, const struct error *why)
{
    while (in != NULL && in->accepted != NULL) {
        struct accepted *a = in->accepted;
        in->accepted = a->next;
        catalog_remove(&in->c->catalog, a->batch);
        submit_transfer_failed(in->transfers, a->transfer, why);
        free(a);
    }
}

/* ---- the client's messages
 * ----------------------------------------------------------------------------- */

static void free_opening(struct opening *o)
{
    submit_request_free(&o->wanted);
    free(o);
}

static void on_scanned(void *context)
{
    struct intake *in = context;
    canaries_tell(in->c, in->c->farm); /* of models that were not there before */
    while (in->openings != NULL) {
        struct opening *o = in->openings;
        in->openings = o->next;
        in->opening_count--;
        submit_transfers_open(in->transfers, &o->wanted, shell_now(in->c));
        free_opening(o);
    }
    shell_stir(in->c);
}

static bool may_submit(struct coordinator *c, const Farm__SubmitOpen *open,
                       enum submit_format *format, struct error *err)
{
    if (!submit_format_parse(open->format, format)) {
        return error_set(err, ERROR_INVALID, "there is no format %s: text or jsonl", open->format);
    }
    if (open->dry_run && open->size_bytes <= DRY_RUN_ALWAYS_BYTES) return true;
    if (!open->dry_run && !shell_is_well(c, err)) return false;
    return !farm_disk_is_low(c->farm) || error_set(err, ERROR_REFUSED, DISK_LOW_WORDS);
}

static struct opening *make_opening(zsock_peer peer, uint64_t request,
                                    const struct keyring_entry *sender, bool sees_all,
                                    const Farm__SubmitOpen *open, enum submit_format format)
{
    struct opening *o = xcalloc(1, sizeof(*o));
    struct submit_request wanted = {.client = peer,
                                    .request = request,
                                    .owner = sender->name,
                                    .sees_all = sees_all,
                                    .key = open->key,
                                    .size_bytes = open->size_bytes,
                                    .format = format,
                                    .name = open->name,
                                    .priority = open->priority,
                                    .options = open->options,
                                    .again = open->again,
                                    .dry_run = open->dry_run};
    memcpy(wanted.opener, sender->key, KEY_BYTES);
    (void)codec_digest_get(&open->sha256, &wanted.sha256);
    submit_request_copy(&o->wanted, &wanted);
    return o;
}

static int count_of(const struct intake *in, const char *owner)
{
    int count = 0;
    for (const struct opening *o = in->openings; o != NULL; o = o->next)
        count += strcmp(o->wanted.owner, owner) == 0;
    return count;
}

static bool has_place(const struct intake *in, const char *owner, struct error *err)
{
    return (in->opening_count < SUBMIT_TRANSFERS_MAX &&
            count_of(in, owner) < SUBMIT_TRANSFERS_OWNER_MAX) ||
           error_set(err, ERROR_REFUSED, "too many submissions are on their way: try again");
}

void intake_open(struct intake *in, zsock_peer peer, uint64_t request,
                 const struct keyring_entry *sender, bool sees_all, const Farm__SubmitOpen *open)
{
    struct error err = {0};
    enum submit_format format = SUBMIT_TEXT;
    if (!may_submit(in->c, open, &format, &err) || !quota_pace(in->c, sender->name, &err) ||
        !has_place(in, sender->name, &err)) {
        send_problem(in->c, peer, request, &err);
        return;
    }
    in->opening_count++;
    struct opening *o = make_opening(peer, request, sender, sees_all, open, format);
    struct opening **at = &in->openings;
    while (*at != NULL)
        at = &(*at)->next;
    *at = o;
    if (in->openings == o) models_scan(in->c->models, on_scanned, in);
}

void intake_chunk(struct intake *in, zsock_peer peer, uint64_t request, const char *owner,
                  const Farm__Chunk *chunk, struct bytes payload)
{
    struct error err = {0};
    if (chunk->input.len > 0) {
        inputs_chunk(in->inputs, peer, request, owner, chunk, payload);
        return;
    }
    if (!submit_transfers_chunk(in->transfers, peer, owner, chunk->key, chunk->offset, payload.data,
                                payload.size, shell_now(in->c), &err)) {
        send_problem(in->c, peer, request, &err);
    }
}

void intake_input(struct intake *in, zsock_peer peer, uint64_t request,
                  const struct keyring_entry *sender, bool sees_all, const Farm__InputOpen *open)
{
    inputs_open(in->inputs, peer, request, sender, sees_all, open);
}

void intake_gone(struct intake *in, zsock_peer peer)
{
    inputs_gone(in->inputs, peer);
    submit_transfers_gone(in->transfers, peer);
}

static void expel_openings(struct intake *in, const uint8_t key[KEY_BYTES])
{
    for (struct opening **at = &in->openings; *at != NULL;) {
        struct opening *o = *at;
        if (!keys_equal(o->wanted.opener, key)) {
            at = &o->next;
            continue;
        }
        *at = o->next;
        in->opening_count--;
        free_opening(o);
    }
}

void intake_expel(struct intake *in, const uint8_t key[KEY_BYTES])
{
    expel_openings(in, key);
    inputs_expel(in->inputs, key);
    submit_transfers_expel(in->transfers, key, shell_now(in->c));
}

static bool is_busy(const struct intake *in)
{
    return submit_transfers_count(in->transfers) > 0 || inputs_is_busy(in->inputs);
}

void intake_tick(struct intake *in, int64_t now_ns)
{
    if (!is_busy(in) || now_ns - in->ticked_ns < TICK_NS) return;
    in->ticked_ns = now_ns;
    inputs_tick(in->inputs, now_ns);
    submit_transfers_tick(in->transfers, now_ns);
}

int64_t intake_next(const struct intake *in, int64_t now_ns)
{
    if (!is_busy(in)) return INT64_MAX;
    return in->ticked_ns == 0 ? now_ns + TICK_NS : in->ticked_ns + TICK_NS;
}

/* ---- life
 * ---------------------------------------------------------------------------------------------------
 */

struct intake *intake_create(struct coordinator *c, struct error *err)
{
    struct intake *in = xcalloc(1, sizeof(*in));
    struct submit_callbacks callbacks = {.context = in,
                                         .known = on_known,
                                         .borrow = on_borrow,
                                         .give_back = on_give_back,
                                         .id_is_free = on_id_is_free,
                                         .credit = on_credit,
                                         .accept = on_accept,
                                         .answer = on_answer};
    char *incoming = path_join(c->state, "incoming");
    char *prompts = path_join(c->state, "prompts");
    struct submit_options options = {
        .incoming = incoming, .prompts = prompts, .renders = c->renders};
    in->c = c;
    loans_init(&in->loans);
    in->transfers = submit_transfers_create(&c->loop, &options, c->models, &callbacks, err);
    free(incoming);
    free(prompts);
    in->inputs = inputs_create(c);
    if (in->transfers != NULL) return in;
    inputs_destroy(in->inputs);
    loans_finish(&in->loans);
    free(in);
    return NULL;
}

void intake_destroy(struct intake *in)
{
    if (in == NULL) return;
    inputs_destroy(in->inputs);
    submit_transfers_destroy(in->transfers);
    while (in->openings != NULL) {
        struct opening *next = in->openings->next;
        free_opening(in->openings);
        in->openings = next;
    }
    while (in->accepted != NULL) {
        struct accepted *next = in->accepted->next;
        free(in->accepted);
        in->accepted = next;
    }
    loans_finish(&in->loans);
    free(in);
}
