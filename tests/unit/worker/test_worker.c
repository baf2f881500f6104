/* A real worker with a real engine child in front of a scripted coordinator. */
#include "unit/worker/stage_tasks.h"

static void start(struct stage *s, const char *const *extra)
{
    stage_open(s);
    stage_start_worker(s, extra);
    message_free(stage_join(s));
}

/* Runs until the outbox has no file left. */
static void await_empty_outbox(struct stage *s)
{
    int64_t until_ns = clock_now_ns() + STAGE_PATIENCE_NS;
    while (stage_outbox(s, "") > 0) {
        if (clock_now_ns() > until_ns) fail_msg("the outbox is not emptied");
        (void)uv_run(&s->loop, UV_RUN_ONCE);
    }
}

/* Takes and stores the result of the next offer, which is of this clip: a worker with something
 * left to hand in waits before it leaves. */
static void take_result(struct stage *s, uint32_t clip)
{
    struct message *m = stage_expect(s, FARM__ENVELOPE__BODY_OFFER);
    const Farm__Offer *offer = m->envelope->offer;
    assert_int_equal(offer->attempt->clip, clip);
    stage_upload(s, offer);
    stage_stored(s, clip, offer->attempt->fence);
    message_free(m);
}

static void stop(struct stage *s)
{
    stage_kill_worker(s, SIGTERM);
    assert_int_equal(stage_wait_worker(s), 0);
    stage_close(s);
}

static void test_hello_tells_slots_and_models(void **state)
{
    struct stage s;
    (void)state;
    stage_open(&s);
    const char *const extra[] = {"--slots", "2", NULL};
    stage_start_worker(&s, extra);
    struct message *m = stage_join(&s);
    const Farm__Hello *hello = m->envelope->hello;
    assert_int_equal(hello->n_slots, 2);
    assert_true(hello->slots[0]->fingerprint[0] != '\0');
    assert_int_equal(hello->boot_id.len, 16);
    assert_int_equal(strlen(hello->machine_id), 32);
    bool listed = false;
    for (size_t i = 0; i < hello->n_models; i++) {
        struct digest digest;
        assert_true(codec_digest_get(&hello->models[i], &digest));
        listed = listed || digest_equal(&digest, &s.model);
    }
    assert_true(listed);
    message_free(m);
    m = stage_expect(&s, FARM__ENVELOPE__BODY_HEARTBEAT);
    assert_int_equal(m->envelope->heartbeat->session, s.session);
    assert_true(m->envelope->heartbeat->memory_bytes > 0);
    message_free(m);
    stop(&s);
}

static void test_renders_offers_and_forgets(void **state)
{
    struct stage s;
    (void)state;
    start(&s, NULL);
    stage_assign(&s, &(struct stage_task){.clip = 3, .fence = 9, .steps = 3});
    struct message *m = stage_expect(&s, FARM__ENVELOPE__BODY_OFFER);
    const Farm__Offer *offer = m->envelope->offer;
    assert_int_equal(offer->attempt->clip, 3);
    assert_int_equal(offer->attempt->fence, 9);
    assert_int_equal(offer->steps_computed, 3);
    assert_int_equal(offer->outputs[0]->frames, 4);
    assert_int_equal(offer->outputs[0]->width, 64);
    char *recipe = stage_recipe(7, 3, NULL);
    struct digest expected = digest_of(recipe, strlen(recipe)), told;
    assert_true(codec_digest_get(&offer->recipe_digest, &told));
    assert_true(digest_equal(&told, &expected));
    free(recipe);
    assert_int_equal(stage_outbox(&s, ".json"), 1);
    stage_upload(&s, offer);
    stage_stored(&s, 3, 9);
    await_empty_outbox(&s);
    message_free(m);
    m = stage_expect(&s, FARM__ENVELOPE__BODY_PROGRESS);
    assert_int_equal(m->envelope->progress->phase, FARM__PHASE__PHASE_LOADING);
    message_free(m);
    stop(&s);
}

/* Its session is not known any more. */
static void forget(struct stage *s, zsock_peer peer)
{
    Farm__WhoAreYou who = FARM__WHO_ARE_YOU__INIT;
    STAGE_SAY(s, peer, WHO_ARE_YOU, who_are_you, &who);
}

