/* Messages of both sockets, one after the other, at a whole coordinator: two workers that were
 * admitted, an admin and somebody who submits, with a batch on its way. Each record of the input is
 * one message: who says it, how, its size (16 bits) and its bytes. What nobody could guess (the
 * session, the batch's id, an attempt that lives) is put in when the record asks for it, so that
 * the machines behind the codec are reached. It must neither die nor stop, and its counters must
 * agree with its facts after each message. */
#include <stdio.h>

#include "base/id.h"
#include "coordinator/farm_state.h"
#include "fuzz/coordinator_host.h"
#include "proto/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RECORDS_MAX 32
#define INPUTS_A_LIFE 256
#define HEAD_BYTES 4
#define PATCH 1U
#define SUBMIT_NS (60 * NS_PER_S)

struct speaker {
    const char *name;
    const char *role;
    zsock_peer peer;
    enum message_from from;
};

static const struct speaker speakers[] = {
    {"w1", "worker", 101, MESSAGE_FROM_WORKER},   {"w2", "worker", 102, MESSAGE_FROM_WORKER},
    {"w1", "worker", 103, MESSAGE_FROM_WORKER},   {"boss", "admin", 104, MESSAGE_FROM_ADMIN},
    {"anna", "submit", 105, MESSAGE_FROM_SUBMIT},
};
#define SPEAKERS (sizeof(speakers) / sizeof(speakers[0]))

static struct host host;
static char batch_id[ID_BATCH_SIZE];

static void key_of(const struct speaker *s, uint8_t key[KEY_BYTES])
{
    const struct digest d = digest_of(s->name, strlen(s->name));
    memcpy(key, d.bytes, KEY_BYTES);
}

/* What is sent to them arrives nowhere, but it was sent (linked with --wrap): a peer that cannot be
 * reached would be gone. */
enum zsock_result __wrap_zsock_send(struct zsock *s, zsock_peer peer, struct bytes envelope,
                                    struct bytes payload);
enum zsock_result __wrap_zsock_send(struct zsock *s, zsock_peer peer, struct bytes envelope,
                                    struct bytes payload)
{
    (void)s;
    (void)payload;
    ZOE_ASSERT(peer != 0 && envelope.size > 0);
    return ZSOCK_SENT;
}

/* ---- saying ---- */

static void say_bytes(const struct speaker *s, struct bytes envelope, struct bytes payload)
{
    uint8_t key[KEY_BYTES];
    char hex[KEY_TEXT_SIZE];
    key_of(s, key);
    keys_text(key, hex);
    const struct zsock_received m = {.peer = s->peer,
                                     .user = s->name,
                                     .key = hex,
                                     .address = "127.0.0.1",
                                     .envelope = envelope,
                                     .payload = payload,
                                     .has_payload = payload.data != NULL};
    if (s->from == MESSAGE_FROM_WORKER)
        dispatch_worker(host.c, &m);
    else
        dispatch_client(host.c, &m);
    host_turn(&host);
}

static void say(const struct speaker *s, Farm__Envelope *e, struct bytes payload)
{
    e->version = PROTOCOL_MAX;
    uint8_t *packed = xmalloc(farm__envelope__get_packed_size(e) + 1);
    const size_t size = farm__envelope__pack(e, packed);
    say_bytes(s, (struct bytes){packed, size}, payload);
    free(packed);
}

/* ---- what nobody could guess ---- */

static void put_text(char **field, const char *text)
{
    if (*field != protobuf_c_empty_string) free(*field);
    *field = xstrdup(text);
}

static void put_attempt(const struct speaker *s, Farm__Attempt *a)
{
    struct running_info running[2];
    const uint32_t count =
        farm_worker_running(host.c->farm, s->name, shell_now(host.c), running, 2);
    put_text(&a->batch, count > 0 ? running[0].attempt.task.batch : batch_id);
    if (count == 0) return;
    a->clip = running[0].attempt.task.clip;
    a->task = running[0].attempt.task.task;
    a->fence = running[0].attempt.fence;
}

static uint64_t session_of(const struct speaker *s)
{
    for (size_t i = 0; i < SPEAKERS; i++) {
        if (strcmp(speakers[i].name, s->name) != 0) continue;
        const struct session *found = session_of_peer(&host.c->sessions, speakers[i].peer);
        if (found != NULL) return found->epoch;
    }
    return 0;
}

