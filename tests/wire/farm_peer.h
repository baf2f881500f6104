/* farm_peer: a real zoe-coordinator process, and raw peers that say to it whatever a test likes.
 * Sockets are plain ZeroMQ, used by blocking calls with a deadline. */
#ifndef ZOE_TESTS_WIRE_FARM_PEER_H
#define ZOE_TESTS_WIRE_FARM_PEER_H

#include "wire/wire.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "base/path.h"
#include "proto/codec.h"
#include "proto/limits.h"

#define FARM_PEERS_MAX 32

struct farm_process {
    char *folder;
    pid_t pid;
    void *zmq;
    void *sockets[FARM_PEERS_MAX]; /* of peers: closed in the end when a test failed */
    char workers_url[64];
    char clients_url[64];
    uint8_t server_key[KEY_BYTES];
    struct key_pair admin;
};

struct peer {
    struct farm_process *farm;
    void *socket;
    enum message_from hears; /* MESSAGE_TO_WORKER or MESSAGE_TO_CLIENT */
    uint64_t request;
};

/* ---- the process ---- */

static inline void farm_run(const struct farm_process *f, const char *bin, int out)
{
    char *program = path_join(bin, "zoe-coordinator");
    char *models = path_join(TEST_SOURCE, "models");
    char *log = path_join(f->folder, "log"), *state = path_join(f->folder, "state");
    int err = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    (void)dup2(out, STDOUT_FILENO);
    (void)dup2(err, STDERR_FILENO);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves nothing behind */
    execl(program, "zoe-coordinator", "--state", state, "--listen-workers", "tcp://127.0.0.1:*",
          "--listen-clients", "tcp://127.0.0.1:*", "--models", models, "--json", (char *)NULL);
    _exit(127);
}

static inline void farm_read_ready(struct farm_process *f, int in)
{
    struct error err = {0};
    char line[1024];
    size_t size = 0;
    ssize_t got = 0;
    while (size < sizeof(line) && (got = read(in, line + size, sizeof(line) - size)) > 0) {
        size += (size_t)got;
        if (line[size - 1] == '\n') break;
    }
    json_t *ready = json_parse(line, size, "the coordinator's first line", &err);
    if (ready == NULL) fail_msg("%s", err.message);
    const char *key = json_string_value(json_object_get(ready, "public_key"));
    (void)snprintf(f->workers_url, sizeof(f->workers_url), "%s",
                   json_string_value(json_object_get(ready, "workers")));
    (void)snprintf(f->clients_url, sizeof(f->clients_url), "%s",
                   json_string_value(json_object_get(ready, "clients")));
    assert_true(hex_decode(key, f->server_key, KEY_BYTES));
    json_decref(ready);
}