/* All of its first output. */
static void grant(struct stage *s, struct message *offer)
{
    stage_credit(s, offer->envelope->offer, 0, offer->envelope->offer->outputs[0]->size_bytes);
    message_free(offer);
}

static zsock_peer expect_bulk_hello(struct stage *s)
{
    zsock_peer peer;
    struct message *m = stage_expect_from(s, FARM__ENVELOPE__BODY_HELLO, &peer);
    assert_int_equal(m->envelope->hello->connection, FARM__CONNECTION__CONNECTION_BULK);
    message_free(m);
    return peer;
}

/* A coordinator that does not know the session of the second connection is asked once a second at
 * most, however often it grants credit. */
static void test_a_second_connection_that_is_refused_waits(void **state)
{
    struct stage s;
    (void)state;
    start(&s, NULL);
    stage_assign(&s, &(struct stage_task){.clip = 3, .fence = 9});
    grant(&s, stage_expect(&s, FARM__ENVELOPE__BODY_OFFER));
    int64_t refused_ns = 0;
    for (int i = 0; i < 3; i++) {
        zsock_peer bulk = expect_bulk_hello(&s);
        if (i > 0) assert_true(clock_now_ns() - refused_ns > NS_PER_S * 9 / 10);
        refused_ns = clock_now_ns();
        forget(&s, bulk);
        grant(&s, stage_expect(&s, FARM__ENVELOPE__BODY_OFFER)); /* what had credit comes again */
    }
    (void)expect_bulk_hello(&s);
    stage_stored(&s, 3, 9);
    await_empty_outbox(&s);
    stop(&s);
}

static void test_prefetched_starts_when_the_slot_is_free(void **state)
{
    struct stage s;
    (void)state;
    start(&s, NULL);
    stage_assign(&s, &(struct stage_task){.clip = 0, .pattern = "{\"step_ms\": 100}"});
    stage_assign(&s, &(struct stage_task){.clip = 1, .prefetch = true});
    struct message *m = stage_expect(&s, FARM__ENVELOPE__BODY_STARTED);
    assert_int_equal(m->envelope->started->attempt->clip, 1);
    message_free(m);
    take_result(&s, 0);
    take_result(&s, 1);
    stop(&s);
}

static void test_canary_leaves_nothing(void **state)
{
    struct stage s;
    (void)state;
    start(&s, NULL);
    stage_assign(&s, &(struct stage_task){.fence = 5, .canary = true});
    struct message *m = stage_expect(&s, FARM__ENVELOPE__BODY_CANARY_DONE);
    assert_int_equal(m->envelope->canary_done->number, 5);
    assert_int_equal(m->envelope->canary_done->frames_sha256.len, DIGEST_BYTES);
    assert_int_equal(stage_outbox(&s, ""), 0);
    message_free(m);
    stop(&s);
}

/* Of a model: with its picture, if it is one and small. */
static void test_a_models_canary_brings_its_frame(void **state)
{
    static const char format[] =
        "{\"eta\":0,\"fps\":8,\"guidance_scale\":1,\"height\":64,\"model\":\"pattern\","
        "\"negative_prompt\":\"\",\"noise\":\"torch-cpu\",\"num_frames\":%d,"
        "\"num_inference_steps\":2,\"prompt\":\"x\",\"scheduler\":\"ddim\",\"seed\":1,"
        "\"width\":%d}";
    static const struct {
        int frames, width;
        bool rides;
    } rows[] = {{1, 64, true}, {1, 72, false}, {2, 64, false}};
    struct stage s;
    (void)state;
    start(&s, NULL);
    for (size_t i = 0; i < 3; i++) {
        char *recipe = xasprintf(format, rows[i].frames, rows[i].width);
        stage_assign(&s, &(struct stage_task){
                             .fence = 5 + i, .canary = true, .own = true, .recipe = recipe});
        struct message *m = stage_expect(&s, FARM__ENVELOPE__BODY_CANARY_DONE);
        const Farm__CanaryDone *done = m->envelope->canary_done;
        struct digest told, model;
        assert_true(codec_digest_get(&done->frames_sha256, &told));
        assert_true(codec_digest_get(&done->model_digest, &model));
        assert_true(digest_equal(&model, &s.model));
        assert_int_equal(done->frames.len, rows[i].rides ? 64 * 64 * 3 : 0);
        assert_int_equal(done->width, rows[i].rides ? 64 : 0);
        const struct digest seen = digest_of(done->frames.data, done->frames.len);
        if (rows[i].rides) assert_true(digest_equal(&seen, &told));
        assert_int_equal(stage_outbox(&s, ""), 0);
        message_free(m);
        free(recipe);
    }
    stop(&s);
}

