/* Keys that are not allowed any more: which ephemeral ones an hour is over for, whatever times
 * their rows say, and what is waited for when their worker has left; what a client was about to
 * submit. */
#include "field.h"

#include "base/clock.h"
#include "coordinator/expel.h"
#include "coordinator/intake.h"
#include "coordinator/shell.h"
#include "proto/codec.h"

struct door { /* as much of a coordinator as keys need */
    struct coordinator c;
    struct farm_config config;
    uint8_t keys; /* so many were allowed */
};

static struct door *door_open(void **state)
{
    struct error err = {0};
    char *path = ground_path(state, "farm.db");
    struct door *d = xcalloc(1, sizeof(*d));
    d->c.store = store_open(path, NULL, &err);
    if (d->c.store == NULL) fail_msg("%s", err.message);
    d->c.farm = farm_new(&d->config);
    keyring_init(&d->c.keyring);
    audit_init(&d->c.audit);
    free(path);
    return d;
}

static void door_close(struct door *d)
{
    keyring_finish(&d->c.keyring);
    farm_free(d->c.farm);
    store_close(d->c.store);
    free(d);
}

static void allow(struct door *d, const char *name, const char *role, bool ephemeral,
                  int64_t allowed_ms)
{
    struct store_key row = {
        .role = role, .name = name, .allowed_ms = allowed_ms, .ephemeral = ephemeral};
    memset(row.key, ++d->keys, sizeof(row.key));
    store_key_allow(d->c.store, &row);
}

static void know(struct door *d, const char *name, enum worker_state state, int64_t since_ms)
{
    struct error err = {0};
    const struct worker_record row = {.name = name,
                                      .machine_id = "",
                                      .host = "",
                                      .build = "",
                                      .reason = "",
                                      .by = "",
                                      .state = state,
                                      .since_ms = since_ms};
    assert_ok(farm_load_worker(d->c.farm, &row, &err), err);
}

/* What the rows say, read as at a start, and then one tick. True: it wants to look again. */
static bool tick(struct door *d)
{
    struct error err = {0};
    farm_loaded(d->c.farm, 0);
    assert_ok(store_commit(d->c.store, &err), err);
    assert_ok(keyring_load(&d->c.keyring, d->c.store, &err), err);
    const bool again = expel_tick(&d->c);
    assert_ok(store_commit(d->c.store, &err), err);
    return again;
}

static void see_key(void *context, const struct store_key *key)
{
    char *names = context;
    const size_t used = strlen(names);
    (void)snprintf(names + used, 256 - used, "%s%s", used > 0 ? " " : "", key->name);
}

/* In memory and in the database alike. */
static void assert_left(struct door *d, const char *expected)
{
    struct error err = {0};
    char names[256] = "", hex[KEY_TEXT_SIZE];
    assert_ok(store_each_key(d->c.store, see_key, names, &err), err);
    assert_string_equal(names, expected);
    size_t count = *names != '\0';
    for (const char *at = names; *at != '\0'; at++)
        count += *at == ' ';
    assert_int_equal(d->c.keyring.entries.count, count);
    if (count == 1) assert_true(keyring_worker_key(&d->c.keyring, expected, hex));
}

/* A damaged row may say any time: it is long ago, or still to come, and nothing else happens. */
static void any_time_of_a_row_is_before_or_after(void **state)
{
    struct door *d = door_open(state);
    allow(d, "first", "worker", true, INT64_MIN);
    allow(d, "second", "worker", true, INT64_MIN + EPHEMERAL_AWAY_MS);
    allow(d, "third", "worker", true, 0);
    allow(d, "w", "worker", true, INT64_MAX);
    assert_true(tick(d));
    assert_left(d, "w");
    door_close(d);
}

static void any_time_of_a_worker_is_before_or_after(void **state)
{
    struct door *d = door_open(state);
    allow(d, "first", "worker", true, INT64_MIN);
    allow(d, "second", "worker", true, 0);
    allow(d, "w", "worker", true, INT64_MIN);
    know(d, "first", WORKER_OFFLINE, INT64_MIN);
    know(d, "second", WORKER_OFFLINE, INT64_MIN);
    know(d, "w", WORKER_OFFLINE, INT64_MAX);
    assert_true(tick(d));
    assert_left(d, "w");
    door_close(d);
}

static void an_hour_away_is_over(void **state)
{
    const int64_t hour_ago_ms = clock_wall_ms() - EPHEMERAL_AWAY_MS;
    struct door *d = door_open(state);
    allow(d, "away", "worker", true, 0);
    allow(d, "drained", "worker", true, clock_wall_ms());
    allow(d, "never", "worker", true, hour_ago_ms);
    know(d, "away", WORKER_OFFLINE, hour_ago_ms);
    know(d, "drained", WORKER_DRAINED, clock_wall_ms());
    assert_false(tick(d));
    assert_left(d, "");
    door_close(d);
}

static void who_is_here_or_was_lately_stays(void **state)
{
    const int64_t lately_ms = clock_wall_ms() - EPHEMERAL_AWAY_MS + 60 * 1000;
    struct door *d = door_open(state);
    allow(d, "away", "worker", true, 0);
    allow(d, "client", "submit", true, 0);
    allow(d, "here", "worker", true, 0);
    allow(d, "lasting", "worker", false, INT64_MIN);
    allow(d, "never", "worker", true, lately_ms);
    know(d, "away", WORKER_OFFLINE, lately_ms);
    know(d, "here", WORKER_IDLE, 0);
    know(d, "lasting", WORKER_OFFLINE, INT64_MIN);
    assert_true(tick(d));
    assert_left(d, "away client here lasting never");
    door_close(d);
}

