/* stage: a real zoe-worker process in front of a scripted coordinator: a ROUTER with CURVE on a
 * port that the kernel chose, an inbox of decoded messages, and an own folder that goes away. */
#ifndef ZOE_TESTS_UNIT_WORKER_STAGE_H
#define ZOE_TESTS_UNIT_WORKER_STAGE_H

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/model_digest.h"
#include "base/path.h"
#include "base/recipe.h"
#include "base/xalloc.h"
#include "proto/codec.h"
#include "proto/limits.h"
#include "proto/zap.h"
#include "proto/zsock.h"

#define STAGE_BATCH "0123456789"
#define STAGE_PATIENCE_NS (60 * NS_PER_S)
#define STAGE_ARGUMENTS 24

struct stage_letter {
    struct message *message;
    zsock_peer peer;
};

struct stage {
    char *folder;
    char *state;
    uv_loop_t loop;
    uv_timer_t tick;
    void *zmq;
    struct zap *zap;
    struct zsock *router;
    struct key_pair server;
    struct key_pair worker;
    bool closed[2];
    pid_t pid;
    zsock_peer control; /* that said Hello last */
    uint64_t session;
    uint64_t numbered; /* last message of this session */
    struct digest model;
    struct stage_letter *inbox;
    size_t count;
    bool deaf; /* heartbeats are not answered */
};

/* ---- letters ---- */

static inline void stage_say(struct stage *s, zsock_peer peer, Farm__Envelope *envelope,
                             struct bytes payload)
{
    struct buf packed = BUF_INIT;
    struct error err = {0};
    envelope->version = PROTOCOL_MAX;
    if (!codec_encode(envelope, MESSAGE_TO_WORKER, &packed, &err)) fail_msg("%s", err.message);
    (void)zsock_send(s->router, peer, (struct bytes){packed.data, packed.size}, payload);
    buf_finish(&packed);
}

static inline void stage_seen(struct stage *s, zsock_peer peer, uint64_t request)
{
    Farm__HeartbeatSeen seen = FARM__HEARTBEAT_SEEN__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    seen.session = s->session;
    envelope.body_case = FARM__ENVELOPE__BODY_HEARTBEAT_SEEN;
    envelope.heartbeat_seen = &seen;
    envelope.request = request;
    stage_say(s, peer, &envelope, (struct bytes){NULL, 0});
}

static inline void stage_take(void *context, const struct zsock_received *r)
{
    struct stage *s = context;
    struct error err = {0};
    struct bytes payload = r->has_payload ? r->payload : (struct bytes){NULL, 0};
    struct message *m = codec_decode(r->envelope, payload, MESSAGE_FROM_WORKER, &err);
    if (!m) fail_msg("the worker sent what it may not: %s", err.message);
    message_keep_payload(m);
    if (m->envelope->body_case == FARM__ENVELOPE__BODY_HEARTBEAT && !s->deaf)
        stage_seen(s, r->peer, m->envelope->request);
    s->inbox = xrealloc_array(s->inbox, s->count + 1, sizeof *s->inbox);
    s->inbox[s->count++] = (struct stage_letter){m, r->peer};
}

static inline enum zap_verdict stage_allow(void *context, const char *domain,
                                           const uint8_t key[KEY_BYTES], const char *address,
                                           char user_out[LIMIT_NAME_BYTES + 1])
{
    struct stage *s = context;
    (void)domain, (void)address;
    snprintf(user_out, LIMIT_NAME_BYTES + 1, "w1");
    return keys_equal(key, s->worker.public_key) ? ZAP_ALLOWED : ZAP_REFUSED;
}

static inline struct message *stage_pick(struct stage *s, Farm__Envelope__BodyCase body,
                                         zsock_peer *peer)
{
    for (size_t i = 0; i < s->count; i++) {
        struct stage_letter letter = s->inbox[i];
        if (letter.message->envelope->body_case != body) continue;
        memmove(s->inbox + i, s->inbox + i + 1, (s->count - i - 1) * sizeof *s->inbox);
        s->count--;
        if (peer) *peer = letter.peer;
        return letter.message;
    }
    return NULL;
}