static void test_cancel_recall_and_unknown(void **state)
{
    struct stage s;
    (void)state;
    start(&s, NULL);
    stage_assign(&s,
                 &(struct stage_task){.clip = 0, .steps = 100, .pattern = "{\"step_ms\": 100}"});
    stage_assign(&s, &(struct stage_task){.clip = 1, .prefetch = true});
    stage_recall(&s, 1, 1);
    struct message *m = stage_expect(&s, FARM__ENVELOPE__BODY_HANDED_BACK);
    assert_int_equal(m->envelope->handed_back->attempt->clip, 1);
    assert_int_equal(m->envelope->handed_back->reason, FARM__HAND_BACK_REASON__HAND_BACK_RECALLED);
    message_free(m);
    stage_recall(&s, 0, 1);
    stage_skip(&s, FARM__ENVELOPE__BODY_STARTED);
    stage_cancel(&s, 8, 1);
    m = stage_expect(&s, FARM__ENVELOPE__BODY_HANDED_BACK);
    assert_int_equal(m->envelope->handed_back->reason, FARM__HAND_BACK_REASON__HAND_BACK_UNKNOWN);
    message_free(m);
    stage_cancel(&s, 0, 1);
    m = stage_expect(&s, FARM__ENVELOPE__BODY_ENDED);
    assert_int_equal(m->envelope->ended->kind, FARM__END_KIND__END_CANCELED);
    message_free(m);
    stop(&s);
}

/* The coordinator may not have known of the result when it canceled its attempt. */
static void test_a_canceled_result_is_offered_all_the_same(void **state)
{
    struct stage s;
    (void)state;
    start(&s, NULL);
    stage_assign(&s, &(struct stage_task){.clip = 3, .fence = 9});
    stage_skip(&s, FARM__ENVELOPE__BODY_OFFER);
    stage_cancel(&s, 3, 9);
    stage_skip(&s, FARM__ENVELOPE__BODY_OFFER);
    assert_int_equal(stage_outbox(&s, ".json"), 1);
    Farm__Attempt attempt = stage_attempt(3, 9);
    Farm__Dropped dropped = FARM__DROPPED__INIT;
    char words[] = "the batch was canceled";
    dropped.attempt = &attempt;
    dropped.reason = FARM__DROP_REASON__DROP_CANCELED;
    dropped.message = words;
    STAGE_SAY(&s, s.control, DROPPED, dropped, &dropped);
    await_empty_outbox(&s);
    stop(&s);
}

/* In the next Hello its attempt stands beside what its slot does by now. */
static void test_a_report_that_could_not_be_sent_takes_no_slot(void **state)
{
    struct stage s;
    (void)state;
    start(&s, NULL);
    stage_assign(&s, &(struct stage_task){
                         .clip = 0, .pattern = "{\"fail_step\": 2, \"step_ms\": 500}", .steps = 4});
    stage_assign(&s,
                 &(struct stage_task){
                     .clip = 1, .prefetch = true, .steps = 400, .pattern = "{\"step_ms\": 50}"});
    stage_skip(&s, FARM__ENVELOPE__BODY_PROGRESS);
    forget(&s, s.control);
    struct message *m = stage_expect_from(&s, FARM__ENVELOPE__BODY_HELLO, &s.control);
    while (m->envelope->hello->held[0]->attempt->clip == 0) { /* until the first has failed */
        message_free(m);
        m = stage_expect_from(&s, FARM__ENVELOPE__BODY_HELLO, &s.control);
    }
    assert_int_equal(m->envelope->hello->n_held, 2);
    assert_int_equal(m->envelope->hello->held[0]->attempt->clip, 1);
    assert_int_not_equal(m->envelope->hello->held[0]->phase, FARM__PHASE__PHASE_UPLOADING);
    assert_int_equal(m->envelope->hello->held[1]->attempt->clip, 0);
    assert_int_equal(m->envelope->hello->held[1]->phase, FARM__PHASE__PHASE_UPLOADING);
    message_free(m);
    stage_welcome(&s);
    m = stage_expect(&s, FARM__ENVELOPE__BODY_ENDED);
    assert_int_equal(m->envelope->ended->attempt->clip, 0);
    message_free(m);
    stage_cancel(&s, 1, 1);
    stage_skip(&s, FARM__ENVELOPE__BODY_ENDED);
    stop(&s);
}

