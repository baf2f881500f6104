/* Questions for the models wait for a scan: so many at once, and one more is told to come again. */
#include "ground.h"

#include "coordinator/client_requests.h"
#include "coordinator/shell.h"

#define FULL CLIENT_MODELS_QUESTIONS_MAX

struct desk { /* as much of a coordinator as these questions need; its scans find nothing */
    struct coordinator c;
    struct keyring_entry asker;
    uint64_t asked;
};

static struct desk *desk_open(void)
{
    const struct models_options none = {.engine = "/nonexistent"};
    struct desk *d = xcalloc(1, sizeof(*d));
    d->asker = (struct keyring_entry){.role = MESSAGE_FROM_SUBMIT, .name = "ann"};
    assert_int_equal(uv_loop_init(&d->c.loop), 0);
    d->c.models = models_create(&d->c.loop, &none);
    outbound_init(&d->c.outbound);
    return d;
}

static void run(struct desk *d)
{
    (void)uv_run(&d->c.loop, UV_RUN_DEFAULT);
}

static void desk_close(struct desk *d)
{
    client_requests_finish(&d->c);
    models_destroy(d->c.models);
    run(d);
    assert_int_equal(uv_loop_close(&d->c.loop), 0);
    outbound_finish(&d->c.outbound);
    free(d);
}

/* Each has its own number, from 1 on. What it was told at once: ERROR_NONE is nothing yet. */
static enum error_code ask(struct desk *d)
{
    char any[] = "";
    Farm__ModelsWanted wanted = FARM__MODELS_WANTED__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    wanted.name = any;
    envelope.request = ++d->asked;
    envelope.body_case = FARM__ENVELOPE__BODY_MODELS_WANTED;
    envelope.models_wanted = &wanted;
    struct dispatch one = {.c = &d->c, .envelope = &envelope, .sender = &d->asker, .peer = 1};
    client_requests_models(&one);
    return one.problem;
}

/* Of the answers that wait to leave. */
static size_t answered(const struct desk *d, Farm__Envelope__BodyCase body)
{
    size_t count = 0;
    for (size_t i = 0; i < d->c.outbound.count; i++) {
        const struct buf *b = &d->c.outbound.items[i].envelope;
        Farm__Envelope *envelope = farm__envelope__unpack(NULL, b->size, b->data);
        assert_non_null(envelope);
        count += envelope->body_case == body;
        farm__envelope__free_unpacked(envelope, NULL);
    }
    return count;
}

static void one_past_the_limit_is_told_to_try_again(void **state)
{
    struct desk *d = desk_open();
    (void)state;
    for (int i = 0; i < FULL; i++)
        assert_int_equal(ask(d), ERROR_NONE);
    assert_int_equal(d->c.outbound.count, 0);
    assert_int_equal(ask(d), ERROR_REFUSED);
    assert_int_equal(d->c.outbound.items[0].request, FULL + 1);
    assert_int_equal(answered(d, FARM__ENVELOPE__BODY_PROBLEM), 1);
    run(d);
    assert_int_equal(answered(d, FARM__ENVELOPE__BODY_MODELS), FULL);
    assert_int_equal(answered(d, FARM__ENVELOPE__BODY_PROBLEM), 1);
    desk_close(d);
}

/* Those that have their answer count no more. */
static void after_the_scan_there_is_room_again(void **state)
{
    struct desk *d = desk_open();
    (void)state;
    for (int round = 1; round <= 2; round++) {
        for (int i = 0; i < FULL; i++)
            assert_int_equal(ask(d), ERROR_NONE);
        run(d);
        assert_null(d->c.questions);
        assert_int_equal(answered(d, FARM__ENVELOPE__BODY_MODELS), round * FULL);
    }
    desk_close(d);
}

static void what_waits_at_the_end_is_dropped(void **state)
{
    struct desk *d = desk_open();
    (void)state;
    for (int i = 0; i < FULL; i++)
        assert_int_equal(ask(d), ERROR_NONE);
    client_requests_finish(&d->c);
    assert_null(d->c.questions);
    assert_int_equal(d->c.outbound.count, 0);
    desk_close(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_past_the_limit_is_told_to_try_again),
        cmocka_unit_test(after_the_scan_there_is_room_again),
        cmocka_unit_test(what_waits_at_the_end_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
