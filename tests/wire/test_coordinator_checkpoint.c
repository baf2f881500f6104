/* Checkpoints of a task at a real coordinator: which are kept, and who goes on from them. */
#include "wire/plan_peer.h"

#include <glob.h>

#include "base/log_pace.h"

/* As an engine leaves it: the state, then the latents, 64 values of each channel and frame in rows
 * of `width`. */
static struct buf make_checkpoint_of(const struct labour *w, uint32_t step, uint32_t width)
{
    uint32_t height = 64 / width;
    char recipe[DIGEST_TEXT_SIZE];
    static const float values[4 * 8 * 8 * 8];
    struct buf out = BUF_INIT;
    digest_text(&cast.recipe, recipe);
    char *state = xasprintf("{\"schema\":1,\"kind\":\"checkpoint\",\"recipe\":\"%s\",\"task\":%u,"
                            "\"first\":%u,\"frames\":8,\"channels\":4,\"height\":%u,\"width\":%u,"
                            "\"step\":%u,\"steps\":4,\"fingerprint\":\"a test\"}",
                            recipe, w->task, w->task * 6, height, width, step);
    char *header = xasprintf("{\"state\":{\"dtype\":\"U8\",\"shape\":[%zu],\"data_offsets\":[0,"
                             "%zu]},\"latents.0\":{\"dtype\":\"F32\",\"shape\":[4,8,%u,%u],"
                             "\"data_offsets\":[%zu,%zu]}}",
                             strlen(state), strlen(state), height, width, strlen(state),
                             strlen(state) + sizeof(values));
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

static struct buf make_checkpoint(const struct labour *w, uint32_t step)
{
    return make_checkpoint_of(w, step, 8);
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
    struct buf odd = make_checkpoint_of(&w, 2, 16), noise = BUF_INIT;
    buf_append(&noise, cast.made[0].segment.data, 5000);
    assert_false(send_checkpoint(&w, 2, &foreign)); /* another task's */
    assert_false(send_checkpoint(&w, 2, &early));   /* of another step than was said */
    assert_false(send_checkpoint(&w, 2, &odd));     /* not of the model's shape */
    assert_false(send_checkpoint(&w, 2, &noise));
    assert_false(send_checkpoint(&w, 2, &cast.made[0].latents)); /* no checkpoint */
    restart();
    w = take_task(0);
    assert_int_equal(w.input_count, 0);
    buf_finish(&foreign);
    buf_finish(&early);
    buf_finish(&odd);
    buf_finish(&noise);
}

/* They are as long as was said, and other bytes. */
static void wrong_bytes_have_few_lines_in_the_log(void **state)
{
    (void)state;
    struct labour w = take_task(0);
    struct buf said = make_checkpoint(&w, 2), sent = make_checkpoint(&w, 3);
    const struct buf *files[] = {&sent};
    const unsigned times = 40;
    const int64_t began_ns = clock_now_ns();
    assert_int_equal(said.size, sent.size);
    for (unsigned i = 0; i < times; i++) {
        say_checkpoint(&w, 2, &said);
        struct message *m =
            upload(&w, files, CHECKPOINT_OUTPUT, FARM__ENVELOPE__BODY_CHECKPOINT_SEEN,
                   FARM__ENVELOPE__BODY_CHECKPOINT_SEEN);
        assert_false(m->envelope->checkpoint_seen->kept);
        message_free(m);
    }
    const int64_t more = (clock_now_ns() - began_ns) / LOG_PACE_EVERY_NS + 1;
    const unsigned lines = farm_log_lines(&cast.farm, "a checkpoint is given up");
    assert_in_range(lines, 1, LOG_PACE_BURST + more);
    assert_true(lines < times);
    buf_finish(&said);
    buf_finish(&sent);
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

static json_int_t sidecar_steps(const char *name)
{
    struct error err = {0};
    glob_t found;
    char *pattern = path_join(cast.farm.folder, "state/renders/*/*_s*.json");
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, 1);
    json_t *file = json_parse_file(found.gl_pathv[0], 1 << 20, &err);
    if (file == NULL) fail_msg("%s", err.message);
    json_int_t number = json_integer_value(json_object_get(json_object_get(file, "steps"), name));
    json_decref(file);
    globfree(&found);
    free(pattern);
    return number;
}

/* Its worker was started anew and offers what it had finished: another had gone on meanwhile. */
static void a_late_result_leaves_the_steps_of_its_checkpoint_as_waste(void **state)
{
    (void)state;
    struct labour first = take_task(0);
    struct buf bytes = make_checkpoint(&first, 2);
    assert_true(send_checkpoint(&first, 2, &bytes));
    restart();
    struct labour second = take_task(0);
    assert_int_equal(second.input_count, 1);
    deliver(&first);
    deliver_tasks(1, TASKS);
    await_published();
    assert_int_equal(sidecar_steps("computed"), 4 * TASKS + 2);
    assert_int_equal(sidecar_steps("wasted"), 2);
    buf_finish(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FARM_TEST(a_lost_attempt_goes_on_from_its_checkpoint),
        FARM_TEST(checkpoints_of_something_else_are_not_kept),
        FARM_TEST(wrong_bytes_have_few_lines_in_the_log),
        FARM_TEST(a_checkpoint_that_is_gone_is_forgotten),
        FARM_TEST(a_late_result_leaves_the_steps_of_its_checkpoint_as_waste),
    };
    return cmocka_run_group_tests(tests, NULL, free_made);
}