/* Reports that a broken connection swallowed come again; those that arrived do not. */
static void test_a_report_comes_until_a_later_heartbeat_was_seen(void **state)
{
    struct stage s;
    (void)state;
    start(&s, NULL);
    s.deaf = true;
    stage_assign(&s, &(struct stage_task){.clip = 0, .pattern = "{\"fail_step\": 1}"});
    stage_skip(&s, FARM__ENVELOPE__BODY_ENDED);
    forget(&s, s.control);
    s.deaf = false;
    struct message *m = stage_join(&s);
    assert_int_equal(m->envelope->hello->n_held, 1);
    assert_int_equal(m->envelope->hello->held[0]->phase, FARM__PHASE__PHASE_UPLOADING);
    message_free(m);
    stage_skip(&s, FARM__ENVELOPE__BODY_ENDED);
    stage_forget(&s);
    for (int i = 0; i < 3; i++) /* the answer to the first was heard when the third comes */
        stage_skip(&s, FARM__ENVELOPE__BODY_HEARTBEAT);
    forget(&s, s.control);
    m = stage_join(&s);
    assert_int_equal(m->envelope->hello->n_held, 0);
    message_free(m);
    stage_skip(&s, FARM__ENVELOPE__BODY_HEARTBEAT);
    assert_null(stage_pick(&s, FARM__ENVELOPE__BODY_ENDED, NULL));
    stop(&s);
}

/* It was to finish what it renders, however long that takes; nobody is there to take it. */
static void test_who_drains_leaves_an_empty_house_too(void **state)
{
    struct stage s;
    (void)state;
    const char *const extra[] = {"--leave-after", "1s", NULL};
    start(&s, extra);
    stage_assign(&s,
                 &(struct stage_task){.clip = 0, .steps = 1000, .pattern = "{\"step_ms\": 50}"});
    stage_skip(&s, FARM__ENVELOPE__BODY_PROGRESS);
    Farm__Drain drain = FARM__DRAIN__INIT;
    drain.message = ++s.numbered;
    STAGE_SAY(&s, s.control, DRAIN, drain, &drain);
    s.deaf = true;
    assert_int_equal(stage_wait_worker(&s), 0);
    stage_close(&s);
}

static void expect_end(struct stage *s, const struct stage_task *task, Farm__EndKind kind,
                       const char *words)
{
    stage_assign(s, task);
    struct message *m = stage_expect(s, FARM__ENVELOPE__BODY_ENDED);
    assert_int_equal(m->envelope->ended->attempt->clip, task->clip);
    if (m->envelope->ended->kind != kind || !strstr(m->envelope->ended->message, words))
        fail_msg("ended as %d: %s", (int)m->envelope->ended->kind, m->envelope->ended->message);
    message_free(m);
}

static void test_failures_are_told_apart(void **state)
{
    struct stage s;
    (void)state;
    start(&s, NULL);
    expect_end(&s, &(struct stage_task){.clip = 0, .pattern = "{\"fail_step\": 1}"},
               FARM__END_KIND__END_FAILED, "");
    expect_end(&s,
               &(struct stage_task){.clip = 1, .pattern = "{\"hang_step\": 1}", .limit_ms = 2000},
               FARM__END_KIND__END_HUNG, "no progress");
    stage_assign(&s, &(struct stage_task){.clip = 2});
    take_result(&s, 2); /* a new engine */
    stop(&s);
}

static pid_t engine_of(pid_t worker)
{
    char path[64], text[64] = "";
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)worker, (int)worker);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    (void)fclose(file);
    return (pid_t)strtol(text, NULL, 10);
}

