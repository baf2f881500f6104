/* Held tasks, messages out, messages in. */
#include "cli/bench/hand.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "proto/codec.h"
#include "proto/limits.h"

#define HELLO_AGAIN_NS (10 * NS_PER_S)

void hand_key(const uint8_t seed[KEY_BYTES], uint32_t number, struct key_pair *out)
{
    crypto_generichash(out->secret_key, KEY_BYTES, (const unsigned char *)&number, sizeof number,
                       seed, KEY_BYTES);
    (void)crypto_scalarmult_base(out->public_key, out->secret_key);
}

void hand_name(uint32_t number, char out[HAND_NAME_SIZE])
{
    (void)snprintf(out, HAND_NAME_SIZE, "bench-%05u", (unsigned)number);
}

/* ---- speaking ---- */

static bool send_envelope(struct hand *h, Farm__Envelope *e)
{
    struct buf packed = BUF_INIT;
    struct error err = {0};
    e->version = PROTOCOL_MAX;
    bool ok = codec_encode(e, MESSAGE_FROM_WORKER, &packed, &err) &&
              zsock_send(h->sock, 0, (struct bytes){packed.data, packed.size},
                         (struct bytes){NULL, 0}) == ZSOCK_SENT;
    buf_finish(&packed);
    return ok;
}

#define SAY(h, BODY, field, message)                                                               \
    send_envelope((h),                                                                             \
                  &(Farm__Envelope){.base = PROTOBUF_C_MESSAGE_INIT(&farm__envelope__descriptor),  \
                                    .body_case = FARM__ENVELOPE__BODY_##BODY,                      \
                                    .field = (message)})

struct wire_held {
    Farm__Held items[HAND_TASKS_MAX], *refs[HAND_TASKS_MAX];
    Farm__Attempt attempts[HAND_TASKS_MAX];
};

static Farm__Attempt attempt_of(struct hand_task *t)
{
    Farm__Attempt a = FARM__ATTEMPT__INIT;
    a.batch = t->batch;
    a.clip = t->clip;
    a.task = t->number;
    a.fence = t->fence;
    return a;
}

/* The first of a slot that has no result yet runs, the next one waits behind it. */
static Farm__Phase phase_of(const struct hand *h, uint32_t index)
{
    const struct hand_task *t = &h->held[index];
    if (t->offered_ns != 0) return FARM__PHASE__PHASE_UPLOADING;
    for (uint32_t i = 0; i < h->held_count; i++) {
        const struct hand_task *other = &h->held[i];
        if (other->slot == t->slot && other->offered_ns == 0 && other->given < t->given)
            return FARM__PHASE__PHASE_PREFETCHED;
    }
    return FARM__PHASE__PHASE_RENDERING;
}

static size_t fill_held(struct hand *h, struct wire_held *w)
{
    for (uint32_t i = 0; i < h->held_count; i++) {
        struct hand_task *t = &h->held[i];
        w->attempts[i] = attempt_of(t);
        w->items[i] = (Farm__Held)FARM__HELD__INIT;
        w->items[i].attempt = &w->attempts[i];
        w->items[i].slot = t->slot;
        w->items[i].phase = phase_of(h, i);
        w->refs[i] = &w->items[i];
    }
    return h->held_count;
}

static void say_hello(struct hand *h)
{
    char machine[HAND_NAME_SIZE], backend[] = "cpu", fingerprint[] = "bench";
    struct wire_held held;
    Farm__Slot slots[LIMIT_SLOTS], *refs[LIMIT_SLOTS];
    Farm__Hello m = FARM__HELLO__INIT;
    hand_name(h->number, machine);
    for (uint32_t i = 0; i < h->work->options->slots; i++) {
        slots[i] = (Farm__Slot)FARM__SLOT__INIT;
        slots[i].index = i;
        slots[i].backend = backend;
        slots[i].fingerprint = fingerprint;
        refs[i] = &slots[i];
    }
    m.version_min = m.version_max = PROTOCOL_MAX;
    m.connection = FARM__CONNECTION__CONNECTION_CONTROL;
    m.boot_id = (ProtobufCBinaryData){sizeof h->boot_id, h->boot_id};
    m.machine_id = m.host = machine;
    m.session = 0;
    m.slots = refs;
    m.n_slots = h->work->options->slots;
    m.n_held = fill_held(h, &held);
    m.held = held.refs;
    m.last_message = h->last_message;
    h->hello_ns = clock_now_ns();
    (void)SAY(h, HELLO, hello, &m);
}

static void beat(struct hand *h, int64_t now_ns)
{
    struct wire_held held;
    Farm__Heartbeat m = FARM__HEARTBEAT__INIT;
    m.session = h->session;
    m.last_message = h->last_message;
    m.n_held = fill_held(h, &held);
    m.held = held.refs;
    h->beat_ns = now_ns + (int64_t)h->heartbeat_ms * NS_PER_MS;
    (void)SAY(h, HEARTBEAT, heartbeat, &m);
}

