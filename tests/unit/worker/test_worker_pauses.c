/* A worker that stood still - its machine was paused, its loop waited for a disk - kills nothing
 * for what it did not hear meanwhile (lifecycle L4). */
#include "unit/worker/stage.h"

#define LIMIT_MS 4000
#define PAUSE_NS (8 * NS_PER_S)
static const char SLOW[] = "{\"step_ms\": 100}";
static const int STEPS = 120; /* longer than the pause */

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

/* Until it renders. */
static void begin(struct stage *s)
{
    stage_open(s);
    stage_start_worker(s, NULL);
    message_free(stage_join(s));
    stage_assign(
        s, &(struct stage_task){.clip = 1, .steps = STEPS, .pattern = SLOW, .limit_ms = LIMIT_MS});
    struct message *m;
    bool renders = false;
    while (!renders) {
        m = stage_expect(s, FARM__ENVELOPE__BODY_PROGRESS);
        renders = m->envelope->progress->step > 2;
        message_free(m);
    }
}

/* The pause is what is tested; nothing says when it is over. */
static void pause_for(int64_t length_ns)
{
    const struct timespec length = {length_ns / NS_PER_S, length_ns % NS_PER_S};
    assert_int_equal(nanosleep(&length, NULL), 0);
}

/* The line may have been lost meanwhile, or not: both ends were silent. */
static struct message *await_offer(struct stage *s)
{
    struct message *m;
    const int64_t until_ns = clock_now_ns() + STAGE_PATIENCE_NS;
    while ((m = stage_pick(s, FARM__ENVELOPE__BODY_OFFER, NULL)) == NULL) {
        if ((m = stage_pick(s, FARM__ENVELOPE__BODY_ENDED, NULL)) != NULL)
            fail_msg("it ended: %s", m->envelope->ended->message);
        if ((m = stage_pick(s, FARM__ENVELOPE__BODY_HELLO, &s->control)) != NULL) stage_welcome(s);
        message_free(m);
        if (clock_now_ns() > until_ns) fail_msg("no offer came");
        (void)uv_run(&s->loop, UV_RUN_ONCE);
    }
    return m;
}

static void expect_its_result(struct stage *s, pid_t engine)
{
    struct message *m = await_offer(s);
    assert_int_equal(m->envelope->offer->attempt->clip, 1);
    assert_int_equal(engine_of(s->pid), engine);
    stage_upload(s, m->envelope->offer);
    stage_stored(s, 1, m->envelope->offer->attempt->fence);
    message_free(m);
    stage_kill_worker(s, SIGTERM);
    assert_int_equal(stage_wait_worker(s), 0);
    stage_close(s);
}

static void test_the_engine_went_on(void **state)
{
    struct stage s;
    (void)state;
    begin(&s);
    const pid_t engine = engine_of(s.pid);
    assert_int_equal(kill(s.pid, SIGSTOP), 0);
    pause_for(PAUSE_NS);
    assert_int_equal(kill(s.pid, SIGCONT), 0);
    expect_its_result(&s, engine);
}

static void test_the_whole_machine_stood(void **state)
{
    struct stage s;
    (void)state;
    begin(&s);
    const pid_t engine = engine_of(s.pid);
    assert_int_equal(kill(s.pid, SIGSTOP), 0);
    assert_int_equal(kill(engine, SIGSTOP), 0);
    pause_for(PAUSE_NS);
    assert_int_equal(kill(s.pid, SIGCONT), 0);
    assert_int_equal(kill(engine, SIGCONT), 0);
    expect_its_result(&s, engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_engine_went_on),
        cmocka_unit_test(test_the_whole_machine_stood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