static void test_killed_engine_is_a_failure_and_comes_back(void **state)
{
    struct stage s;
    (void)state;
    start(&s, NULL);
    stage_assign(&s, &(struct stage_task){.clip = 0, .steps = 100, .pattern = "{\"step_ms\": 50}"});
    struct message *m;
    bool rendering = false;
    while (!rendering) {
        m = stage_expect(&s, FARM__ENVELOPE__BODY_PROGRESS);
        rendering = m->envelope->progress->step > 0;
        message_free(m);
    }
    assert_int_equal(kill(engine_of(s.pid), SIGKILL), 0);
    m = stage_expect(&s, FARM__ENVELOPE__BODY_ENDED);
    assert_int_equal(m->envelope->ended->kind, FARM__END_KIND__END_FAILED);
    assert_non_null(strstr(m->envelope->ended->message, "signal 9"));
    message_free(m);
    stage_assign(&s, &(struct stage_task){.clip = 1});
    take_result(&s, 1);
    stop(&s);
}

static void test_killed_worker_offers_again(void **state)
{
    struct stage s;
    (void)state;
    start(&s, NULL);
    stage_assign(&s, &(struct stage_task){.clip = 4, .fence = 2});
    stage_skip(&s, FARM__ENVELOPE__BODY_OFFER);
    pid_t engine = engine_of(s.pid);
    stage_kill_worker(&s, SIGKILL);
    assert_int_equal(stage_wait_worker(&s), -SIGKILL);
    int64_t until_ns = clock_now_ns() + STAGE_PATIENCE_NS;
    while (kill(engine, 0) == 0 && clock_now_ns() < until_ns) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/stat", (int)engine);
        char line[256] = "";
        FILE *file = fopen(path, "re");
        if (file && fgets(line, sizeof line, file) && strstr(line, ") Z ")) until_ns = 0;
        if (file) (void)fclose(file);
        (void)uv_run(&s.loop, UV_RUN_ONCE);
    }
    assert_true(until_ns == 0 || kill(engine, 0) != 0); /* it died with its worker */
    stage_forget(&s);
    stage_start_worker(&s, NULL);
    struct message *m = stage_join(&s);
    assert_int_equal(m->envelope->hello->n_held, 1);
    assert_int_equal(m->envelope->hello->held[0]->phase, FARM__PHASE__PHASE_UPLOADING);
    message_free(m);
    take_result(&s, 4);
    await_empty_outbox(&s);
    stop(&s);
}

static void test_sigterm_drains(void **state)
{
    struct stage s;
    (void)state;
    const char *const extra[] = {"--grace", "1s", NULL};
    start(&s, extra);
    stage_assign(&s,
                 &(struct stage_task){.clip = 0, .steps = 1000, .pattern = "{\"step_ms\": 50}"});
    stage_assign(&s, &(struct stage_task){.clip = 1, .prefetch = true});
    stage_skip(&s, FARM__ENVELOPE__BODY_PROGRESS);
    stage_kill_worker(&s, SIGTERM);
    stage_skip(&s, FARM__ENVELOPE__BODY_LEAVING);
    struct message *m = stage_expect(&s, FARM__ENVELOPE__BODY_HANDED_BACK);
    assert_int_equal(m->envelope->handed_back->attempt->clip, 1);
    assert_int_equal(m->envelope->handed_back->reason, FARM__HAND_BACK_REASON__HAND_BACK_DRAINING);
    message_free(m);
    m = stage_expect_preempted(&s);
    assert_int_equal(m->envelope->handed_back->attempt->clip, 0);
    message_free(m);
    m = stage_expect(&s, FARM__ENVELOPE__BODY_LEAVING);
    assert_true(m->envelope->leaving->drained);
    message_free(m);
    assert_int_equal(stage_wait_worker(&s), 0);
    stage_close(&s);
}

/* A terminal sends it to the whole process group; only the worker may heed it. */
static void test_ctrl_c_leaves_the_engine_alone(void **state)
{
    struct stage s;
    (void)state;
    const char *const extra[] = {"--grace", "60s", NULL};
    start(&s, extra);
    stage_assign(&s, &(struct stage_task){.clip = 0, .steps = 5, .pattern = "{\"step_ms\": 100}"});
    stage_skip(&s, FARM__ENVELOPE__BODY_PROGRESS);
    assert_int_equal(kill(-s.pid, SIGINT), 0);
    take_result(&s, 0);
    assert_int_equal(stage_wait_worker(&s), 0);
    stage_close(&s);
}

