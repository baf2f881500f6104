/* A farm with a batch of three clips that nobody renders, and workers that lie about results. */
#ifndef ZOE_TESTS_WIRE_LIAR_H
#define ZOE_TESTS_WIRE_LIAR_H

#include "wire/farm_peer.h"

#define SEGMENT_BYTES 100000

struct cast {
    struct farm_process farm;
    struct key_pair keys[2];
    struct peer admin;
    char batch[ID_BATCH_SIZE];
};

static struct cast cast;

static inline void cast_open(const char *bin)
{
    char role[] = "worker", w1[] = "w1", w2[] = "w2";
    farm_open_from(&cast.farm, bin);
    cast.admin = peer_client(&cast.farm, &cast.farm.admin);
    keys_generate(&cast.keys[0]);
    keys_generate(&cast.keys[1]);
    peer_allow(&cast.admin, &cast.keys[0], role, w1);
    peer_allow(&cast.admin, &cast.keys[1], role, w2);
    peer_submit(&cast.admin, "one\ntwo\nthree\n",
                "{\"model\":\"pattern\",\"width\":64,\"height\":64,\"num_frames\":4}", cast.batch);
}

static inline int cast_close(void **state)
{
    (void)state;
    peer_close(&cast.admin);
    farm_close(&cast.farm);
    return 0;
}

/* ---- a worker with a task ---- */

struct labour {
    struct peer peer;
    uint64_t session;
    uint32_t clip;
    uint64_t fence;
    struct digest recipe;
    struct digest model;
};

/* Joins, passes the canary, gets a task. */
static inline void labour_begin(struct labour *w, int index)
{
    memset(w, 0, sizeof(*w));
    w->peer = peer_open(&cast.farm, false, &cast.keys[index]);
    w->session = peer_join(&w->peer);
    peer_pass_canary(&w->peer);
    struct message *m = peer_expect(&w->peer, FARM__ENVELOPE__BODY_ASSIGN);
    const Farm__Assign *assign = m->envelope->assign;
    assert_false(assign->canary);
    assert_string_equal(assign->attempt->batch, cast.batch);
    w->clip = assign->attempt->clip;
    w->fence = assign->attempt->fence;
    w->recipe = digest_of(assign->recipe, strlen(assign->recipe));
    assert_true(codec_digest_get(&assign->model_digest, &w->model));
    message_free(m);
}

/* Hands all back, so that the next test finds three waiting clips. */
static inline void labour_end(struct labour *w)
{
    Farm__Leaving leaving = FARM__LEAVING__INIT;
    leaving.drained = true;
    Farm__Heartbeat beat = FARM__HEARTBEAT__INIT;
    beat.session = w->session;
    PEER_SAY(&w->peer, LEAVING, leaving, &leaving);
    PEER_SAY(&w->peer, HEARTBEAT, heartbeat, &beat);
    peer_skip(&w->peer, FARM__ENVELOPE__BODY_WHO_ARE_YOU); /* those were its last words */
    peer_close(&w->peer);
}

static inline void offer_as(struct labour *w, char *batch, uint32_t clip, uint64_t fence,
                            const struct digest *recipe, const struct digest *sha256)
{
    char kind[] = "segment", fingerprint[] = "a test";
    Farm__Attempt attempt = FARM__ATTEMPT__INIT;
    Farm__Output output = FARM__OUTPUT__INIT, *outputs[] = {&output};
    Farm__Offer offer = FARM__OFFER__INIT;
    attempt.batch = batch;
    attempt.clip = clip;
    attempt.fence = fence;
    output.kind = kind;
    output.sha256 = output.frames_sha256 = codec_digest(sha256);
    output.size_bytes = SEGMENT_BYTES;
    output.frames = 4;
    output.width = output.height = 64;
    offer.attempt = &attempt;
    offer.recipe_digest = codec_digest(recipe);
    offer.model_digest = codec_digest(&w->model);
    offer.fingerprint = fingerprint;
    offer.outputs = outputs;
    offer.n_outputs = 1;
    PEER_SAY(&w->peer, OFFER, offer, &offer);
}

static inline void offer_own(struct labour *w, const struct digest *sha256)
{
    offer_as(w, cast.batch, w->clip, w->fence, &w->recipe, sha256);
}

static inline void expect_dropped(struct labour *w, Farm__DropReason reason)
{
    struct message *m = peer_expect(&w->peer, FARM__ENVELOPE__BODY_DROPPED);
    const Farm__Dropped *dropped = m->envelope->dropped;
    if (dropped->reason != reason) fail_msg("%d: %s", (int)dropped->reason, dropped->message);
    message_free(m);
}

static inline void send_chunk(struct labour *w, uint32_t output, uint64_t offset,
                              const uint8_t *bytes, size_t size)
{
    Farm__Attempt attempt = FARM__ATTEMPT__INIT;
    Farm__Chunk chunk = FARM__CHUNK__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    attempt.batch = cast.batch;
    attempt.clip = w->clip;
    attempt.fence = w->fence;
    chunk.attempt = &attempt;
    chunk.output = output;
    chunk.offset = offset;
    envelope.body_case = FARM__ENVELOPE__BODY_CHUNK;
    envelope.chunk = &chunk;
    peer_send(&w->peer, &envelope, (struct bytes){bytes, size});
}

static inline const uint8_t *noise(struct digest *sha256)
{
    static uint8_t bytes[SEGMENT_BYTES];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 31 >> 3);
    *sha256 = digest_of(bytes, sizeof(bytes));
    return bytes;
}

#endif
