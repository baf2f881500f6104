/* What the store keeps of clips of several tasks: plans, fingerprints, checkpoints, outputs that
 * stay for a while; and that a database of the schema before knows nothing of all that and goes on.
 */
#include "drawer.h"

#include <sqlite3.h>

#define HOUR_MS (INT64_C(3600) * 1000)

static struct task_key key_of(uint32_t clip, uint32_t task)
{
    return (struct task_key){.batch = DRAWER_BATCH, .clip = clip, .task = task};
}

static struct shape shape_of(const struct plan *plan)
{
    struct shape shape = {.model = drawer_digest(1),
                          .model_name = "shapes",
                          .width = 64,
                          .height = 48,
                          .frames = plan->frames,
                          .steps = 4,
                          .fps = 8,
                          .plan = *plan};
    return shape;
}

static void add_batch(struct store *s, const struct shape *shapes, uint32_t groups)
{
    static const struct clip_run runs[] = {{0, 0}};
    struct clip_counts counts[4] = {{{0}, 0}};
    struct store_batch b = {.folder = "f", .key = "k", .options = "{}"};
    memcpy(b.spec.id, DRAWER_BATCH, sizeof b.spec.id);
    b.spec.name = b.spec.owner = "ann";
    b.spec.sequence = 1;
    b.spec.prompts = b.spec.clips = 10;
    b.spec.shapes = shapes;
    b.spec.groups = groups;
    b.spec.runs = runs;
    b.spec.run_count = 1;
    struct batch_record r = {.group_counts = counts};
    store_batch_add(s, &b, &r);
}

/* ---- plans ---- */

struct seen_shapes {
    struct shape shapes[4];
    uint32_t groups;
};

static void see_shapes(void *context, const struct store_batch *b, const struct batch_record *r)
{
    struct seen_shapes *seen = context;
    (void)r;
    seen->groups = b->spec.groups;
    memcpy(seen->shapes, b->spec.shapes, b->spec.groups * sizeof seen->shapes[0]);
}

static void plans_come_back(void **state)
{
    struct error err;
    struct seen_shapes seen = {.groups = 0};
    struct store *s = drawer_open(state);
    struct plan plans[] = {plan_whole(16, 4), plan_whole(16, 2), plan_whole(64, 4),
                           plan_whole(200, 30)};
    plans[2].method = PLAN_CHAIN;
    plans[2].window = 16;
    plans[2].overlap = 4;
    plans[2].cut_count = 2;
    plans[2].cuts[0] = 20;
    plans[2].cuts[1] = 41;
    plans[3].method = PLAN_UPSCALE;
    plans[3].window = 24;
    plans[3].overlap = 5;
    plans[3].sync_every = 3;
    plans[3].upscale_steps = 7;
    struct shape shapes[4];
    for (int i = 0; i < 4; i++)
        shapes[i] = shape_of(&plans[i]);
    shapes[3].second_model = drawer_digest(2);
    snprintf(shapes[3].second_name, sizeof shapes[3].second_name, "large");
    shapes[3].second_width = 1024;
    shapes[3].second_height = 576;
    shapes[3].second_steps = 20;
    add_batch(s, shapes, 4);
    drawer_commit(s);
    assert_ok(store_each_batch(s, see_shapes, &seen, &err), err);
    assert_int_equal(seen.groups, 4);
    for (int i = 0; i < 4; i++) {
        assert_memory_equal(&seen.shapes[i].plan, &plans[i], sizeof plans[i]);
        assert_true(digest_equal(&seen.shapes[i].second_model, &shapes[i].second_model));
        assert_string_equal(seen.shapes[i].second_name, shapes[i].second_name);
        assert_int_equal(seen.shapes[i].second_width, shapes[i].second_width);
        assert_int_equal(seen.shapes[i].second_height, shapes[i].second_height);
        assert_int_equal(seen.shapes[i].second_steps, shapes[i].second_steps);
    }
    store_close(s);
}

static void change(void **state, const char *sql)
{
    sqlite3 *db;
    char *path = ground_path(state, "farm.db"), *why = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK) fail_msg("%s", why);
    sqlite3_close(db);
    free(path);
}