static void test_drain_finishes_what_runs(void **state)
{
    struct stage s;
    (void)state;
    start(&s, NULL);
    stage_assign(&s, &(struct stage_task){.clip = 0, .steps = 5, .pattern = "{\"step_ms\": 100}"});
    stage_skip(&s, FARM__ENVELOPE__BODY_PROGRESS);
    Farm__Drain drain = FARM__DRAIN__INIT;
    drain.message = ++s.numbered;
    STAGE_SAY(&s, s.control, DRAIN, drain, &drain);
    take_result(&s, 0);
    struct message *m = stage_expect(&s, FARM__ENVELOPE__BODY_LEAVING);
    assert_true(m->envelope->leaving->drained);
    message_free(m);
    assert_int_equal(stage_wait_worker(&s), 0);
    stage_close(&s);
}

static void test_a_new_session_keeps_what_runs(void **state)
{
    struct stage s;
    (void)state;
    start(&s, NULL);
    stage_assign(&s, &(struct stage_task){.clip = 0, .steps = 20, .pattern = "{\"step_ms\": 50}"});
    stage_skip(&s, FARM__ENVELOPE__BODY_PROGRESS);
    forget(&s, s.control);
    struct message *m = stage_join(&s);
    assert_int_equal(m->envelope->hello->n_held, 1);
    assert_int_equal(m->envelope->hello->session, 1);
    assert_int_equal(m->envelope->hello->last_message, 1);
    message_free(m);
    take_result(&s, 0);
    stop(&s);
}

static void test_version_refusal_ends_it(void **state)
{
    struct stage s;
    (void)state;
    start(&s, NULL);
    char code[] = "version", words[] = "speak newer";
    Farm__Bye bye = FARM__BYE__INIT;
    bye.code = code;
    bye.message = words;
    STAGE_SAY(&s, s.control, BYE, bye, &bye);
    assert_int_equal(stage_wait_worker(&s), 8);
    stage_close(&s);
}

/* ---- models ---- */

static void send_file(struct stage *s, const struct message *asked, zsock_peer peer)
{
    const Farm__FileWanted *wanted = asked->envelope->file_wanted;
    char *path = path_join(TEST_SOURCE "/models/pattern", wanted->path);
    struct buf bytes = BUF_INIT;
    assert_true(path_read(path, 1 << 20, &bytes, NULL));
    Farm__FileData data = FARM__FILE_DATA__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    data.model_digest = wanted->model_digest;
    data.path = wanted->path;
    data.offset = wanted->offset;
    data.total_bytes = bytes.size;
    envelope.request = asked->envelope->request;
    envelope.body_case = FARM__ENVELOPE__BODY_FILE_DATA;
    envelope.file_data = &data;
    size_t left = bytes.size - (size_t)wanted->offset;
    size_t size = left < wanted->size_bytes ? left : wanted->size_bytes;
    stage_say(s, peer, &envelope, (struct bytes){bytes.data + wanted->offset, size});
    buf_finish(&bytes);
    free(path);
}

static void send_list(struct stage *s, uint64_t request, zsock_peer peer)
{
    struct model_files files;
    Farm__ModelFile items[16], *refs[16];
    char name[] = "pattern";
    Farm__ModelFiles list = FARM__MODEL_FILES__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    assert_true(model_digest_list(TEST_SOURCE "/models/pattern", &files, NULL));
    assert_true(files.count <= 16);
    for (size_t i = 0; i < files.count; i++) {
        farm__model_file__init(&items[i]);
        items[i].path = files.items[i].path;
        items[i].size_bytes = files.items[i].size_bytes;
        items[i].sha256 = codec_digest(&files.items[i].digest);
        refs[i] = &items[i];
    }
    list.digest = codec_digest(&s->model);
    list.name = name;
    list.files = refs;
    list.n_files = files.count;
    envelope.request = request;
    envelope.body_case = FARM__ENVELOPE__BODY_MODEL_FILES;
    envelope.model_files = &list;
    stage_say(s, peer, &envelope, (struct bytes){NULL, 0});
    model_digest_finish(&files);
}

