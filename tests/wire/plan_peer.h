/* plan_peer: a real coordinator with a clip of four tasks, and a scripted worker that has rendered
 * all of them with zoe-engine and says about them whatever a test likes. One farm a test. */
#ifndef ZOE_TESTS_WIRE_PLAN_PEER_H
#define ZOE_TESTS_WIRE_PLAN_PEER_H

#include "wire/farm_peer.h"

#include <stdlib.h>
#include <sys/stat.h>

#define TASKS 4
#define FRAMES 26
#define SIDE 64
#define PICTURE ((size_t)SIDE * SIDE * 3)
#define OPTIONS                                                                                    \
    "{\"model\":\"pattern\",\"width\":64,\"height\":64,\"num_frames\":26,\"segment_frames\":8,"    \
    "\"overlap\":2,\"steps\":4}"

struct made { /* what a task's rendering left */
    uint32_t first, frames;
    struct buf segment, latents;
    struct digest frames_sha256;
};

struct cast {
    struct farm_process farm;
    struct key_pair keys;
    struct peer admin;
    char batch[ID_BATCH_SIZE];
    struct peer worker;
    uint64_t session;
    struct made made[TASKS];
    struct digest recipe, model;
    bool rendered;
    uint64_t lie_bytes; /* how large the latents on offer are said to be; 0: as large as they are */
};

static struct cast cast;

/* ---- the farm ---- */

static inline void join(void)
{
    cast.worker = peer_open(&cast.farm, false, &cast.keys);
    cast.session = peer_join(&cast.worker);
    peer_pass_canary(&cast.worker);
}

/* Its process starts anew: what it held is lost. */
static inline void restart(void)
{
    peer_close(&cast.worker);
    join();
}

static inline int open_cast(void **state)
{
    char role[] = "worker", name[] = "w1";
    (void)state;
    farm_open(&cast.farm);
    cast.admin = peer_client(&cast.farm, &cast.farm.admin);
    keys_generate(&cast.keys);
    peer_allow(&cast.admin, &cast.keys, role, name);
    peer_submit(&cast.admin, "one\n", OPTIONS, cast.batch);
    join();
    return 0;
}

static inline int close_cast(void **state)
{
    (void)state;
    peer_close(&cast.worker);
    peer_close(&cast.admin);
    farm_close(&cast.farm);
    return 0;
}

/* ---- rendering ---- */

static inline struct buf read_made(char *path)
{
    struct error err = {0};
    struct buf out = BUF_INIT;
    if (!path_read(path, 1 << 22, &out, &err)) fail_msg("%s", err.message);
    free(path);
    return out;
}

static inline void take_made(const char *folder)
{
    struct buf frames = read_made(path_join(folder, "frames.raw"));
    uint32_t first = 0;
    assert_int_equal(frames.size, FRAMES * PICTURE);
    for (unsigned i = 0; i < TASKS; i++) {
        struct made *m = &cast.made[i];
        m->segment = read_made(xasprintf("%s/segment.%u.mkv", folder, i));
        m->latents = read_made(xasprintf("%s/latents.%u.safetensors", folder, i));
        m->first = first;
        m->frames = i == 0 ? 8 : 6;
        m->frames_sha256 = digest_of(frames.data + first * PICTURE, m->frames * PICTURE);
        first += m->frames;
    }
    buf_finish(&frames);
}

/* The same for every farm: the recipe tells all of it. */
static inline void render(const char *recipe)
{
    struct error err = {0};
    if (cast.rendered) return;
    char *path = path_join(cast.farm.folder, "recipe.json");
    if (!path_write_atomic(path, recipe, strlen(recipe), 0600, &err)) fail_msg("%s", err.message);
    char *command = xasprintf("%s/zoe-engine plan --model %s/models/pattern --recipe %s --run"
                              " --out %s/made > %s/plan.log",
                              TEST_BIN, TEST_SOURCE, path, cast.farm.folder, cast.farm.folder);
    char *folder = path_join(cast.farm.folder, "made");
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(system(command), 0);
    take_made(folder);
    cast.rendered = true;
    free(command);
    free(folder);
    free(path);
}

/* ---- tasks ---- */

struct task_input {
    uint32_t task, step;
    char kind[16];
    struct digest sha256;
    uint64_t size_bytes;
};

struct labour { /* an assigned attempt */
    uint32_t task;
    uint64_t fence;
    struct task_input inputs[LIMIT_TASK_INPUTS];
    size_t input_count;
};