/* The next message of that kind; others stay in the inbox. Caller frees. */
static inline struct message *stage_expect_from(struct stage *s, Farm__Envelope__BodyCase body,
                                                zsock_peer *peer)
{
    struct message *m;
    int64_t until_ns = clock_now_ns() + STAGE_PATIENCE_NS;
    while (!(m = stage_pick(s, body, peer))) {
        if (clock_now_ns() > until_ns) fail_msg("message %d did not come", (int)body);
        (void)uv_run(&s->loop, UV_RUN_ONCE);
    }
    return m;
}

static inline struct message *stage_expect(struct stage *s, Farm__Envelope__BodyCase body)
{
    return stage_expect_from(s, body, NULL);
}

static inline void stage_skip(struct stage *s, Farm__Envelope__BodyCase body)
{
    message_free(stage_expect(s, body));
}

static inline void stage_forget(struct stage *s)
{
    for (size_t i = 0; i < s->count; i++)
        message_free(s->inbox[i].message);
    s->count = 0;
}

#define STAGE_SAY(s, to, BODY, field, part)                                                        \
    do {                                                                                           \
        Farm__Envelope stage_envelope = FARM__ENVELOPE__INIT;                                      \
        stage_envelope.body_case = FARM__ENVELOPE__BODY_##BODY;                                    \
        stage_envelope.field = (part);                                                             \
        stage_say((s), (to), &stage_envelope, (struct bytes){NULL, 0});                            \
    } while (0)

/* ---- the coordinator's part ---- */

static inline void stage_welcome(struct stage *s)
{
    Farm__Welcome welcome = FARM__WELCOME__INIT;
    char name[] = "w1";
    welcome.version = PROTOCOL_MAX;
    welcome.session = ++s->session;
    welcome.heartbeat_ms = 200;
    welcome.name = name;
    s->numbered = 0;
    STAGE_SAY(s, s->control, WELCOME, welcome, &welcome);
}

/* Waits for a Hello of the control connection; the caller frees it. */
static inline struct message *stage_join(struct stage *s)
{
    struct message *hello = stage_expect_from(s, FARM__ENVELOPE__BODY_HELLO, &s->control);
    assert_int_equal(hello->envelope->hello->connection, FARM__CONNECTION__CONNECTION_CONTROL);
    stage_welcome(s);
    return hello;
}

static inline Farm__Attempt stage_attempt(uint32_t clip, uint64_t fence)
{
    static char batch[] = STAGE_BATCH;
    Farm__Attempt attempt = FARM__ATTEMPT__INIT;
    attempt.batch = batch;
    attempt.clip = clip;
    attempt.fence = fence;
    return attempt;
}

/* A complete recipe of the pattern family; `pattern` is its own object or NULL. Caller frees. */
static inline char *stage_recipe(int seed, int steps, const char *pattern)
{
    struct error err = {0};
    json_t *recipe =
        json_pack("{sssssisisisisi}", "model", "pattern", "prompt", "a test", "seed", seed,
                  "num_inference_steps", steps, "width", 64, "height", 64, "num_frames", 4);
    if (pattern)
        json_object_set_new(recipe, "pattern",
                            json_parse(pattern, strlen(pattern), "pattern", &err));
    if (!recipe_fill(recipe, "pattern", NULL, &err)) fail_msg("%s", err.message);
    char *text = recipe_canonical(recipe);
    json_decref(recipe);
    return text;
}

struct stage_task {
    uint32_t clip;
    uint64_t fence;
    int steps;
    const char *pattern;
    const char *recipe; /* instead of one of the pattern family */
    bool prefetch;
    bool canary;
    bool own; /* of the model */
    uint32_t limit_ms;
};