/* With the programs of that folder. */
static inline void farm_open_from(struct farm_process *f, const char *bin)
{
    struct error err = {0};
    int ends[2];
    const char *base = getenv("TMPDIR");
    *f = (struct farm_process){0};
    f->folder = xasprintf("%s/zoe-wire-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(f->folder));
    assert_int_equal(pipe(ends), 0);
    f->pid = fork();
    assert_true(f->pid >= 0);
    if (f->pid == 0) farm_run(f, bin, ends[1]);
    (void)close(ends[1]);
    farm_read_ready(f, ends[0]);
    (void)close(ends[0]);
    char *key = path_join(f->folder, "state/keys/admin.key");
    if (!keys_load(key, &f->admin, &err)) fail_msg("%s", err.message);
    free(key);
    f->zmq = zsock_context_create(&err);
    assert_non_null(f->zmq);
}

/* It must have lived until now, and end cleanly. */
static inline void farm_open(struct farm_process *f)
{
    farm_open_from(f, TEST_BIN);
}

static inline void farm_close(struct farm_process *f)
{
    struct error err = {0};
    int status = 0;
    assert_int_equal(waitpid(f->pid, &status, WNOHANG), 0);
    assert_int_equal(kill(f->pid, SIGTERM), 0);
    assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
    if (status != 0) fail_msg("the coordinator ended with status %d", status);
    for (size_t i = 0; i < FARM_PEERS_MAX; i++)
        if (f->sockets[i] != NULL) (void)zmq_close(f->sockets[i]);
    zsock_context_destroy(f->zmq);
    if (!path_remove_tree(f->folder, &err)) fail_msg("%s", err.message);
    free(f->folder);
}

/* How often its log has these words. */
static inline unsigned farm_log_lines(const struct farm_process *f, const char *words)
{
    struct error err = {0};
    struct buf log = BUF_INIT;
    unsigned count = 0;
    char *path = path_join(f->folder, "log");
    if (!path_read(path, 1 << 24, &log, &err)) fail_msg("%s", err.message);
    for (const char *at = buf_text(&log); (at = strstr(at, words)) != NULL; at++)
        count++;
    buf_finish(&log);
    free(path);
    return count;
}

/* ---- peers ---- */

static inline struct peer peer_open(struct farm_process *f, bool client,
                                    const struct key_pair *keys)
{
    struct peer p = {.farm = f, .hears = client ? MESSAGE_TO_CLIENT : MESSAGE_TO_WORKER};
    p.socket = wire_raw(f->zmq, client ? f->clients_url : f->workers_url, f->server_key, keys);
    size_t free_place = 0;
    while (f->sockets[free_place] != NULL)
        free_place++;
    assert_true(free_place < FARM_PEERS_MAX);
    f->sockets[free_place] = p.socket;
    return p;
}

static inline void peer_close(struct peer *p)
{
    for (size_t i = 0; i < FARM_PEERS_MAX; i++)
        if (p->farm->sockets[i] == p->socket) p->farm->sockets[i] = NULL;
    assert_int_equal(zmq_close(p->socket), 0);
}

static inline void peer_send_parts(struct peer *p, const struct bytes *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int flags = i + 1 < count ? ZMQ_SNDMORE : 0;
        assert_true(zmq_send(p->socket, parts[i].data, parts[i].size, flags) >= 0);
    }
}

/* As it is: nothing is checked. */
static inline struct buf peer_pack(const Farm__Envelope *envelope)
{
    struct buf packed = BUF_INIT;
    size_t size = farm__envelope__get_packed_size(envelope);
    buf_reserve(&packed, size + 1);
    packed.size = farm__envelope__pack(envelope, packed.data);
    return packed;
}

static inline void peer_send(struct peer *p, Farm__Envelope *envelope, struct bytes payload)
{
    if (envelope->version == 0) envelope->version = PROTOCOL_MAX;
    struct buf packed = peer_pack(envelope);
    struct bytes parts[] = {{packed.data, packed.size}, payload};
    peer_send_parts(p, parts, payload.data != NULL ? 2 : 1);
    buf_finish(&packed);
}

#define PEER_SAY(peer, BODY, field, part)                                                          \
    do {                                                                                           \
        Farm__Envelope peer_envelope = FARM__ENVELOPE__INIT;                                       \
        peer_envelope.request = ++(peer)->request;                                                 \
        peer_envelope.body_case = FARM__ENVELOPE__BODY_##BODY;                                     \
        peer_envelope.field = (part);                                                              \
        peer_send((peer), &peer_envelope, (struct bytes){NULL, 0});                                \
    } while (0)

/* The next message, or NULL after so long. What the coordinator says must always be sound. */
static inline struct message *peer_receive(struct peer *p, int timeout_ms)
{
    static uint8_t parts[2][LIMIT_FRAME_BYTES];
    struct error err = {0};
    int more = 1, sizes[2] = {-1, -1};
    size_t size = sizeof(more);
    assert_int_equal(zmq_setsockopt(p->socket, ZMQ_RCVTIMEO, &timeout_ms, sizeof(timeout_ms)), 0);
    for (int i = 0; more && i < 2; i++) {
        sizes[i] = zmq_recv(p->socket, parts[i], sizeof(parts[i]), 0);
        if (sizes[i] < 0) return NULL;
        assert_int_equal(zmq_getsockopt(p->socket, ZMQ_RCVMORE, &more, &size), 0);
    }
    struct bytes payload = {sizes[1] >= 0 ? parts[1] : NULL, sizes[1] >= 0 ? (size_t)sizes[1] : 0};
    struct message *m =
        codec_decode((struct bytes){parts[0], (size_t)sizes[0]}, payload, p->hears, &err);
    if (m == NULL) fail_msg("the coordinator said what it may not: %s", err.message);
    message_keep_payload(m);
    return m;
}

