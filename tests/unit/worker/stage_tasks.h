/* stage_tasks: clips of several tasks on the stage of stage.h: files that a task takes are served
 * by digest, and everything that the worker uploads is kept. */
#ifndef ZOE_TESTS_UNIT_WORKER_STAGE_TASKS_H
#define ZOE_TESTS_UNIT_WORKER_STAGE_TASKS_H

#include "unit/worker/stage.h"

#define STAGE_FILES 32

struct stage_file {
    struct digest digest;
    struct buf bytes;
};

struct stage_store { /* what a coordinator has */
    struct stage_file files[STAGE_FILES];
    size_t count;
    unsigned served; /* first pieces that were asked for */
};

/* ---- files ---- */

static inline struct digest stage_keep(struct stage_store *store, const void *data, size_t size)
{
    assert_true(store->count < STAGE_FILES);
    struct stage_file *file = &store->files[store->count++];
    file->bytes = (struct buf)BUF_INIT;
    buf_append(&file->bytes, data, size);
    file->digest = digest_of(data, size);
    return file->digest;
}

static inline const struct buf *stage_find(const struct stage_store *store,
                                           const struct digest *digest)
{
    for (size_t i = 0; i < store->count; i++)
        if (digest_equal(&store->files[i].digest, digest)) return &store->files[i].bytes;
    return NULL;
}

static inline struct digest stage_keep_path(struct stage_store *store, const char *path)
{
    struct buf bytes = BUF_INIT;
    struct error err = {0};
    if (!path_read(path, 64 << 20, &bytes, &err)) fail_msg("%s", err.message);
    const struct digest digest = stage_keep(store, bytes.data, bytes.size);
    buf_finish(&bytes);
    return digest;
}

static inline void stage_store_finish(struct stage_store *store)
{
    for (size_t i = 0; i < store->count; i++)
        buf_finish(&store->files[i].bytes);
    store->count = 0;
}

static inline void stage_serve(struct stage *s, struct stage_store *store,
                               const struct message *asked, zsock_peer peer)
{
    const Farm__FileWanted *wanted = asked->envelope->file_wanted;
    Farm__FileData data = FARM__FILE_DATA__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    struct digest digest;
    assert_true(codec_digest_get(&wanted->input, &digest));
    const struct buf *bytes = stage_find(store, &digest);
    if (!bytes) fail_msg("the worker asks for a file that nobody named");
    assert_true(wanted->offset < bytes->size);
    store->served += wanted->offset == 0;
    data.input = wanted->input;
    data.path = wanted->path;
    data.offset = wanted->offset;
    data.total_bytes = bytes->size;
    envelope.request = asked->envelope->request;
    envelope.body_case = FARM__ENVELOPE__BODY_FILE_DATA;
    envelope.file_data = &data;
    const size_t left = bytes->size - (size_t)wanted->offset;
    const size_t size = left < wanted->size_bytes ? left : wanted->size_bytes;
    stage_say(s, peer, &envelope, (struct bytes){bytes->data + wanted->offset, size});
}

/* "not found", to the next file that is asked for. */
static inline void stage_deny(struct stage *s)
{
    char code[] = "not_found", words[] = "no such file";
    Farm__Problem problem = FARM__PROBLEM__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    zsock_peer peer;
    struct message *m = stage_expect_from(s, FARM__ENVELOPE__BODY_FILE_WANTED, &peer);
    problem.code = code;
    problem.message = words;
    envelope.request = m->envelope->request;
    envelope.body_case = FARM__ENVELOPE__BODY_PROBLEM;
    envelope.problem = &problem;
    stage_say(s, peer, &envelope, (struct bytes){NULL, 0});
    message_free(m);
}

/* As stage_expect, and meanwhile files are served. */
static inline struct message *stage_await(struct stage *s, struct stage_store *store,
                                          Farm__Envelope__BodyCase body)
{
    const int64_t until_ns = clock_now_ns() + STAGE_PATIENCE_NS;
    struct message *m, *asked;
    zsock_peer peer;
    while (!(m = stage_pick(s, body, NULL))) {
        if (clock_now_ns() > until_ns) fail_msg("message %d did not come", (int)body);
        asked = stage_pick(s, FARM__ENVELOPE__BODY_FILE_WANTED, &peer);
        if (asked)
            stage_serve(s, store, asked, peer);
        else
            (void)uv_run(&s->loop, UV_RUN_ONCE);
        message_free(asked);
    }
    return m;
}

/* ---- tasks ---- */

struct stage_part {
    const char *recipe;
    uint32_t clip, task;
    uint64_t fence;
    struct {
        uint32_t task;
        const char *kind; /* NULL = none */
        struct digest digest;
    } inputs[4];
};