/* A worker without models is given a task: its question for the model. */
static struct message *ask_for_model(struct stage *s, const struct stage_task *task,
                                     zsock_peer *peer)
{
    stage_open(s);
    char *empty = path_join(s->folder, "no-models");
    const char *const extra[] = {"--models", empty, NULL};
    assert_int_equal(mkdir(empty, 0700), 0);
    stage_start_worker(s, extra);
    free(empty);
    message_free(stage_join(s));
    stage_assign(s, task);
    return stage_expect_from(s, FARM__ENVELOPE__BODY_MODEL_WANTED, peer);
}

/* And is told its files: its question for the first. */
static struct message *ask_for_file(struct stage *s, zsock_peer *peer)
{
    struct message *m = ask_for_model(s, &(struct stage_task){.clip = 0}, peer);
    send_list(s, m->envelope->request, *peer);
    message_free(m);
    return stage_expect_from(s, FARM__ENVELOPE__BODY_FILE_WANTED, peer);
}

static void expect_no_model(struct stage *s, const char *why)
{
    struct message *m = stage_expect(s, FARM__ENVELOPE__BODY_HANDED_BACK);
    assert_int_equal(m->envelope->handed_back->reason, FARM__HAND_BACK_REASON__HAND_BACK_MODEL);
    assert_non_null(strstr(m->envelope->handed_back->message, why));
    message_free(m);
}

static void test_a_missing_model_is_fetched(void **state)
{
    struct stage s;
    zsock_peer peer;
    (void)state;
    struct message *m = ask_for_file(&s, &peer);
    send_file(&s, m, peer);
    message_free(m);
    take_result(&s, 0);
    char *models = path_join(s.state, "models");
    char hex[DIGEST_TEXT_SIZE];
    digest_text(&s.model, hex);
    char *place = path_join(models, hex);
    assert_true(path_is_folder(place));
    free(place);
    free(models);
    stop(&s);
}

/* One of its files became shorter since the coordinator listed it: no bytes are its end. */
static void test_a_model_whose_file_is_too_short_is_handed_back(void **state)
{
    struct stage s;
    zsock_peer peer;
    (void)state;
    struct message *m = ask_for_file(&s, &peer);
    Farm__FileData data = FARM__FILE_DATA__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    data.model_digest = m->envelope->file_wanted->model_digest;
    data.path = m->envelope->file_wanted->path;
    envelope.request = m->envelope->request;
    envelope.body_case = FARM__ENVELOPE__BODY_FILE_DATA;
    envelope.file_data = &data;
    stage_say(&s, peer, &envelope, (struct bytes){(const uint8_t *)"", 0});
    message_free(m);
    expect_no_model(&s, "shorter");
    stop(&s);
}

static void hands_back_without_model(bool canary)
{
    struct stage s;
    zsock_peer peer;
    const struct stage_task task = {.clip = 0, .canary = canary, .own = canary};
    struct message *m = ask_for_model(&s, &task, &peer);
    char code[] = "not_found", words[] = "no such model";
    Farm__Problem problem = FARM__PROBLEM__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    problem.code = code;
    problem.message = words;
    envelope.request = m->envelope->request;
    envelope.body_case = FARM__ENVELOPE__BODY_PROBLEM;
    envelope.problem = &problem;
    stage_say(&s, peer, &envelope, (struct bytes){NULL, 0});
    message_free(m);
    expect_no_model(&s, "no such model");
    stop(&s);
}

static void test_a_model_that_nobody_has_is_handed_back(void **state)
{
    (void)state;
    hands_back_without_model(false);
}

/* Its own canary too; not that of `pattern`, whose absence is an answer. */
static void test_a_canary_of_a_model_that_nobody_has_is_handed_back(void **state)
{
    (void)state;
    hands_back_without_model(true);
}

/* ---- models that change ---- */

/* A worker with a copy of the model; the path of its one file, which the caller frees. */
static char *start_with_copy(struct stage *s)
{
    struct buf bytes = BUF_INIT;
    stage_open(s);
    char *models = path_join(s->folder, "models"), *model = path_join(models, "pattern");
    char *file = path_join(model, "zoetrope.json");
    const char *const extra[] = {"--models", models, NULL};
    assert_true(path_make_folders(model, 0700, NULL));
    assert_true(path_read(TEST_SOURCE "/models/pattern/zoetrope.json", 1 << 20, &bytes, NULL));
    assert_true(path_write_atomic(file, bytes.data, bytes.size, 0600, NULL));
    stage_start_worker(s, extra);
    message_free(stage_join(s));
    buf_finish(&bytes);
    free(models);
    free(model);
    return file;
}