/* A plan that its functions would divide by, or that names nothing, is damage. */
static void impossible_plans_are_damage(void **state)
{
    static const char *const wrong[] = {
        "'$[0].plan.window', 0",      "'$[0].plan.window', 65",  "'$[0].plan.overlap', 16",
        "'$[0].plan.sync_every', 0",  "'$[0].plan.start', 64",   "'$[0].plan.start', -1",
        "'$[0].plan.method', 'what'", "'$[0].plan.cuts[0]', 64", "'$[0].plan.cuts[0]', 'x'"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct error err;
        struct seen_shapes seen = {.groups = 0};
        struct store *s = drawer_open(state);
        struct plan plan = plan_whole(64, 4);
        plan.method = PLAN_CHAIN;
        plan.window = 16;
        plan.overlap = 4;
        plan.cut_count = 1;
        plan.cuts[0] = 30;
        struct shape shape = shape_of(&plan);
        store_batch_remove(s, DRAWER_BATCH);
        add_batch(s, &shape, 1);
        drawer_commit(s);
        assert_ok(store_each_batch(s, see_shapes, &seen, &err), err);
        store_close(s);
        char *sql = xasprintf("UPDATE spec SET shapes = json_set(shapes, %s)", wrong[i]);
        change(state, sql);
        free(sql);
        s = drawer_open(state);
        if (store_each_batch(s, see_shapes, &seen, &err)) fail_msg("%s went through", wrong[i]);
        assert_int_equal(err.code, ERROR_CORRUPT);
        store_close(s);
        change(state, "DELETE FROM batch; DELETE FROM spec; DELETE FROM removal");
    }
}

/* ---- tasks ---- */

static void see_attempt(void *context, const struct attempt_record *a)
{
    *(uint32_t *)context += a->resumed_step;
}

static void sum_attempts(void *context, const struct store_attempt *a)
{
    *(uint32_t *)context = *(uint32_t *)context * 100 + a->task * 10 + a->resumed_step;
}

static void tasks_tell_of_checkpoints(void **state)
{
    struct error err;
    struct store *s = drawer_open(state);
    struct plan plan = plan_whole(16, 4);
    struct shape shape = shape_of(&plan);
    struct task_record t = {.key = key_of(0, 3),
                            .state = TASK_DONE,
                            .open = true,
                            .fingerprint = "cpu 1",
                            .checkpoint_step = 9,
                            .checkpoint_fingerprint = "cpu 2",
                            .checkpoint_fence = UINT64_C(1) << 48};
    add_batch(s, &shape, 1);
    store_task_save(s, &t);
    struct task_record back;
    assert_ok(store_task(s, &t.key, &back, &err), err);
    assert_string_equal(back.fingerprint, "cpu 1");
    assert_int_equal(back.checkpoint_step, 9);
    assert_string_equal(back.checkpoint_fingerprint, "cpu 2");
    assert_true(back.checkpoint_fence == UINT64_C(1) << 48);
    t.fingerprint = t.checkpoint_fingerprint = NULL;
    t.checkpoint_step = 0;
    store_task_save(s, &t);
    assert_ok(store_task(s, &t.key, &back, &err), err);
    assert_string_equal(back.fingerprint, "");
    assert_int_equal(back.checkpoint_step, 0);
    assert_string_equal(back.checkpoint_fingerprint, "");

    struct attempt_record a = {.task = key_of(0, 3), .fence = 1, .worker = "w", .resumed_step = 5};
    store_attempt_save(s, &a, 1);
    a = (struct attempt_record){.task = key_of(0, 1), .fence = 1, .worker = "w", .resumed_step = 2};
    store_attempt_save(s, &a, 1);
    uint32_t sum = 0;
    assert_ok(store_each_live_attempt(s, see_attempt, &sum, &err), err);
    assert_int_equal(sum, 7);
    sum = 0;
    assert_ok(store_each_clip_attempt(s, DRAWER_BATCH, 0, sum_attempts, &sum, &err), err);
    assert_int_equal(sum, 1235); /* task 1 from step 2, task 3 from step 5 */
    store_close(s);
}