static inline void stage_assign_part(struct stage *s, const struct stage_part *part)
{
    char *recipe = xstrdup(part->recipe), model[] = "pattern", kinds[4][16];
    Farm__TaskInput items[4], *refs[4];
    Farm__Attempt attempt = stage_attempt(part->clip, part->fence ? part->fence : 1);
    Farm__Assign assign = FARM__ASSIGN__INIT;
    attempt.task = part->task;
    for (size_t i = 0; i < 4 && part->inputs[i].kind; i++) {
        farm__task_input__init(&items[i]);
        snprintf(kinds[i], sizeof kinds[i], "%s", part->inputs[i].kind);
        items[i].task = part->inputs[i].task;
        items[i].kind = kinds[i];
        items[i].sha256 = codec_digest(&part->inputs[i].digest);
        items[i].size_bytes = 1;
        refs[i] = &items[i];
        assign.n_inputs = i + 1;
    }
    assign.inputs = refs;
    assign.message = ++s->numbered;
    assign.attempt = &attempt;
    assign.recipe = recipe;
    assign.model = model;
    assign.model_digest = codec_digest(&s->model);
    assign.limit_ms = 60000;
    STAGE_SAY(s, s->control, ASSIGN, assign, &assign);
    free(recipe);
}

/* Bytes under Credit for one output of an attempt. Its digest must be right. */
static inline struct digest stage_take_output(struct stage *s, struct stage_store *store,
                                              Farm__Attempt *attempt, uint32_t output,
                                              const ProtobufCBinaryData *sha256, uint64_t size)
{
    Farm__Credit credit = FARM__CREDIT__INIT;
    struct buf bytes = BUF_INIT;
    struct digest told;
    credit.attempt = attempt;
    credit.output = output;
    credit.size_bytes = size;
    STAGE_SAY(s, s->control, CREDIT, credit, &credit);
    while (bytes.size < size) {
        struct message *m = stage_await(s, store, FARM__ENVELOPE__BODY_CHUNK);
        const Farm__Chunk *chunk = m->envelope->chunk;
        if (chunk->output == output && chunk->offset == bytes.size)
            buf_append(&bytes, m->payload.data, m->payload.size);
        message_free(m);
    }
    const struct digest got = stage_keep(store, bytes.data, bytes.size);
    assert_true(codec_digest_get(sha256, &told));
    assert_true(digest_equal(&got, &told));
    buf_finish(&bytes);
    return got;
}

struct stage_result {
    struct digest segment, latents; /* zero = none */
    uint32_t steps;
};

/* The next offer, all of it, and it is stored. */
static inline struct stage_result stage_take_part(struct stage *s, struct stage_store *store)
{
    struct message *m = stage_await(s, store, FARM__ENVELOPE__BODY_OFFER);
    const Farm__Offer *offer = m->envelope->offer;
    struct stage_result r = {.steps = offer->steps_computed};
    for (size_t i = 0; i < offer->n_outputs; i++) {
        const Farm__Output *o = offer->outputs[i];
        const struct digest got =
            stage_take_output(s, store, offer->attempt, (uint32_t)i, &o->sha256, o->size_bytes);
        *(strcmp(o->kind, "segment") == 0 ? &r.segment : &r.latents) = got;
    }
    Farm__Stored stored = FARM__STORED__INIT;
    stored.attempt = offer->attempt;
    STAGE_SAY(s, s->control, STORED, stored, &stored);
    message_free(m);
    return r;
}

/* ---- checkpoints ---- */

struct stage_checkpoint {
    struct digest digest;
    uint32_t step;
    bool leaving;
};

static inline void stage_seen_checkpoint(struct stage *s, Farm__Attempt *attempt, uint32_t step,
                                         bool kept)
{
    Farm__CheckpointSeen seen = FARM__CHECKPOINT_SEEN__INIT;
    seen.attempt = attempt;
    seen.step = step;
    seen.kept = kept;
    STAGE_SAY(s, s->control, CHECKPOINT_SEEN, checkpoint_seen, &seen);
}

/* The next one, its bytes, and it is answered. */
static inline struct stage_checkpoint stage_take_checkpoint(struct stage *s,
                                                            struct stage_store *store)
{
    struct message *m = stage_await(s, store, FARM__ENVELOPE__BODY_CHECKPOINT);
    const Farm__Checkpoint *c = m->envelope->checkpoint;
    struct stage_checkpoint taken = {.step = c->step, .leaving = c->leaving};
    taken.digest =
        stage_take_output(s, store, c->attempt, CHECKPOINT_OUTPUT, &c->sha256, c->size_bytes);
    stage_seen_checkpoint(s, c->attempt, c->step, true);
    message_free(m);
    return taken;
}

/* An attempt that had to stop goes back; nobody wants what was saved of it. */
static inline struct message *stage_expect_preempted(struct stage *s)
{
    for (bool leaving = false; !leaving;) {
        struct message *m = stage_expect(s, FARM__ENVELOPE__BODY_CHECKPOINT);
        const Farm__Checkpoint *c = m->envelope->checkpoint;
        leaving = c->leaving;
        stage_seen_checkpoint(s, c->attempt, c->step, false);
        message_free(m);
    }
    struct message *m = stage_expect(s, FARM__ENVELOPE__BODY_HANDED_BACK);
    assert_int_equal(m->envelope->handed_back->reason, FARM__HAND_BACK_REASON__HAND_BACK_PREEMPTED);
    return m;
}

#endif