static void patch(const struct speaker *s, ProtobufCMessage *m);

static void patch_field(const struct speaker *s, const ProtobufCFieldDescriptor *f, void *at)
{
    if (f->type == PROTOBUF_C_TYPE_MESSAGE && f->label != PROTOBUF_C_LABEL_REPEATED) {
        ProtobufCMessage *sub = *(ProtobufCMessage **)at;
        if (sub != NULL) patch(s, sub);
    } else if (f->type == PROTOBUF_C_TYPE_UINT64 && strcmp(f->name, "session") == 0) {
        *(uint64_t *)at = session_of(s);
    } else if (f->type == PROTOBUF_C_TYPE_UINT64 && strcmp(f->name, "number") == 0) {
        *(uint64_t *)at = host.c->farm->last_canary;
    } else if (f->type == PROTOBUF_C_TYPE_STRING && f->label != PROTOBUF_C_LABEL_REPEATED &&
               strcmp(f->name, "batch") == 0) {
        put_text(at, batch_id);
    }
}

static void patch(const struct speaker *s, ProtobufCMessage *m)
{
    if (m->descriptor == &farm__attempt__descriptor) {
        put_attempt(s, (Farm__Attempt *)m);
        return;
    }
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        const bool is_body = (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
        if (is_body && *(const uint32_t *)((const char *)m + f->quantifier_offset) != f->id)
            continue;
        patch_field(s, f, (char *)m + f->offset);
    }
}

static bool say_patched(const struct speaker *s, struct bytes envelope, struct bytes payload)
{
    /* Checked first: protobuf-c's own reader has no budget. */
    struct message *m = codec_decode(envelope, payload, s->from, NULL);
    if (m == NULL) return false;
    message_free(m);
    Farm__Envelope *e = farm__envelope__unpack(NULL, envelope.size, envelope.data);
    if (e == NULL) return false;
    patch(s, &e->base);
    say(s, e, payload);
    farm__envelope__free_unpacked(e, NULL);
    return true;
}

/* ---- the beginning ---- */

static void greet_client(const struct speaker *s)
{
    Farm__ClientHello hello = FARM__CLIENT_HELLO__INIT;
    Farm__Envelope e = FARM__ENVELOPE__INIT;
    hello.version_min = hello.version_max = PROTOCOL_MAX;
    e.body_case = FARM__ENVELOPE__BODY_CLIENT_HELLO;
    e.client_hello = &hello;
    say(s, &e, (struct bytes){NULL, 0});
}

static void greet_worker(const struct speaker *s)
{
    uint8_t boot[ID_BOOT_BYTES] = {(uint8_t)s->peer};
    char machine[] = "machine", backend[] = "cpu", fingerprint[] = "a test";
    Farm__Slot slot = FARM__SLOT__INIT, *slots[] = {&slot};
    Farm__Hello hello = FARM__HELLO__INIT;
    Farm__Envelope e = FARM__ENVELOPE__INIT;
    slot.backend = backend;
    slot.fingerprint = fingerprint;
    hello.version_min = hello.version_max = PROTOCOL_MAX;
    hello.connection = FARM__CONNECTION__CONNECTION_CONTROL;
    hello.boot_id = (ProtobufCBinaryData){sizeof(boot), boot};
    hello.machine_id = machine;
    hello.slots = slots;
    hello.n_slots = 1;
    e.body_case = FARM__ENVELOPE__BODY_HELLO;
    e.hello = &hello;
    say(s, &e, (struct bytes){NULL, 0});
}

static void pass_canary(const struct speaker *s)
{
    Farm__CanaryDone done = FARM__CANARY_DONE__INIT;
    Farm__Envelope e = FARM__ENVELOPE__INIT;
    struct digest answer = host.c->canary.answers[0].frames_sha256;
    done.number = host.c->farm->last_canary;
    done.frames_sha256 = codec_digest(&answer);
    e.body_case = FARM__ENVELOPE__BODY_CANARY_DONE;
    e.canary_done = &done;
    say(s, &e, (struct bytes){NULL, 0});
}

static const char prompts[] = "a red ball\na blue ball\na green square\n";