static void change(char *file)
{
    struct buf bytes = BUF_INIT;
    assert_true(path_read(file, 1 << 20, &bytes, NULL));
    buf_append(&bytes, "\n", 1);
    assert_true(path_write_atomic(file, bytes.data, bytes.size, 0600, NULL));
    buf_finish(&bytes);
    free(file);
}

static void await_phase(struct stage *s, Farm__Phase phase)
{
    bool reached = false;
    while (!reached) {
        struct message *m = stage_expect(s, FARM__ENVELOPE__BODY_PROGRESS);
        reached = m->envelope->progress->phase == phase;
        message_free(m);
    }
}

static void expect_changed(struct stage *s, uint32_t clip)
{
    struct message *m = stage_expect(s, FARM__ENVELOPE__BODY_HANDED_BACK);
    const Farm__HandedBack *back = m->envelope->handed_back;
    assert_int_equal(back->attempt->clip, clip);
    assert_int_equal(back->reason, FARM__HAND_BACK_REASON__HAND_BACK_RECALLED);
    assert_non_null(strstr(back->message, "changed"));
    message_free(m);
}

/* Nobody knows which files the engine opened. What comes after it asks the coordinator. */
static void test_no_result_of_a_model_that_changed_is_offered(void **state)
{
    struct stage s;
    zsock_peer peer;
    (void)state;
    char *file = start_with_copy(&s);
    stage_assign(&s, &(struct stage_task){.clip = 0, .pattern = "{\"step_ms\":1500}"});
    await_phase(&s, FARM__PHASE__PHASE_RENDERING);
    stage_assign(&s, &(struct stage_task){.clip = 1, .prefetch = true});
    stage_skip(&s, FARM__ENVELOPE__BODY_PROGRESS); /* it has been heard */
    change(file);
    expect_changed(&s, 0);
    expect_changed(&s, 1); /* before it began */
    assert_int_equal(stage_outbox(&s, ""), 0);
    stage_assign(&s, &(struct stage_task){.clip = 2});
    struct message *m = stage_expect_from(&s, FARM__ENVELOPE__BODY_MODEL_WANTED, &peer);
    send_list(&s, m->envelope->request, peer);
    message_free(m);
    m = stage_expect_from(&s, FARM__ENVELOPE__BODY_FILE_WANTED, &peer);
    send_file(&s, m, peer);
    message_free(m);
    take_result(&s, 2);
    stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello_tells_slots_and_models),
        cmocka_unit_test(test_renders_offers_and_forgets),
        cmocka_unit_test(test_a_second_connection_that_is_refused_waits),
        cmocka_unit_test(test_prefetched_starts_when_the_slot_is_free),
        cmocka_unit_test(test_canary_leaves_nothing),
        cmocka_unit_test(test_a_models_canary_brings_its_frame),
        cmocka_unit_test(test_cancel_recall_and_unknown),
        cmocka_unit_test(test_a_canceled_result_is_offered_all_the_same),
        cmocka_unit_test(test_a_report_that_could_not_be_sent_takes_no_slot),
        cmocka_unit_test(test_a_report_comes_until_a_later_heartbeat_was_seen),
        cmocka_unit_test(test_who_drains_leaves_an_empty_house_too),
        cmocka_unit_test(test_failures_are_told_apart),
        cmocka_unit_test(test_killed_engine_is_a_failure_and_comes_back),
        cmocka_unit_test(test_killed_worker_offers_again),
        cmocka_unit_test(test_sigterm_drains),
        cmocka_unit_test(test_ctrl_c_leaves_the_engine_alone),
        cmocka_unit_test(test_drain_finishes_what_runs),
        cmocka_unit_test(test_a_new_session_keeps_what_runs),
        cmocka_unit_test(test_version_refusal_ends_it),
        cmocka_unit_test(test_a_missing_model_is_fetched),
        cmocka_unit_test(test_a_model_whose_file_is_too_short_is_handed_back),
        cmocka_unit_test(test_a_model_that_nobody_has_is_handed_back),
        cmocka_unit_test(test_a_canary_of_a_model_that_nobody_has_is_handed_back),
        cmocka_unit_test(test_no_result_of_a_model_that_changed_is_offered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