/* ---- results ---- */

static size_t write_report(struct hand_work *w)
{
    const uint32_t size = w->options->report_bytes;
    const int head =
        snprintf(w->report, size, "{\"number\":%llu,\"filler\":\"", (unsigned long long)w->made++);
    memset(w->report + head, 'x', size - (size_t)head - 2);
    memcpy(w->report + size - 2, "\"}", 3);
    return size;
}

static void offer(struct hand *h, struct hand_task *t, int64_t now_ns)
{
    struct hand_work *w = h->work;
    char kind[] = "report", fingerprint[] = "bench";
    const size_t size = write_report(w);
    const struct digest digest = digest_of(w->report, size);
    Farm__Attempt attempt = attempt_of(t);
    Farm__Output output = FARM__OUTPUT__INIT, *outputs[] = {&output};
    Farm__Offer m = FARM__OFFER__INIT;
    output.kind = kind;
    output.sha256 = output.frames_sha256 = codec_digest(&digest);
    output.size_bytes = size;
    output.frames = w->options->frames;
    output.width = w->options->width;
    output.height = w->options->height;
    output.data = (ProtobufCBinaryData){size, (uint8_t *)w->report};
    m.attempt = &attempt;
    m.recipe_digest = codec_digest(&t->recipe);
    m.model_digest = codec_digest(&t->model);
    m.fingerprint = fingerprint;
    m.outputs = outputs;
    m.n_outputs = 1;
    m.steps_computed = 1;
    m.render_ms = 1;
    if (SAY(h, OFFER, offer, &m)) t->offered_ns = now_ns;
}

/* The oldest: what waits behind another in its slot comes later. */
static struct hand_task *next_to_offer(struct hand *h)
{
    struct hand_task *oldest = NULL;
    for (uint32_t i = 0; i < h->held_count; i++) {
        struct hand_task *t = &h->held[i];
        if (t->offered_ns == 0 && (oldest == NULL || t->given < oldest->given)) oldest = t;
    }
    return oldest;
}

/* ---- hearing ---- */

static struct hand_task *find_task(struct hand *h, const Farm__Attempt *a)
{
    for (uint32_t i = 0; i < h->held_count; i++) {
        struct hand_task *t = &h->held[i];
        if (t->clip == a->clip && t->number == a->task && t->fence == a->fence &&
            strcmp(t->batch, a->batch) == 0)
            return t;
    }
    return NULL;
}

static void let_go(struct hand *h, struct hand_task *t)
{
    *t = h->held[--h->held_count];
}

static void hear_canary(struct hand *h, const Farm__Assign *m)
{
    Farm__CanaryDone done = FARM__CANARY_DONE__INIT;
    done.number = m->attempt->fence;
    done.slot = m->slot;
    done.frames_sha256 = codec_digest(&h->work->options->canary);
    (void)SAY(h, CANARY_DONE, canary_done, &done);
    if (!h->admitted) tally_admitted(&h->work->tally);
    h->admitted = true;
}

/* Nothing is rendered here: said in the words of a machine without memory, once for each size. */
static void refuse(struct hand *h, Farm__Attempt *a)
{
    Farm__HandedBack m = FARM__HANDED_BACK__INIT;
    m.attempt = a;
    m.reason = FARM__HAND_BACK_REASON__HAND_BACK_MEMORY;
    (void)SAY(h, HANDED_BACK, handed_back, &m);
}

static void hear_assign(struct hand *h, const Farm__Assign *m)
{
    struct hand_work *w = h->work;
    h->last_message = m->message;
    if (m->canary) {
        hear_canary(h, m);
        return;
    }
    if (strstr(m->recipe, "\"report\":true") == NULL) {
        refuse(h, m->attempt);
        return;
    }
    tally_assigned(&w->tally);
    if (h->held_count == HAND_TASKS_MAX || find_task(h, m->attempt) != NULL) return;
    struct hand_task *t = &h->held[h->held_count++];
    *t = (struct hand_task){.clip = m->attempt->clip,
                            .number = m->attempt->task,
                            .slot = m->slot,
                            .fence = m->attempt->fence,
                            .given = ++w->given,
                            .recipe = digest_of(m->recipe, strlen(m->recipe))};
    (void)snprintf(t->batch, sizeof t->batch, "%s", m->attempt->batch);
    (void)codec_digest_get(&m->model_digest, &t->model);
    if (w->options->rate <= 0) offer(h, t, clock_now_ns());
}

static void hear_stored(struct hand *h, const Farm__Attempt *a)
{
    struct hand_task *t = find_task(h, a);
    if (t == NULL) return;
    tally_stored(&h->work->tally, t->offered_ns);
    let_go(h, t);
}