/* The next message of that kind; what comes before it is dropped. Caller frees. */
static inline struct message *peer_expect(struct peer *p, Farm__Envelope__BodyCase body)
{
    int64_t until_ns = clock_now_ns() + WIRE_PATIENCE_MS * NS_PER_MS;
    while (clock_now_ns() < until_ns) {
        struct message *m = peer_receive(p, WIRE_PATIENCE_MS);
        if (m != NULL && m->envelope->body_case == body) return m;
        message_free(m);
    }
    fail_msg("message %d did not come", (int)body);
    return NULL;
}

static inline void peer_skip(struct peer *p, Farm__Envelope__BodyCase body)
{
    message_free(peer_expect(p, body));
}

static inline void peer_expect_problem(struct peer *p, const char *code)
{
    struct message *m = peer_expect(p, FARM__ENVELOPE__BODY_PROBLEM);
    const Farm__Problem *problem = m->envelope->problem;
    if (strcmp(problem->code, code) != 0) fail_msg("%s: %s", problem->code, problem->message);
    message_free(m);
}

/* Nothing comes: the peer never got in. */
static inline void peer_expect_silence(struct peer *p, int timeout_ms)
{
    struct message *m = peer_receive(p, timeout_ms);
    if (m != NULL) fail_msg("it was answered by %s", m->kind->name);
}

/* ---- clients ---- */

static inline struct peer peer_client(struct farm_process *f, const struct key_pair *keys)
{
    struct peer p = peer_open(f, true, keys);
    Farm__ClientHello hello = FARM__CLIENT_HELLO__INIT;
    hello.version_min = hello.version_max = PROTOCOL_MAX;
    PEER_SAY(&p, CLIENT_HELLO, client_hello, &hello);
    peer_skip(&p, FARM__ENVELOPE__BODY_CLIENT_WELCOME);
    return p;
}

static inline void peer_allow(struct peer *admin, const struct key_pair *keys, char *role,
                              char *name)
{
    uint8_t key[KEY_BYTES];
    Farm__KeyAllow allow = FARM__KEY_ALLOW__INIT;
    memcpy(key, keys->public_key, KEY_BYTES);
    allow.key = (ProtobufCBinaryData){KEY_BYTES, key};
    allow.role = role;
    allow.name = name;
    PEER_SAY(admin, KEY_ALLOW, key_allow, &allow);
    peer_skip(admin, FARM__ENVELOPE__BODY_KEY_ALLOWED);
}

/* An operator's word about a worker. */
static inline void peer_steer_within(struct peer *admin, Farm__WorkerVerb verb, const char *worker,
                                     const char *reason, uint64_t grace_ms)
{
    char name[32], why[64];
    Farm__WorkerAction action = FARM__WORKER_ACTION__INIT;
    (void)snprintf(name, sizeof(name), "%s", worker);
    (void)snprintf(why, sizeof(why), "%s", reason);
    action.name = name;
    action.reason = why;
    action.verb = verb;
    action.grace_ms = grace_ms;
    PEER_SAY(admin, WORKER_ACTION, worker_action, &action);
    peer_skip(admin, FARM__ENVELOPE__BODY_WORKER);
}

static inline void peer_steer(struct peer *admin, Farm__WorkerVerb verb, const char *worker,
                              const char *reason)
{
    peer_steer_within(admin, verb, worker, reason, 0);
}

