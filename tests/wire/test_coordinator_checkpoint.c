/* Checkpoints of a task at a real coordinator: which are kept, and who goes on from them. */
#include "wire/plan_peer.h"

/* As an engine leaves it: the state, then the latents. */
static struct buf make_checkpoint(const struct labour *w, uint32_t step)
{
    char recipe[DIGEST_TEXT_SIZE];
    static const float values[4 * 8 * 8 * 8];
    struct buf out = BUF_INIT;
    digest_text(&cast.recipe, recipe);
    char *state = xasprintf("{\"schema\":1,\"kind\":\"checkpoint\",\"recipe\":\"%s\",\"task\":%u,"
                            "\"first\":%u,\"frames\":8,\"channels\":4,\"height\":8,\"width\":8,"
                            "\"step\":%u,\"steps\":4,\"fingerprint\":\"a test\"}",
                            recipe, w->task, w->task * 6, step);
    char *header =
        xasprintf("{\"state\":{\"dtype\":\"U8\",\"shape\":[%zu],\"data_offsets\":[0,"
                  "%zu]},\"latents.0\":{\"dtype\":\"F32\",\"shape\":[4,8,8,8],"
                  "\"data_offsets\":[%zu,%zu]}}",
                  strlen(state), strlen(state), strlen(state), strlen(state) + sizeof(values));
    const uint64_t size = strlen(header);
    for (int i = 0; i < 8; i++)
        buf_append_char(&out, (char)(size >> (8 * i)));
    buf_append_text(&out, header);
    buf_append_text(&out, state);
    buf_append(&out, values, sizeof(values));
    free(header);
    free(state);
    return out;
}

static void say_checkpoint(const struct labour *w, uint32_t step, const struct buf *bytes)
{
    char fingerprint[] = "a test";
    Farm__Attempt attempt = attempt_of(w);
    Farm__Checkpoint m = FARM__CHECKPOINT__INIT;
    struct digest sha256 = digest_of(bytes->data, bytes->size);
    m.attempt = &attempt;
    m.step = step;
    m.steps = 4;
    m.sha256 = codec_digest(&sha256);
    m.size_bytes = bytes->size;
    m.fingerprint = fingerprint;
    m.recipe_digest = codec_digest(&cast.recipe);
    PEER_SAY(&cast.worker, CHECKPOINT, checkpoint, &m);
}

static bool send_checkpoint(const struct labour *w, uint32_t step, const struct buf *bytes)
{
    const struct buf *files[] = {bytes};
    say_checkpoint(w, step, bytes);
    struct message *m = upload(w, files, CHECKPOINT_OUTPUT, FARM__ENVELOPE__BODY_CHECKPOINT_SEEN,
                               FARM__ENVELOPE__BODY_CHECKPOINT_SEEN);
    assert_int_equal(m->envelope->checkpoint_seen->step, step);
    bool kept = m->envelope->checkpoint_seen->kept;
    message_free(m);
    return kept;
}

static void a_lost_attempt_goes_on_from_its_checkpoint(void **state)
{
    (void)state;
    deliver_tasks(0, 1);
    struct labour w = take_task(1);
    struct buf first = make_checkpoint(&w, 2), second = make_checkpoint(&w, 3);
    assert_true(send_checkpoint(&w, 2, &first));
    assert_true(send_checkpoint(&w, 3, &second));
    assert_false(send_checkpoint(&w, 2, &first)); /* another is further */
    restart();
    w = take_task(1);
    assert_int_equal(w.input_count, 2);
    expect_input(&w, 0, 0, "latents", &cast.made[0].latents);
    expect_input(&w, 1, 1, "checkpoint", &second);
    assert_int_equal(w.inputs[1].step, 3);
    fetch(&cast.worker, &w.inputs[1].sha256, &second);
    char *old = artifact_path(&first), *kept = artifact_path(&second);
    assert_false(path_exists(old));
    assert_true(path_exists(kept));
    deliver(&w);
    w = take_task(2);
    assert_int_equal(w.input_count, 1);
    assert_false(path_exists(kept)); /* its task is done */
    free(old);
    free(kept);
    buf_finish(&first);
    buf_finish(&second);
}

static void checkpoints_of_something_else_are_not_kept(void **state)
{
    (void)state;
    struct labour w = take_task(0), other = {.task = 1};
    struct buf foreign = make_checkpoint(&other, 2), early = make_checkpoint(&w, 1);
    struct buf noise = BUF_INIT;
    buf_append(&noise, cast.made[0].segment.data, 5000);
    assert_false(send_checkpoint(&w, 2, &foreign)); /* another task's */
    assert_false(send_checkpoint(&w, 2, &early));   /* of another step than was said */
    assert_false(send_checkpoint(&w, 2, &noise));
    assert_false(send_checkpoint(&w, 2, &cast.made[0].latents)); /* no checkpoint */
    restart();
    w = take_task(0);
    assert_int_equal(w.input_count, 0);
    buf_finish(&foreign);
    buf_finish(&early);
    buf_finish(&noise);
}

static void a_checkpoint_that_is_gone_is_forgotten(void **state)
{
    (void)state;
    struct labour w = take_task(0);
    struct buf bytes = make_checkpoint(&w, 2);
    assert_true(send_checkpoint(&w, 2, &bytes));
    lose(&bytes);
    restart();
    w = take_task(0);
    assert_int_equal(w.input_count, 0); /* anew */
    deliver(&w);
    buf_finish(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FARM_TEST(a_lost_attempt_goes_on_from_its_checkpoint),
        FARM_TEST(checkpoints_of_something_else_are_not_kept),
        FARM_TEST(a_checkpoint_that_is_gone_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, free_made);
}
