/* A real coordinator, and workers that answer the canary of a model: what they are given, and which
 * answers lead to work. Their fingerprint is one that canary.json does not know: the frame counts.
 */
#include "wire/farm_peer.h"

#define WORKERS 6

struct cast {
    struct farm_process farm;
    struct key_pair keys[WORKERS];
    struct peer admin;
    uint8_t frame[LIMIT_CANARY_BYTES]; /* the right one */
    struct digest model;
};

static struct cast cast;

/* ---- a farm with work of `shapes` ---- */

static void submit(struct peer *p)
{
    char batch[ID_BATCH_SIZE];
    peer_submit(p, "one\ntwo\nthree\nfour\nfive\nsix\n",
                "{\"model\":\"shapes\",\"num_inference_steps\":2}", batch);
}

static void read_canary(void)
{
    struct error err = {0};
    json_t *file = json_parse_file(TEST_SOURCE "/models/shapes/canary.json", 65536, &err);
    if (file == NULL) fail_msg("%s", err.message);
    const json_t *frame = json_object_get(file, "frame");
    const char *model = json_string_value(json_object_get(file, "model_sha256"));
    assert_true(hex_decode(json_string_value(json_object_get(frame, "rgb")), cast.frame,
                           sizeof(cast.frame)));
    assert_true(digest_parse(model, &cast.model));
    json_decref(file);
}

static int open_cast(void **state)
{
    (void)state;
    char role[] = "worker", name[] = "w0";
    read_canary();
    farm_open(&cast.farm);
    cast.admin = peer_client(&cast.farm, &cast.farm.admin);
    for (size_t i = 0; i < WORKERS; i++) {
        name[1] = (char)('0' + i);
        keys_generate(&cast.keys[i]);
        peer_allow(&cast.admin, &cast.keys[i], role, name);
    }
    submit(&cast.admin);
    return 0;
}

static int close_cast(void **state)
{
    (void)state;
    peer_close(&cast.admin);
    farm_close(&cast.farm);
    return 0;
}

/* ---- answers ---- */

/* Joins, is admitted, and has the canary of the model: its number. */
static uint64_t take_canary(struct peer *p, size_t worker)
{
    struct digest model;
    *p = peer_open(&cast.farm, false, &cast.keys[worker]);
    (void)peer_join(p);
    peer_pass_canary(p);
    struct message *m = peer_expect(p, FARM__ENVELOPE__BODY_ASSIGN);
    const Farm__Assign *assign = m->envelope->assign;
    assert_true(assign->canary && assign->own);
    assert_string_equal(assign->attempt->batch, "");
    assert_string_equal(assign->model, "shapes");
    assert_true(codec_digest_get(&assign->model_digest, &model));
    assert_true(digest_equal(&model, &cast.model));
    assert_non_null(strstr(assign->recipe, "\"num_frames\":1,\"num_inference_steps\":2"));
    uint64_t number = assign->attempt->fence;
    message_free(m);
    return number;
}

static void answer(struct peer *p, uint64_t number, const uint8_t *rgb, uint32_t width,
                   uint32_t height, const struct digest *told)
{
    const size_t size = (size_t)width * height * 3;
    const struct digest digest = told != NULL ? *told : digest_of(rgb, size);
    Farm__CanaryDone done = FARM__CANARY_DONE__INIT;
    done.number = number;
    done.frames_sha256 = codec_digest(&digest);
    done.model_digest = codec_digest(&cast.model);
    done.frames = (ProtobufCBinaryData){size, (uint8_t *)(uintptr_t)rgb};
    done.width = width;
    done.height = height;
    PEER_SAY(p, CANARY_DONE, canary_done, &done);
}

/* State and reason of a worker, as the farm tells them. */
static void expect_quarantine(size_t worker, const char *reason)
{
    char name[] = "w0";
    Farm__WorkersWanted wanted = FARM__WORKERS_WANTED__INIT;
    name[1] = (char)('0' + worker);
    wanted.name = name;
    PEER_SAY(&cast.admin, WORKERS_WANTED, workers_wanted, &wanted);
    struct message *m = peer_expect(&cast.admin, FARM__ENVELOPE__BODY_WORKERS);
    assert_int_equal(m->envelope->workers->n_workers, 1);
    assert_string_equal(m->envelope->workers->workers[0]->state, "quarantined");
    assert_string_equal(m->envelope->workers->workers[0]->reason, reason);
    message_free(m);
}

/* ---- tests ---- */

/* Other kernels: a level here and there. */
static void nearly_the_frame_is_right(void **state)
{
    (void)state;
    struct peer p;
    uint8_t rgb[LIMIT_CANARY_BYTES];
    uint64_t number = take_canary(&p, 0);
    for (size_t i = 0; i < sizeof(rgb); i++)
        rgb[i] = (uint8_t)(cast.frame[i] ^ (i % 7 == 0));
    answer(&p, number, rgb, CANARY_SIDE, CANARY_SIDE, NULL);
    struct message *m = peer_expect(&p, FARM__ENVELOPE__BODY_ASSIGN);
    assert_false(m->envelope->assign->canary);
    assert_false(m->envelope->assign->own);
    message_free(m);
    peer_close(&p);
}

static void others_are_not(void **state)
{
    (void)state;
    static uint8_t other[LIMIT_CANARY_BYTES], black[LIMIT_CANARY_BYTES];
    static const char wrong[] = "canary of model shapes wrong: ";
    const struct digest lie = {{1}};
    for (size_t i = 0; i < sizeof(other); i++)
        other[i] = (uint8_t)(255 - cast.frame[i]);
    const struct {
        const uint8_t *rgb;
        uint32_t width, height;
        const struct digest *told;
        const char *reason;
    } rows[] = {
        {other, 64, 64, NULL, "other frames than expected"},
        {black, 64, 64, NULL, "its frame is black"},
        {cast.frame, 64, 32, NULL, "its frame has another size"},
        {cast.frame, 0, 0, &lie, "its frame has another size"},
        {cast.frame, 64, 64, &lie, "its frame is not what it says"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char reason[256];
        struct peer p;
        uint64_t number = take_canary(&p, i + 1);
        answer(&p, number, rows[i].rgb, rows[i].width, rows[i].height, rows[i].told);
        peer_expect_silence(&p, 300); /* no work */
        (void)snprintf(reason, sizeof(reason), "%s%s", wrong, rows[i].reason);
        expect_quarantine(i + 1, reason);
        peer_close(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nearly_the_frame_is_right),
        cmocka_unit_test(others_are_not),
    };
    return cmocka_run_group_tests(tests, open_cast, close_cast);
}