static inline struct labour take(void)
{
    struct message *m = peer_expect(&cast.worker, FARM__ENVELOPE__BODY_ASSIGN);
    const Farm__Assign *assign = m->envelope->assign;
    struct labour w = {.task = assign->attempt->task, .fence = assign->attempt->fence};
    assert_false(assign->canary);
    render(assign->recipe);
    cast.recipe = digest_of(assign->recipe, strlen(assign->recipe));
    assert_true(codec_digest_get(&assign->model_digest, &cast.model));
    for (; w.input_count < assign->n_inputs; w.input_count++) {
        const Farm__TaskInput *in = assign->inputs[w.input_count];
        struct task_input *out = &w.inputs[w.input_count];
        out->task = in->task;
        out->step = in->step;
        out->size_bytes = in->size_bytes;
        (void)snprintf(out->kind, sizeof(out->kind), "%s", in->kind);
        assert_true(codec_digest_get(&in->sha256, &out->sha256));
    }
    message_free(m);
    return w;
}

static inline struct labour take_task(uint32_t task)
{
    struct labour w = take();
    if (w.task != task) fail_msg("task %u was assigned, not %u", w.task, task);
    return w;
}

static inline void expect_input(const struct labour *w, size_t index, uint32_t task,
                                const char *kind, const struct buf *bytes)
{
    const struct digest sha256 = digest_of(bytes->data, bytes->size);
    assert_true(index < w->input_count);
    assert_int_equal(w->inputs[index].task, task);
    assert_string_equal(w->inputs[index].kind, kind);
    assert_true(digest_equal(&w->inputs[index].sha256, &sha256));
    assert_int_equal(w->inputs[index].size_bytes, bytes->size);
}

static inline Farm__Attempt attempt_of(const struct labour *w)
{
    Farm__Attempt attempt = FARM__ATTEMPT__INIT;
    attempt.batch = cast.batch;
    attempt.task = w->task;
    attempt.fence = w->fence;
    return attempt;
}

static inline void send_bytes(const struct labour *w, uint32_t output, uint64_t offset,
                              uint64_t size, const struct buf *bytes)
{
    Farm__Attempt attempt = attempt_of(w);
    while (size > 0) {
        Farm__Chunk chunk = FARM__CHUNK__INIT;
        Farm__Envelope envelope = FARM__ENVELOPE__INIT;
        const uint64_t now = size < LIMIT_CHUNK_BYTES ? size : LIMIT_CHUNK_BYTES;
        chunk.attempt = &attempt;
        chunk.output = output;
        chunk.offset = offset;
        envelope.body_case = FARM__ENVELOPE__BODY_CHUNK;
        envelope.chunk = &chunk;
        peer_send(&cast.worker, &envelope, (struct bytes){bytes->data + offset, now});
        offset += now;
        size -= now;
    }
}

/* Sends what is granted until one of two words comes; the message is the caller's. */
static inline struct message *upload(const struct labour *w, const struct buf *const *outputs,
                                     uint32_t first, Farm__Envelope__BodyCase good,
                                     Farm__Envelope__BodyCase bad)
{
    for (;;) {
        struct message *m = peer_receive(&cast.worker, WIRE_PATIENCE_MS);
        if (m == NULL) fail_msg("no word on an upload of task %u", w->task);
        if (m->envelope->body_case == good || m->envelope->body_case == bad) return m;
        if (m->envelope->body_case == FARM__ENVELOPE__BODY_CREDIT) {
            const Farm__Credit *c = m->envelope->credit;
            assert_int_equal(c->attempt->task, w->task);
            send_bytes(w, c->output, c->offset, c->size_bytes, outputs[c->output - first]);
        }
        message_free(m);
    }
}

static inline void offer(const struct labour *w, const struct buf *segment, const struct made *of,
                         const struct buf *latents)
{
    char kinds[2][16] = {"segment", "latents"}, fingerprint[] = "a test";
    Farm__Attempt attempt = attempt_of(w);
    Farm__Output output[2] = {FARM__OUTPUT__INIT, FARM__OUTPUT__INIT};
    Farm__Output *outputs[2] = {&output[0], &output[1]};
    Farm__Offer m = FARM__OFFER__INIT;
    struct digest sha256[2];
    const struct buf *files[2] = {segment, latents};
    m.n_outputs = latents != NULL ? 2 : 1;
    for (size_t i = 0; i < m.n_outputs; i++) {
        sha256[i] = digest_of(files[i]->data, files[i]->size);
        output[i].kind = kinds[i];
        output[i].sha256 = codec_digest(&sha256[i]);
        output[i].size_bytes = files[i]->size;
    }
    if (cast.lie_bytes > 0) output[1].size_bytes = cast.lie_bytes;
    output[0].frames_sha256 = codec_digest(&of->frames_sha256);
    output[0].frames = of->frames;
    output[0].width = output[0].height = SIDE;
    m.attempt = &attempt;
    m.recipe_digest = codec_digest(&cast.recipe);
    m.model_digest = codec_digest(&cast.model);
    m.fingerprint = fingerprint;
    m.outputs = outputs;
    m.steps_computed = 4;
    PEER_SAY(&cast.worker, OFFER, offer, &m);
}