static void hear_loss(struct hand *h, const Farm__Attempt *a, void (*count)(struct tally *t))
{
    struct hand_task *t = find_task(h, a);
    count(&h->work->tally);
    if (t != NULL) let_go(h, t);
}

static void hand_back(struct hand *h, Farm__Attempt *a)
{
    struct hand_task *t = find_task(h, a);
    Farm__HandedBack m = FARM__HANDED_BACK__INIT;
    if (t != NULL && t->offered_ns != 0) return; /* its result is on the way */
    m.attempt = a;
    m.reason = t != NULL ? FARM__HAND_BACK_REASON__HAND_BACK_RECALLED
                         : FARM__HAND_BACK_REASON__HAND_BACK_UNKNOWN;
    (void)SAY(h, HANDED_BACK, handed_back, &m);
    if (t != NULL) let_go(h, t);
}

static void hear_welcome(struct hand *h, const Farm__Welcome *m)
{
    const int64_t now_ns = clock_now_ns();
    if (h->session == 0) tally_welcomed(&h->work->tally); /* a Hello said twice is one session */
    h->session = m->session;
    h->heartbeat_ms = m->heartbeat_ms;
    h->beat_ns = now_ns + (int64_t)m->heartbeat_ms * NS_PER_MS;
    h->last_message = 0;
    for (uint32_t i = 0; i < h->held_count; i++)
        if (h->held[i].offered_ns != 0) offer(h, &h->held[i], now_ns);
}

static void hear(struct hand *h, const Farm__Envelope *e)
{
    switch (e->body_case) {
    case FARM__ENVELOPE__BODY_WELCOME:
        hear_welcome(h, e->welcome);
        break;
    case FARM__ENVELOPE__BODY_WHO_ARE_YOU:
        h->session = 0;
        say_hello(h);
        break;
    case FARM__ENVELOPE__BODY_BYE:
        h->session = 0;
        break;
    case FARM__ENVELOPE__BODY_ASSIGN:
        hear_assign(h, e->assign);
        break;
    case FARM__ENVELOPE__BODY_STORED:
        hear_stored(h, e->stored->attempt);
        break;
    case FARM__ENVELOPE__BODY_DROPPED:
        hear_loss(h, e->dropped->attempt, tally_dropped);
        break;
    case FARM__ENVELOPE__BODY_CANCEL:
        h->last_message = e->cancel->message;
        hear_loss(h, e->cancel->attempt, tally_canceled);
        break;
    case FARM__ENVELOPE__BODY_RECALL:
        h->last_message = e->recall->message;
        hand_back(h, e->recall->attempt);
        break;
    default:
        break;
    }
}

static void on_receive(void *context, const struct zsock_received *m)
{
    struct error err = {0};
    struct message *message =
        codec_decode(m->envelope, (struct bytes){NULL, 0}, MESSAGE_TO_WORKER, &err);
    if (message == NULL) return;
    hear(context, message->envelope);
    message_free(message);
}

static void on_event(void *context, enum zsock_event event)
{
    struct hand *h = context;
    if (event == ZSOCK_READY) say_hello(h);
    if (event == ZSOCK_LOST) h->session = 0;
}

/* ---- life ---- */

bool hand_open(struct hand *h, struct hand_work *work, uint32_t number, struct error *err)
{
    struct key_pair keys;
    h->work = work;
    h->number = number;
    id_random(h->boot_id, sizeof h->boot_id);
    hand_key(work->options->seed, number, &keys);
    const struct zsock_options o = {.url = work->options->url,
                                    .keys = &keys,
                                    .server_key = work->options->server_key,
                                    .on_receive = on_receive,
                                    .on_event = on_event,
                                    .context = h};
    h->sock = zsock_open(&work->loop, work->zmq, &o, err);
    keys_wipe(&keys);
    h->hello_ns = clock_now_ns();
    return h->sock != NULL;
}

void hand_close(struct hand *h)
{
    char reason[] = "the measurement is over";
    Farm__Leaving m = FARM__LEAVING__INIT;
    m.reason = reason;
    m.drained = true;
    if (h->session != 0) (void)SAY(h, LEAVING, leaving, &m);
    zsock_close(h->sock, NULL, NULL);
}

bool hand_offer_next(struct hand *h, int64_t now_ns)
{
    struct hand_task *t = h->session != 0 ? next_to_offer(h) : NULL;
    if (t != NULL) offer(h, t, now_ns);
    return t != NULL;
}

void hand_look_after(struct hand *h, int64_t now_ns)
{
    if (h->session == 0 && now_ns - h->hello_ns > HELLO_AGAIN_NS) say_hello(h);
    if (h->session == 0) return;
    if (now_ns >= h->beat_ns) beat(h, now_ns);
    if (h->work->options->rate <= 0) (void)hand_offer_next(h, now_ns); /* the socket was full */
}