/* ---- outputs ---- */

static void save_output(struct store *s, uint32_t task, uint32_t index, const char *kind,
                        uint64_t n)
{
    struct output_record o = {.task = key_of(0, task), .index = index, .fingerprint = "fp"};
    snprintf(o.output.kind, sizeof o.output.kind, "%s", kind);
    o.output.sha256 = drawer_digest(n);
    o.output.size_bytes = n;
    o.output.frames = 16;
    store_output_save(s, &o);
}

struct list {
    char text[256];
};

static void note_output(void *context, const struct output_record *o)
{
    struct list *list = context;
    size_t at = strlen(list->text);
    snprintf(list->text + at, sizeof list->text - at, "%u.%u=%c%llu ", o->task.task, o->index,
             o->output.kind[0], (unsigned long long)o->output.size_bytes);
}

static const char *outputs(struct store *s, struct list *list)
{
    struct error err;
    list->text[0] = '\0';
    assert_ok(store_each_clip_output(s, DRAWER_BATCH, 0, note_output, list, &err), err);
    return list->text;
}

static void add_upscaled_clip(struct store *s)
{
    struct plan plan = plan_whole(16, 4);
    struct shape shape = shape_of(&plan);
    add_batch(s, &shape, 1);
    save_output(s, 0, 0, "segment", 10); /* of the first stage: not published */
    save_output(s, 0, 1, "latents", 11);
    save_output(s, 2, 0, "segment", 30);
    save_output(s, 2, 1, "latents", 31);
    save_output(s, 1, 0, "latents", 20);
    save_output(s, 3, 0, "segment", 40);
    save_output(s, 3, 1, "latents", 41);
    save_output(s, 3, CHECKPOINT_OUTPUT, "checkpoint", 44);
    drawer_commit(s);
}

static void outputs_of_a_clip_in_order(void **state)
{
    struct list list;
    struct store *s = drawer_open(state);
    add_upscaled_clip(s);
    assert_string_equal(outputs(s, &list), "0.0=s10 0.1=l11 1.0=l20 2.0=s30 2.1=l31 3.0=s40 "
                                           "3.1=l41 3.4=c44 ");
    struct task_key key = key_of(0, 3);
    store_checkpoint_drop(s, &key);
    key = key_of(0, 1);
    store_checkpoint_drop(s, &key); /* it has none */
    assert_string_equal(outputs(s, &list), "0.0=s10 0.1=l11 1.0=l20 2.0=s30 2.1=l31 3.0=s40 "
                                           "3.1=l41 ");
    store_close(s);
}

static void published_parts_stay_for_their_time(void **state)
{
    struct list list;
    struct store *s = drawer_open(state);
    const struct store_retirement kept = {.first_segment = 2,
                                          .latents = 3,
                                          .segments_until_ms = 24 * HOUR_MS,
                                          .latents_until_ms = 168 * HOUR_MS};
    add_upscaled_clip(s);
    store_clip_retire(s, DRAWER_BATCH, 0, &kept);
    drawer_commit(s);
    assert_string_equal(outputs(s, &list), "2.0=s30 3.0=s40 3.1=l41 ");
    assert_false(store_outputs_expire(s, 24 * HOUR_MS));
    assert_true(store_outputs_expire(s, 24 * HOUR_MS + 1));
    assert_string_equal(outputs(s, &list), "3.1=l41 ");
    assert_true(store_outputs_expire(s, 168 * HOUR_MS + 1));
    assert_string_equal(outputs(s, &list), "");
    store_close(s);
}

static void parts_can_stay_with_their_batch(void **state)
{
    struct list list;
    struct store *s = drawer_open(state);
    const struct store_retirement kept = {.first_segment = 2, .latents = 3};
    add_upscaled_clip(s);
    store_clip_retire(s, DRAWER_BATCH, 0, &kept);
    assert_false(store_outputs_expire(s, INT64_MAX));
    assert_string_equal(outputs(s, &list), "2.0=s30 3.0=s40 3.1=l41 ");
    store_batch_remove(s, DRAWER_BATCH);
    assert_string_equal(outputs(s, &list), "");
    store_close(s);
}