/* Of which word the offer was: Stored, or why it was dropped. */
static inline Farm__DropReason deliver_as(const struct labour *w, const struct buf *segment,
                                          const struct made *of, const struct buf *latents)
{
    const struct buf *files[] = {segment, latents};
    offer(w, segment, of, latents);
    struct message *m =
        upload(w, files, 0, FARM__ENVELOPE__BODY_STORED, FARM__ENVELOPE__BODY_DROPPED);
    Farm__DropReason reason = m->envelope->body_case == FARM__ENVELOPE__BODY_DROPPED
                                  ? m->envelope->dropped->reason
                                  : FARM__DROP_REASON__DROP_NONE;
    message_free(m);
    return reason;
}

static inline void deliver(const struct labour *w)
{
    const struct made *m = &cast.made[w->task];
    assert_int_equal(deliver_as(w, &m->segment, m, &m->latents), FARM__DROP_REASON__DROP_NONE);
}

static inline void deliver_tasks(uint32_t from, uint32_t end)
{
    for (uint32_t i = from; i < end; i++) {
        struct labour w = take_task(i);
        deliver(&w);
    }
}

/* ---- what is stored ---- */

static inline struct message *clip_parts(void)
{
    Farm__ClipWanted wanted = FARM__CLIP_WANTED__INIT;
    wanted.batch = cast.batch;
    PEER_SAY(&cast.admin, CLIP_WANTED, clip_wanted, &wanted);
    return peer_expect(&cast.admin, FARM__ENVELOPE__BODY_CLIP_PARTS);
}

/* The worker keeps its session meanwhile. */
static inline void await_published(void)
{
    int64_t until_ns = clock_now_ns() + WIRE_PATIENCE_MS * NS_PER_MS;
    for (;;) {
        struct message *m = clip_parts();
        bool published = strcmp(m->envelope->clip_parts->clip->state, "published") == 0;
        message_free(m);
        if (published) return;
        if (clock_now_ns() > until_ns) fail_msg("the clip was not published");
        peer_beat(&cast.worker, cast.session);
    }
}

static inline char *artifact_path(const struct buf *bytes)
{
    char hex[DIGEST_TEXT_SIZE];
    const struct digest sha256 = digest_of(bytes->data, bytes->size);
    digest_text(&sha256, hex);
    return xasprintf("%s/state/artifacts/%.2s/%s", cast.farm.folder, hex, hex);
}

/* One bit of a picture; the size stays. */
static inline void damage(const struct buf *bytes)
{
    uint8_t byte;
    char *path = artifact_path(bytes);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    const off_t middle = (off_t)bytes->size / 2;
    assert_int_equal(pread(fd, &byte, 1, middle), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, middle), 1);
    (void)close(fd);
    free(path);
}

static inline void lose(const struct buf *bytes)
{
    char *path = artifact_path(bytes);
    assert_int_equal(unlink(path), 0);
    free(path);
}

static inline void fetch(struct peer *p, const struct digest *sha256, const struct buf *wanted)
{
    char path[] = "input";
    Farm__FileWanted ask = FARM__FILE_WANTED__INIT;
    ask.input = codec_digest(sha256);
    ask.path = path;
    ask.size_bytes = LIMIT_CHUNK_BYTES;
    PEER_SAY(p, FILE_WANTED, file_wanted, &ask);
    struct message *m = peer_expect(p, FARM__ENVELOPE__BODY_FILE_DATA);
    assert_int_equal(m->envelope->file_data->total_bytes, wanted->size);
    assert_int_equal(m->payload.size, wanted->size);
    assert_memory_equal(m->payload.data, wanted->data, wanted->size);
    message_free(m);
}

static inline int free_made(void **state)
{
    (void)state;
    for (unsigned i = 0; i < TASKS; i++) {
        buf_finish(&cast.made[i].segment);
        buf_finish(&cast.made[i].latents);
    }
    return 0;
}

#define FARM_TEST(test) cmocka_unit_test_setup_teardown(test, open_cast, close_cast)

#endif