static inline void stage_assign(struct stage *s, const struct stage_task *task)
{
    char *recipe = task->recipe ? xstrdup(task->recipe)
                                : stage_recipe(7, task->steps ? task->steps : 2, task->pattern);
    char model[] = "pattern", none[] = "";
    Farm__Attempt attempt = stage_attempt(task->clip, task->fence ? task->fence : 1);
    Farm__Assign assign = FARM__ASSIGN__INIT;
    if (task->canary) attempt.batch = none;
    assign.message = ++s->numbered;
    assign.attempt = &attempt;
    assign.prefetch = task->prefetch;
    assign.canary = task->canary;
    assign.own = task->own;
    assign.recipe = recipe;
    assign.model = model;
    assign.model_digest = codec_digest(&s->model);
    assign.limit_ms = task->limit_ms ? task->limit_ms : 60000;
    STAGE_SAY(s, s->control, ASSIGN, assign, &assign);
    free(recipe);
}

static inline void stage_cancel(struct stage *s, uint32_t clip, uint64_t fence)
{
    Farm__Attempt attempt = stage_attempt(clip, fence);
    Farm__Cancel cancel = FARM__CANCEL__INIT;
    cancel.message = ++s->numbered;
    cancel.attempt = &attempt;
    STAGE_SAY(s, s->control, CANCEL, cancel, &cancel);
}

static inline void stage_recall(struct stage *s, uint32_t clip, uint64_t fence)
{
    Farm__Attempt attempt = stage_attempt(clip, fence);
    Farm__Recall recall = FARM__RECALL__INIT;
    recall.message = ++s->numbered;
    recall.attempt = &attempt;
    STAGE_SAY(s, s->control, RECALL, recall, &recall);
}

static inline void stage_stored(struct stage *s, uint32_t clip, uint64_t fence)
{
    Farm__Attempt attempt = stage_attempt(clip, fence);
    Farm__Stored stored = FARM__STORED__INIT;
    stored.attempt = &attempt;
    STAGE_SAY(s, s->control, STORED, stored, &stored);
}

static inline void stage_credit(struct stage *s, const Farm__Offer *offer, uint64_t offset,
                                uint64_t size)
{
    Farm__Credit credit = FARM__CREDIT__INIT;
    credit.attempt = offer->attempt;
    credit.offset = offset;
    credit.size_bytes = size;
    STAGE_SAY(s, s->control, CREDIT, credit, &credit);
}

/* Grants all of an offer, takes the chunks, checks the digest. */
static inline void stage_upload(struct stage *s, const Farm__Offer *offer)
{
    struct buf bytes = BUF_INIT;
    struct digest expected;
    uint64_t size = offer->outputs[0]->size_bytes;
    assert_true(codec_digest_get(&offer->outputs[0]->sha256, &expected));
    stage_credit(s, offer, 0, size);
    while (bytes.size < size) {
        struct message *chunk = stage_expect(s, FARM__ENVELOPE__BODY_CHUNK);
        assert_int_equal(chunk->envelope->chunk->offset, bytes.size);
        buf_append(&bytes, chunk->payload.data, chunk->payload.size);
        message_free(chunk);
    }
    struct digest got = digest_of(bytes.data, bytes.size);
    assert_true(digest_equal(&got, &expected));
    buf_finish(&bytes);
}

/* ---- the worker ---- */

static inline void stage_start_worker(struct stage *s, const char *const *extra)
{
    char server[KEY_TEXT_SIZE];
    char *program = path_join(TEST_BIN, "zoe-worker");
    char *models = path_join(TEST_SOURCE, "models");
    char *log = path_join(s->folder, "worker.log");
    const char *arguments[STAGE_ARGUMENTS] = {
        "zoe-worker",   "--connect", zsock_endpoint(s->router),
        "--server-key", server,      "--state",
        s->state,       "--threads", "1"};
    size_t count = 9;
    keys_text(s->server.public_key, server);
    bool own_models = false;
    for (size_t i = 0; extra && extra[i]; i++) {
        own_models = own_models || strcmp(extra[i], "--models") == 0;
        arguments[count++] = extra[i];
    }
    if (!own_models) {
        arguments[count++] = "--models";
        arguments[count++] = models;
    }
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid == 0) {
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        (void)dup2(fd, STDERR_FILENO);
        (void)setpgid(0, 0);                    /* as a shell starts it */
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves nothing behind */
        (void)dup2(fd, STDOUT_FILENO);
        union {
            const char *const *in;
            char *const *out;
        } same = {.in = arguments};
        execv(program, same.out);
        _exit(127);
    }
    free(program);
    free(models);
    free(log);
}