/* Its keys are those of the door, its farm that of the field. */
static struct field *field_at(struct door *d)
{
    struct error err = {0};
    struct field *s = field_new();
    farm_free(d->c.farm);
    d->c.farm = s->f;
    d->c.now_ns = s->now_ns;
    allow(d, "w", "worker", true, 0);
    assert_ok(store_commit(d->c.store, &err), err);
    assert_ok(keyring_load(&d->c.keyring, d->c.store, &err), err);
    return s;
}

static void leave_field(struct door *d, struct field *s)
{
    d->c.farm = NULL;
    field_end(s);
    door_close(d);
}

static bool look(struct door *d)
{
    struct error err = {0};
    const bool again = expel_tick(&d->c);
    assert_ok(store_commit(d->c.store, &err), err);
    return again;
}

/* It has left when all of its result was here: it is needed no more, the verdict is. */
static void what_is_here_whole_is_waited_for(void **state)
{
    struct door *d = door_open(state);
    struct field *s = field_at(d);
    struct hand *w = field_worker(s, "w", 1);
    field_batch(s, "b000000001", 1);
    field_turn(s);
    struct attempt_key key = field_assigned(s, w);
    field_offer(s, w, &key, 1000);
    field_upload(s, w, &key);
    farm_leaving(s->f, w->session, "drained", true, s->now_ns);
    field_turn(s);
    assert_true(look(d));
    assert_left(d, "w");
    assert_int_equal(field_count(s, EFFECT_END_ATTEMPT), 0);
    field_verdict(s, w, &key, VERDICT_SOUND);
    assert_int_equal(farm_clip_state(s->f, "b000000001", 0), CLIP_STITCHING);
    assert_false(look(d));
    assert_left(d, "");
    leave_field(d, s);
}

/* What is not here whole goes with it. */
static void what_has_begun_to_come_is_not_waited_for(void **state)
{
    struct door *d = door_open(state);
    struct field *s = field_at(d);
    struct hand *w = field_worker(s, "w", 1);
    field_batch(s, "b000000001", 1);
    field_turn(s);
    struct attempt_key key = field_assigned(s, w);
    field_offer(s, w, &key, 1000);
    farm_leaving(s->f, w->session, "drained", true, s->now_ns);
    field_turn(s);
    assert_false(look(d));
    assert_left(d, "");
    leave_field(d, s);
}

/* ---- clients ---- */

/* Opens it at once; the look at the models, which it waits for, is made when the loop runs. */
static void open_submission(struct door *d, zsock_peer peer, const char *name)
{
    struct error err = {0};
    struct digest sha256 = digest_of("x", 1);
    char format[] = "text";
    Farm__SubmitOpen open = FARM__SUBMIT_OPEN__INIT;
    const struct keyring_entry *sender = keyring_choose(&d->c.keyring, name, "", &err);
    assert_non_null(sender);
    open.sha256 = codec_digest(&sha256);
    open.size_bytes = 1;
    open.format = format;
    intake_open(d->c.intake, peer, 1, sender, false, &open);
}

static void open_intake(struct door *d, void **state)
{
    struct error err = {0};
    const struct models_options none = {.engine = "/nonexistent"};
    assert_int_equal(uv_loop_init(&d->c.loop), 0);
    d->c.state = *state;
    d->c.renders = ground_path(state, "renders");
    d->c.models = models_create(&d->c.loop, &none);
    owners_init(&d->c.owners);
    audience_init(&d->c.audience);
    outbound_init(&d->c.outbound);
    d->c.intake = intake_create(&d->c, &err);
    if (d->c.intake == NULL) fail_msg("%s", err.message);
}

static void close_intake(struct door *d)
{
    intake_destroy(d->c.intake);
    models_destroy(d->c.models);
    (void)uv_run(&d->c.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&d->c.loop), 0);
    outbound_finish(&d->c.outbound);
    audience_finish(&d->c.audience);
    owners_finish(&d->c.owners);
    free(d->c.renders);
}

/* What waits for the look at the models is opened no more; of others it is. */
static void what_waits_goes_with_its_key(void **state)
{
    struct error err = {0};
    struct door *d = door_open(state);
    open_intake(d, state);
    allow(d, "stolen", "submit", false, 0);
    allow(d, "ann", "submit", false, 0);
    assert_false(tick(d));
    open_submission(d, 1, "stolen");
    open_submission(d, 2, "ann");
    open_submission(d, 3, "stolen");
    expel_key(&d->c, keyring_choose(&d->c.keyring, "stolen", "", &err));
    (void)uv_run(&d->c.loop, UV_RUN_DEFAULT);
    assert_int_equal(d->c.outbound.count, 1); /* ann's credit */
    assert_int_equal(d->c.outbound.items[0].peer, 2);
    close_intake(d);
    door_close(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ground_test(any_time_of_a_row_is_before_or_after),
        ground_test(any_time_of_a_worker_is_before_or_after),
        ground_test(an_hour_away_is_over),
        ground_test(who_is_here_or_was_lately_stays),
        ground_test(what_is_here_whole_is_waited_for),
        ground_test(what_has_begun_to_come_is_not_waited_for),
        ground_test(what_waits_goes_with_its_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