/* ---- inputs ---- */

static void inputs_tell_of_sound_and_latents(void **state)
{
    struct error err;
    struct store *s = drawer_open(state);
    struct input_record sound = {
        .sha256 = drawer_digest(1), .size_bytes = 5, .format = "WAV", .audio_ms = 2500};
    struct input_record latents = {.sha256 = drawer_digest(2),
                                   .size_bytes = 6,
                                   .kind = INPUT_LATENTS,
                                   .frames = 16,
                                   .width = 8,
                                   .height = 6,
                                   .format = "latents"};
    struct input_record back;
    store_input_add(s, &sound);
    store_input_add(s, &latents);
    assert_ok(store_input(s, &sound.sha256, &back, &err), err);
    assert_int_equal(back.kind, INPUT_MEDIA);
    assert_int_equal(back.frames, 0);
    assert_int_equal(back.audio_ms, 2500);
    assert_ok(store_input(s, &latents.sha256, &back, &err), err);
    assert_int_equal(back.kind, INPUT_LATENTS);
    assert_int_equal(back.frames, 16);
    assert_int_equal(back.audio_ms, 0);
    store_close(s);
}

/* ---- the schema before ---- */

static void load_version_2(void **state)
{
    struct error err;
    struct buf sql = BUF_INIT;
    assert_ok(path_read(TEST_DATA "/store/version_2.sql", 1 << 20, &sql, &err), err);
    change(state, buf_text(&sql));
    buf_finish(&sql);
}

static void see_open_task(void *context, const struct task_record *t)
{
    assert_int_equal(t->key.clip, 1);
    assert_int_equal(t->state, TASK_DONE);
    assert_int_equal(t->blamed_count, 1);
    assert_string_equal(t->blamed[0], "w2");
    assert_string_equal(t->winner, "w1");
    assert_string_equal(t->fingerprint, "");
    assert_int_equal(t->checkpoint_step, 0);
    (*(int *)context)++;
}

static void version_2_goes_on(void **state)
{
    struct error err;
    struct seen_shapes seen = {.groups = 0};
    struct list list;
    struct input_record input;
    int tasks = 0;
    uint32_t history = 0;
    load_version_2(state);
    struct store *s = drawer_open(state);
    const struct plan whole = plan_whole(16, 4);
    assert_ok(store_each_batch(s, see_shapes, &seen, &err), err);
    assert_int_equal(seen.groups, 1);
    assert_memory_equal(&seen.shapes[0].plan, &whole, sizeof whole);
    assert_true(digest_is_zero(&seen.shapes[0].second_model));
    assert_ok(store_each_open_task(s, see_open_task, &tasks, &err), err);
    assert_int_equal(tasks, 1);
    assert_ok(store_each_clip_attempt(s, DRAWER_BATCH, 1, sum_attempts, &history, &err), err);
    list.text[0] = '\0';
    assert_ok(store_each_clip_output(s, DRAWER_BATCH, 1, note_output, &list, &err), err);
    assert_string_equal(list.text, "0.0=s678 ");
    assert_false(store_outputs_expire(s, INT64_MAX)); /* nothing of old has a time */
    struct digest sha256;
    memset(sha256.bytes, 5, sizeof sha256.bytes);
    assert_ok(store_input(s, &sha256, &input, &err), err);
    assert_int_equal(input.kind, INPUT_MEDIA);
    assert_int_equal(input.audio_ms, 0);
    store_batch_remove(s, DRAWER_BATCH);
    drawer_commit(s);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ground_test(plans_come_back),
        ground_test(impossible_plans_are_damage),
        ground_test(tasks_tell_of_checkpoints),
        ground_test(outputs_of_a_clip_in_order),
        ground_test(published_parts_stay_for_their_time),
        ground_test(parts_can_stay_with_their_batch),
        ground_test(inputs_tell_of_sound_and_latents),
        ground_test(version_2_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