/* Submits lines of text as one batch, with the key "the-batch". */
static inline void peer_submit(struct peer *p, const char *text, const char *options,
                               char batch_out[ID_BATCH_SIZE])
{
    char format[] = "text", key[] = "the-batch";
    struct bytes bytes = {(const uint8_t *)text, strlen(text)};
    struct digest digest = digest_of(bytes.data, bytes.size);
    char *said = xstrdup(options);
    Farm__SubmitOpen open = FARM__SUBMIT_OPEN__INIT;
    Farm__Chunk chunk = FARM__CHUNK__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    open.key = key;
    open.sha256 = codec_digest(&digest);
    open.size_bytes = bytes.size;
    open.format = format;
    open.options = said;
    PEER_SAY(p, SUBMIT_OPEN, submit_open, &open);
    peer_skip(p, FARM__ENVELOPE__BODY_CREDIT);
    chunk.key = key;
    envelope.request = p->request;
    envelope.body_case = FARM__ENVELOPE__BODY_CHUNK;
    envelope.chunk = &chunk;
    peer_send(p, &envelope, bytes);
    struct message *m = peer_expect(p, FARM__ENVELOPE__BODY_ACCEPTED);
    (void)snprintf(batch_out, ID_BATCH_SIZE, "%s", m->envelope->accepted->batch);
    message_free(m);
    free(said);
}

/* The proof that it serves. */
static inline uint64_t peer_bad_messages(struct peer *client)
{
    Farm__StatusWanted wanted = FARM__STATUS_WANTED__INIT;
    PEER_SAY(client, STATUS_WANTED, status_wanted, &wanted);
    struct message *m = peer_expect(client, FARM__ENVELOPE__BODY_STATUS);
    uint64_t count = m->envelope->status->bad_messages;
    message_free(m);
    return count;
}

/* ---- workers ---- */

static inline void peer_hello(struct peer *p, const char *machine)
{
    uint8_t boot[ID_BOOT_BYTES];
    char host[32], backend[] = "cpu", fingerprint[] = "a test";
    Farm__Slot slot = FARM__SLOT__INIT, *slots[] = {&slot};
    Farm__Hello hello = FARM__HELLO__INIT;
    id_random(boot, sizeof(boot));
    (void)snprintf(host, sizeof(host), "%s", machine);
    slot.backend = backend;
    slot.fingerprint = fingerprint;
    hello.version_min = hello.version_max = PROTOCOL_MAX;
    hello.connection = FARM__CONNECTION__CONNECTION_CONTROL;
    hello.boot_id = (ProtobufCBinaryData){sizeof(boot), boot};
    hello.machine_id = host;
    hello.slots = slots;
    hello.n_slots = 1;
    PEER_SAY(p, HELLO, hello, &hello);
}

/* Says Hello and is welcomed; its session. */
static inline uint64_t peer_join(struct peer *p)
{
    peer_hello(p, "machine");
    struct message *m = peer_expect(p, FARM__ENVELOPE__BODY_WELCOME);
    uint64_t session = m->envelope->welcome->session;
    message_free(m);
    return session;
}

/* All that was sent before is handled when this is answered. */
static inline void peer_beat(struct peer *p, uint64_t session)
{
    Farm__Heartbeat beat = FARM__HEARTBEAT__INIT;
    beat.session = session;
    PEER_SAY(p, HEARTBEAT, heartbeat, &beat);
    peer_skip(p, FARM__ENVELOPE__BODY_HEARTBEAT_SEEN);
}

/* Answers the canary rightly. */
static inline void peer_pass_canary(struct peer *p)
{
    struct error err = {0};
    struct digest digest;
    json_t *file = json_parse_file(TEST_SOURCE "/models/pattern/canary.json", 65536, &err);
    if (file == NULL) fail_msg("%s", err.message);
    json_t *known = json_object_get(file, "frames_sha256");
    assert_true(digest_parse(json_string_value(json_object_get(known, "*")), &digest));
    json_decref(file);
    struct message *m = peer_expect(p, FARM__ENVELOPE__BODY_ASSIGN);
    assert_true(m->envelope->assign->canary);
    Farm__CanaryDone done = FARM__CANARY_DONE__INIT;
    done.number = m->envelope->assign->attempt->fence;
    done.frames_sha256 = codec_digest(&digest);
    message_free(m);
    PEER_SAY(p, CANARY_DONE, canary_done, &done);
}

#endif