static void open_submit(const struct speaker *s)
{
    char format[] = "text", options[] = "{\"model\":\"pattern\",\"seeds\":8}", key[] = "first";
    struct digest digest = digest_of(prompts, sizeof(prompts) - 1);
    Farm__SubmitOpen open = FARM__SUBMIT_OPEN__INIT;
    Farm__Envelope e = FARM__ENVELOPE__INIT;
    open.sha256 = codec_digest(&digest);
    open.size_bytes = sizeof(prompts) - 1;
    open.format = format;
    open.options = options;
    open.key = key;
    e.body_case = FARM__ENVELOPE__BODY_SUBMIT_OPEN;
    e.submit_open = &open;
    e.request = 1;
    say(s, &e, (struct bytes){NULL, 0});
}

static void submit(const struct speaker *s)
{
    char key[] = "first";
    Farm__Chunk chunk = FARM__CHUNK__INIT;
    Farm__Envelope e = FARM__ENVELOPE__INIT;
    open_submit(s);
    chunk.key = key;
    e.body_case = FARM__ENVELOPE__BODY_CHUNK;
    e.chunk = &chunk;
    struct batch_info info;
    const int64_t deadline_ns = clock_now_ns() + SUBMIT_NS;
    while (!farm_batch_at(host.c->farm, 0, &info) && clock_now_ns() < deadline_ns)
        say(s, &e,
            (struct bytes){(const uint8_t *)prompts, sizeof(prompts) - 1}); /* till granted */
    ZOE_ASSERT(farm_batch_at(host.c->farm, 0, &info));
    memcpy(batch_id, info.id, sizeof(batch_id));
}

static void begin(void)
{
    struct error err = {0};
    (void)freopen("/dev/null", "w", stdout); /* the ready line */
    log_set_level(LOG_ERROR);
    if (!host_open(&host, &err)) {
        (void)fprintf(stderr, "%s\n", err.message);
        abort();
    }
    for (size_t i = 0; i < SPEAKERS; i++) {
        struct store_key row = {.role = speakers[i].role, .name = speakers[i].name};
        key_of(&speakers[i], row.key);
        store_key_allow(host.c->store, &row);
        keyring_set(&host.c->keyring, row.key, row.role, row.name);
    }
    greet_client(&speakers[3]);
    greet_client(&speakers[4]);
    for (int i = 0; i < 2; i++) {
        greet_worker(&speakers[i]);
        pass_canary(&speakers[i]);
    }
    submit(&speakers[4]);
}

/* A new life now and then, so that no input depends on too many before it. */
static void prepare(void)
{
    static unsigned inputs;
    if (host.c != NULL && !host.c->stopping && inputs++ < INPUTS_A_LIFE) return;
    if (host.c != NULL) {
        host_close(&host);
        ZOE_ASSERT(path_remove_tree(fuzz_folder(), NULL));
        ZOE_ASSERT(path_make_folders(fuzz_folder(), 0700, NULL));
    }
    inputs = 1;
    begin();
}

/* ---- the records ---- */

static size_t one_record(const uint8_t *data, size_t size)
{
    static const uint8_t filler[LIMIT_CHUNK_BYTES];
    if (size < HEAD_BYTES) return size;
    const struct speaker *s = &speakers[data[0] % SPEAKERS];
    size_t length = (size_t)data[2] | (size_t)data[3] << 8;
    if (length > size - HEAD_BYTES) length = size - HEAD_BYTES;
    const size_t filled = (size_t)(data[1] >> 1) * 1024;
    const struct bytes payload = {filled > 0 ? filler : NULL, filled};
    const struct bytes envelope = {data + HEAD_BYTES, length};
    if ((data[1] & PATCH) == 0 || !say_patched(s, envelope, payload))
        say_bytes(s, envelope, payload);
    return HEAD_BYTES + length;
}

static void look(void)
{
    struct error err = {0};
    ZOE_ASSERT(!host.c->stopping && !host.c->unwell);
    if (farm_check(host.c->farm, shell_now(host.c), &err)) return;
    (void)fprintf(stderr, "%s\n", err.message);
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    prepare();
    for (int i = 0; i < RECORDS_MAX && size > 0; i++) {
        const size_t used = one_record(data, size);
        data += used;
        size -= used;
        look();
    }
    return 0;
}