/* Runs the loop until the worker is gone; its exit code, or minus the signal. */
static inline int stage_wait_worker(struct stage *s)
{
    int status;
    int64_t until_ns = clock_now_ns() + STAGE_PATIENCE_NS;
    while (waitpid(s->pid, &status, WNOHANG) == 0) {
        if (clock_now_ns() > until_ns) fail_msg("the worker does not end");
        (void)uv_run(&s->loop, UV_RUN_ONCE);
    }
    s->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static inline void stage_kill_worker(struct stage *s, int signal_number)
{
    assert_int_equal(kill(s->pid, signal_number), 0);
}

/* ---- life ---- */

static inline void stage_tick(uv_timer_t *timer)
{
    (void)timer; /* so that waiting looks at the clock */
}

static inline void stage_listen(struct stage *s)
{
    struct error err = {0};
    struct zsock_options options = {.router = true,
                                    .url = "tcp://127.0.0.1:*",
                                    .keys = &s->server,
                                    .zap_domain = "workers",
                                    .on_receive = stage_take,
                                    .context = s};
    s->zmq = zsock_context_create(&err);
    s->zap = zap_open(&s->loop, s->zmq, stage_allow, s, &err);
    s->router = s->zap ? zsock_open(&s->loop, s->zmq, &options, &err) : NULL;
    if (!s->router) fail_msg("%s", err.message);
}

static inline void stage_open(struct stage *s)
{
    struct error err = {0};
    struct model_files files;
    const char *base = getenv("TMPDIR");
    memset(s, 0, sizeof *s);
    s->folder = xasprintf("%s/zoe-worker-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(s->folder));
    s->state = path_join(s->folder, "state");
    assert_int_equal(mkdir(s->state, 0700), 0);
    keys_generate(&s->server);
    keys_generate(&s->worker);
    char *key = path_join(s->state, "worker.key");
    assert_true(keys_save(key, &s->worker, &err));
    free(key);
    assert_true(model_digest_list(TEST_SOURCE "/models/pattern", &files, &err));
    s->model = model_digest_of(&files);
    model_digest_finish(&files);
    assert_int_equal(uv_loop_init(&s->loop), 0);
    assert_int_equal(uv_timer_init(&s->loop, &s->tick), 0);
    assert_int_equal(uv_timer_start(&s->tick, stage_tick, 100, 100), 0);
    stage_listen(s);
}

static inline void stage_mark(void *context)
{
    *(bool *)context = true;
}

static inline void stage_close(struct stage *s)
{
    struct error err = {0};
    if (s->pid > 0) {
        (void)kill(s->pid, SIGKILL);
        (void)waitpid(s->pid, NULL, 0);
    }
    uv_close((uv_handle_t *)&s->tick, NULL);
    zsock_close(s->router, stage_mark, &s->closed[0]);
    zap_close(s->zap, stage_mark, &s->closed[1]);
    (void)uv_run(&s->loop, UV_RUN_DEFAULT);
    assert_true(s->closed[0] && s->closed[1]);
    assert_int_equal(uv_loop_close(&s->loop), 0);
    zsock_context_destroy(s->zmq);
    stage_forget(s);
    free(s->inbox);
    if (!path_remove_tree(s->folder, &err)) fail_msg("%s", err.message);
    free(s->folder);
    free(s->state);
}

/* How many files of the outbox end so. */
static inline size_t stage_outbox(const struct stage *s, const char *ending)
{
    char *folder = path_join(s->state, "outbox");
    char **names;
    size_t count, found = 0;
    assert_true(path_list(folder, &names, &count, NULL));
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(names[i]), tail = strlen(ending);
        found += size >= tail && strcmp(names[i] + size - tail, ending) == 0;
    }
    path_list_free(names, count);
    free(folder);
    return found;
}

#endif
