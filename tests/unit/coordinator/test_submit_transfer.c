/* Submissions on their way in, with callbacks that say what the test wants. */
#include "ground.h"

#include "base/clock.h"
#include "coordinator/models.h"
#include "coordinator/submit_transfer.h"
#include "proto/limits.h"

#define TEXT "a fox\n"

struct world {
    uv_loop_t loop;
    struct models *models; /* finds none */
    struct submit_transfers *transfers;
    char *incoming;
    enum error_code lookup; /* what asking for the key gives */
    bool full;              /* no room on the disk */
    uint64_t lent;          /* of the farm's pool */
    int answers, credits;
    int interrupted;         /* of the answers */
    enum error_code refused; /* of the last answer; ERROR_NONE = accepted */
    bool existed;
    uint64_t credited; /* end of the last credit */
    char key[128];     /* of the last credit */
    uint64_t sender;   /* who got it */
    uint64_t told;     /* who got the last answer */
    char order[64];    /* who got answers, as text */
};

static bool on_known(void *context, const char *owner, const char *key, bool default_key,
                     struct submit_known *out, struct error *err)
{
    struct world *w = context;
    (void)owner;
    (void)key;
    (void)default_key;
    if (w->lookup != ERROR_NONE) return error_set(err, w->lookup, "as the test wants");
    *out = (struct submit_known){.batch = "0123456789", .folder = "0123456789"};
    return true;
}

static uint64_t on_borrow(void *context, const char *owner, uint64_t wanted_bytes, bool for_good)
{
    struct world *w = context;
    (void)owner;
    if (w->full && for_good) return 0;
    w->lent += wanted_bytes;
    return wanted_bytes;
}

static void on_give_back(void *context, const char *owner, uint64_t size_bytes)
{
    struct world *w = context;
    (void)owner;
    assert_true(size_bytes <= w->lent);
    w->lent -= size_bytes;
}

static bool on_id_is_free(void *context, const char *batch)
{
    (void)context;
    (void)batch;
    return true;
}

static void on_credit(void *context, uint64_t client, uint64_t request, const char *key,
                      uint64_t offset, uint64_t size_bytes)
{
    struct world *w = context;
    (void)request;
    (void)snprintf(w->key, sizeof w->key, "%s", key);
    w->credits++;
    w->sender = client;
    w->credited = offset + size_bytes;
}

static void on_accept(void *context, const struct submit_ready *ready)
{
    (void)context;
    (void)ready;
    fail_msg("nothing was sent as a whole");
}

static void on_answer(void *context, const struct submit_answer *answer)
{
    struct world *w = context;
    w->answers++;
    w->told = answer->client;
    const size_t used = strlen(w->order);
    (void)snprintf(w->order + used, sizeof w->order - used, "%d ", (int)answer->client);
    w->refused = answer->err != NULL ? answer->err->code : ERROR_NONE;
    w->interrupted += w->refused == ERROR_INTERRUPTED;
    w->existed = answer->existed;
}

static struct world *open_world(void **state)
{
    struct error err;
    struct world *w = xcalloc(1, sizeof(*w));
    const struct models_options none = {.engine = "/nonexistent"};
    char *prompts = ground_path(state, "prompts");
    char *renders = ground_path(state, "renders");
    w->incoming = ground_path(state, "incoming");
    struct submit_options options = {
        .incoming = w->incoming, .prompts = prompts, .renders = renders};
    struct submit_callbacks callbacks = {.context = w,
                                         .known = on_known,
                                         .borrow = on_borrow,
                                         .give_back = on_give_back,
                                         .id_is_free = on_id_is_free,
                                         .credit = on_credit,
                                         .accept = on_accept,
                                         .answer = on_answer};
    assert_int_equal(uv_loop_init(&w->loop), 0);
    w->lookup = ERROR_NOT_FOUND;
    w->models = models_create(&w->loop, &none);
    w->transfers = submit_transfers_create(&w->loop, &options, w->models, &callbacks, &err);
    assert_non_null(w->transfers);
    free(prompts);
    free(renders);
    return w;
}

static void close_world(struct world *w)
{
    submit_transfers_destroy(w->transfers);
    models_destroy(w->models);
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    free(w->incoming);
    free(w);
}

/* The clients 10 to 19 have the key 1, and so on. */
static void open_with(struct world *w, uint64_t client, const char *owner, const char *key,
                      const char *content, bool dry_run)
{
    struct submit_request r = {.client = client,
                               .request = client,
                               .owner = owner,
                               .opener = {(uint8_t)(client / 10)},
                               .key = key,
                               .sha256 = digest_of(content, strlen(content)),
                               .size_bytes = strlen(content),
                               .format = SUBMIT_TEXT,
                               .name = "",
                               .options = "",
                               .dry_run = dry_run};
    submit_transfers_open(w->transfers, &r, NS_PER_S);
}

static void open_for(struct world *w, uint64_t client, const char *owner, const char *key,
                     const char *content)
{
    open_with(w, client, owner, key, content, false);
}

static void open_one(struct world *w, uint64_t client, const char *key, const char *content)
{
    open_for(w, client, "ann", key, content);
}

static void test_known_keys(void **state)
{
    struct world *w = open_world(state);
    open_one(w, 1, "k", TEXT);
    assert_int_equal(w->credits, 1);
    assert_int_equal(w->credited, strlen(TEXT));
    w->lookup = ERROR_NONE; /* the earlier batch has other content */
    open_one(w, 2, "other", TEXT);
    assert_int_equal(w->refused, ERROR_REFUSED);
    close_world(w);
}

/* A key that cannot be looked up may well be known. */
static void test_a_failed_lookup_accepts_nothing(void **state)
{
    struct world *w = open_world(state);
    w->lookup = ERROR_IO;
    open_one(w, 1, "k", TEXT);
    assert_int_equal(w->answers, 1);
    assert_int_equal(w->refused, ERROR_IO);
    assert_int_equal(submit_transfers_count(w->transfers), 0);
    close_world(w);
}

static void test_no_credit_while_the_disk_is_low(void **state)
{
    struct world *w = open_world(state);
    w->full = true;
    open_one(w, 1, "k", TEXT);
    submit_transfers_tick(w->transfers, 2 * NS_PER_S);
    assert_int_equal(w->credits, 0);
    w->full = false;
    submit_transfers_tick(w->transfers, 3 * NS_PER_S);
    assert_int_equal(w->credits, 1);
    assert_int_equal(w->answers, 0);
    close_world(w);
}

/* D3: credit that nobody uses goes back to the pool, and all of it at the end. */
static void test_unused_credit_goes_back(void **state)
{
    struct error err = {0};
    struct world *w = open_world(state);
    open_one(w, 1, "k", TEXT);
    assert_int_equal(w->lent, strlen(TEXT));
    assert_true(
        submit_transfers_chunk(w->transfers, 1, "ann", "k", 0, TEXT, 2, 2 * NS_PER_S, &err));
    assert_int_equal(w->lent, strlen(TEXT) - 2);
    submit_transfers_tick(w->transfers, 3 * NS_PER_S + CREDIT_IDLE_NS);
    assert_int_equal(w->lent, 0);
    open_one(w, 1, "k", TEXT); /* it comes back, and is told where to go on */
    assert_int_equal(w->lent, strlen(TEXT) - 2);
    submit_transfers_tick(w->transfers, 3 * NS_PER_S + SUBMIT_RESUME_NS);
    assert_int_equal(submit_transfers_count(w->transfers), 0);
    assert_int_equal(w->lent, 0);
    close_world(w);
}

static void test_a_crowd_is_bounded(void **state)
{
    struct world *w = open_world(state);
    for (uint64_t client = 1; client <= SUBMIT_CROWD_MAX; client++)
        open_one(w, client, "k", client % 2 == 1 ? TEXT : "another\n");
    assert_int_equal(w->answers, 0);
    open_one(w, SUBMIT_CROWD_MAX + 1, "k", TEXT);
    assert_int_equal(w->answers, 1);
    assert_int_equal(w->refused, ERROR_REFUSED);
    close_world(w);
}

/* An owner may take his places, and the others theirs. */
static void test_places_are_bounded_by_owner(void **state)
{
    struct world *w = open_world(state);
    char key[16], owner[24];
    for (int i = 0; i <= SUBMIT_TRANSFERS_OWNER_MAX; i++) {
        assert_int_equal(w->answers, 0);
        (void)snprintf(key, sizeof(key), "k%d", i);
        open_one(w, 1, key, TEXT);
    }
    assert_int_equal(w->answers, 1); /* the last one */
    assert_int_equal(w->refused, ERROR_REFUSED);
    for (int i = SUBMIT_TRANSFERS_OWNER_MAX; i <= SUBMIT_TRANSFERS_MAX; i++) {
        assert_int_equal(w->answers, 1);
        (void)snprintf(owner, sizeof(owner), "owner%d", i);
        open_for(w, 2, owner, "k", TEXT);
    }
    assert_int_equal(w->answers, 2);
    assert_int_equal(w->refused, ERROR_REFUSED);
    assert_int_equal(submit_transfers_count(w->transfers), SUBMIT_TRANSFERS_MAX);
    close_world(w);
}

static void send_part(struct world *w, uint64_t offset, size_t size_bytes, int64_t now_ns)
{
    struct error err = {0};
    (void)submit_transfers_chunk(w->transfers, 1, "ann", "k", offset, TEXT + offset, size_bytes,
                                 now_ns, &err);
}

/* Doubled chunks, and those that were not granted, are no sign of life. */
static void test_nothing_new_keeps_nothing_alive(void **state)
{
    struct world *w = open_world(state);
    int64_t now_ns = NS_PER_S;
    open_one(w, 1, "k", TEXT);
    send_part(w, 0, 2, now_ns);
    for (int i = 0; i < 10; i++) {
        now_ns += NS_PER_S + CREDIT_IDLE_NS / 10;
        send_part(w, 0, 2, now_ns);
        send_part(w, 2, sizeof(TEXT), now_ns);
        submit_transfers_tick(w->transfers, now_ns);
    }
    assert_int_equal(w->lent, 0);
    assert_int_equal(w->credits, 1);
    submit_transfers_tick(w->transfers, now_ns + NS_PER_S); /* nor is it lent any more */
    assert_int_equal(w->credits, 1);
    submit_transfers_tick(w->transfers, 2 * NS_PER_S + SUBMIT_RESUME_NS);
    assert_int_equal(submit_transfers_count(w->transfers), 0);
    close_world(w);
}

/* A sender that was stopped for a while and never lost its connection. */
static void test_who_goes_on_late_is_lent_again(void **state)
{
    struct world *w = open_world(state);
    open_one(w, 1, "k", TEXT);
    submit_transfers_tick(w->transfers, 2 * NS_PER_S + CREDIT_IDLE_NS);
    assert_int_equal(w->lent, 0);
    send_part(w, 0, 2, 3 * NS_PER_S + CREDIT_IDLE_NS);
    assert_int_equal(w->credits, 2);
    assert_int_equal(w->lent, strlen(TEXT) - 2);
    close_world(w);
}

/* One that was interrupted waits for its client for minutes: the other must not go on with it, or
 * nothing is submitted, or what was only asked for is rendered. */
static void test_dry_runs_are_transfers_of_their_own(void **state)
{
    for (int first_is_dry = 0; first_is_dry < 2; first_is_dry++) {
        struct world *w = open_world(state);
        open_with(w, 1, "ann", "", TEXT, first_is_dry);
        char *key = xstrdup(w->key);
        open_with(w, 2, "ann", "", TEXT, !first_is_dry);
        assert_int_equal(w->credits, 2);
        assert_string_not_equal(w->key, key);
        open_with(w, 3, "ann", "k", TEXT, first_is_dry);
        open_with(w, 4, "ann", "k", TEXT, !first_is_dry);
        assert_int_equal(w->credits, 3); /* the fourth waits for the third to end */
        free(key);
        close_world(w);
    }
}

/* ---- keys that are not allowed any more ---- */

static void expel(struct world *w, uint8_t number)
{
    const uint8_t key[KEY_BYTES] = {number};
    submit_transfers_expel(w->transfers, key, 2 * NS_PER_S);
}

static void assert_files(const struct world *w, size_t expected)
{
    struct error err = {0};
    char **names = NULL;
    size_t count = 0;
    assert_true(path_list(w->incoming, &names, &count, &err));
    path_list_free(names, count);
    assert_int_equal(count, expected);
}

static void test_nothing_is_left_of_a_key_that_is_gone(void **state)
{
    struct world *w = open_world(state);
    open_one(w, 10, "k", TEXT);
    open_one(w, 11, "another", TEXT);
    open_one(w, 20, "third", TEXT);
    expel(w, 1);
    assert_int_equal(submit_transfers_count(w->transfers), 1);
    assert_int_equal(w->lent, strlen(TEXT));
    assert_files(w, 1);
    expel(w, 2);
    assert_int_equal(submit_transfers_count(w->transfers), 0);
    assert_int_equal(w->lent, 0);
    assert_int_equal(w->answers, 0);
    assert_files(w, 0);
    close_world(w);
}

/* Even one whose opener has lost its connection: it could come back. */
static void test_nothing_waits_for_a_key_that_is_gone(void **state)
{
    struct world *w = open_world(state);
    open_one(w, 10, "k", TEXT);
    submit_transfers_gone(w->transfers, 10);
    expel(w, 1);
    assert_int_equal(submit_transfers_count(w->transfers), 0);
    close_world(w);
}

static void test_another_key_goes_on(void **state)
{
    struct world *w = open_world(state);
    open_one(w, 10, "k", TEXT);
    open_one(w, 20, "k", TEXT); /* the newest sends */
    expel(w, 1);
    assert_int_equal(submit_transfers_count(w->transfers), 1);
    assert_int_equal(w->credits, 2);
    open_one(w, 30, "k", TEXT);
    expel(w, 3); /* the one before goes on */
    assert_int_equal(w->sender, 20);
    assert_int_equal(w->credits, 4);
    assert_int_equal(w->lent, strlen(TEXT));
    expel(w, 2);
    assert_int_equal(submit_transfers_count(w->transfers), 0);
    close_world(w);
}

static void test_who_waits_for_a_key_that_is_gone_is_next(void **state)
{
    struct world *w = open_world(state);
    open_one(w, 10, "k", TEXT);
    open_one(w, 11, "k", "mine as well\n");
    open_one(w, 20, "k", "another's\n");
    expel(w, 1);
    assert_int_equal(submit_transfers_count(w->transfers), 1);
    assert_int_equal(w->sender, 20);
    assert_int_equal(w->answers, 0);
    close_world(w);
}

static void send_as(struct world *w, uint64_t client, const char *owner, const char *key,
                    const char *text)
{
    struct error err = {0};
    assert_true(submit_transfers_chunk(w->transfers, client, owner, key, 0, text, strlen(text),
                                       NS_PER_S, &err));
    assert_int_equal(w->lent, 0);
}

/* All of it is here, and a pool thread looks at it; there is no model for it. */
static void send_all(struct world *w, uint64_t client)
{
    send_as(w, client, "ann", "k", TEXT);
}

static void test_a_check_for_a_key_that_is_gone_ends_in_silence(void **state)
{
    struct world *w = open_world(state);
    open_one(w, 10, "k", TEXT);
    send_all(w, 10);
    expel(w, 1);
    assert_int_equal(submit_transfers_count(w->transfers), 0);
    open_one(w, 20, "k", TEXT); /* anew: nothing of it counts */
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(w->answers, 0);
    assert_int_equal(submit_transfers_count(w->transfers), 1);
    assert_files(w, 1);
    close_world(w);
}

/* They are all here as a whole; the clients are `client` and those after it. */
static void send_many(struct world *w, uint64_t client, const char *owner, int count)
{
    static const char *const keys[] = {"k0", "k1", "k2"};
    for (int i = 0; i < count; i++) {
        open_for(w, client + (uint64_t)i, owner, keys[i], TEXT);
        send_as(w, client + (uint64_t)i, owner, keys[i], TEXT);
    }
}

/* Whoever has many that take long waits for himself. */
static void test_owners_are_checked_in_turn(void **state)
{
    struct world *w = open_world(state);
    send_many(w, 10, "ann", 3);
    send_many(w, 20, "bob", 1);
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_string_equal(w->order, "10 20 11 12 ");
    close_world(w);
}

/* Two who have many do not take turns with each other alone. */
static void test_a_third_owner_has_a_turn(void **state)
{
    struct world *w = open_world(state);
    send_many(w, 10, "ann", 3);
    send_many(w, 20, "bob", 3);
    send_many(w, 30, "cid", 1);
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_string_equal(w->order, "10 20 30 11 21 12 22 ");
    close_world(w);
}

/* What has not begun when its key goes is forgotten, and the next one has its turn. */
static void test_what_waits_for_its_check_goes_with_its_key(void **state)
{
    struct world *w = open_world(state);
    open_for(w, 10, "ann", "k0", TEXT);
    send_as(w, 10, "ann", "k0", TEXT);
    open_for(w, 11, "ann", "k1", TEXT);
    send_as(w, 11, "ann", "k1", TEXT);
    open_for(w, 20, "bob", "k", TEXT);
    send_as(w, 20, "bob", "k", TEXT);
    expel(w, 1);
    assert_int_equal(submit_transfers_count(w->transfers), 1);
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_string_equal(w->order, "20 ");
    assert_files(w, 0);
    close_world(w);
}

static void test_a_check_goes_on_for_another_key(void **state)
{
    struct world *w = open_world(state);
    open_one(w, 10, "k", TEXT);
    send_all(w, 10);
    open_one(w, 20, "k", TEXT);
    expel(w, 1);
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(w->answers, 1);
    assert_int_equal(w->told, 20);
    assert_files(w, 0);
    close_world(w);
}

/* ---- the one thread of the pool is busy ---- */

struct gate {
    uv_work_t work;
    uv_sem_t open;
};

static void wait_at_the_gate(uv_work_t *work)
{
    struct gate *gate = work->data;
    uv_sem_wait(&gate->open);
}

static void on_through(uv_work_t *work, int status)
{
    (void)work;
    assert_int_equal(status, 0);
}

static void gate_close(struct gate *gate, uv_loop_t *loop)
{
    gate->work.data = gate;
    assert_int_equal(uv_sem_init(&gate->open, 0), 0);
    assert_int_equal(uv_queue_work(loop, &gate->work, wait_at_the_gate, on_through), 0);
}

static void gate_open(struct gate *gate, uv_loop_t *loop)
{
    uv_sem_post(&gate->open);
    (void)uv_run(loop, UV_RUN_DEFAULT);
    uv_sem_destroy(&gate->open);
}

/* Who waits for a verdict has nothing to say: silence is no end. */
static void test_a_check_goes_on_for_who_has_gone(void **state)
{
    struct world *w = open_world(state);
    struct gate gate;
    gate_close(&gate, &w->loop);
    open_one(w, 10, "k", TEXT);
    send_all(w, 10);
    open_one(w, 11, "another", TEXT);
    send_as(w, 11, "ann", "another", TEXT);
    submit_transfers_gone(w->transfers, 10);
    submit_transfers_gone(w->transfers, 11);
    submit_transfers_tick(w->transfers, 2 * NS_PER_S + SUBMIT_RESUME_NS);
    assert_int_equal(w->answers, 0);
    gate_open(&gate, &w->loop);
    assert_string_equal(w->order, "10 11 ");
    assert_int_equal(w->interrupted, 0);
    close_world(w);
}

int main(void)
{
    (void)setenv("UV_THREADPOOL_SIZE", "1", 1);
    const struct CMUnitTest tests[] = {
        ground_test(test_known_keys),
        ground_test(test_owners_are_checked_in_turn),
        ground_test(test_a_third_owner_has_a_turn),
        ground_test(test_what_waits_for_its_check_goes_with_its_key),
        ground_test(test_a_failed_lookup_accepts_nothing),
        ground_test(test_no_credit_while_the_disk_is_low),
        ground_test(test_unused_credit_goes_back),
        ground_test(test_a_crowd_is_bounded),
        ground_test(test_places_are_bounded_by_owner),
        ground_test(test_nothing_new_keeps_nothing_alive),
        ground_test(test_who_goes_on_late_is_lent_again),
        ground_test(test_dry_runs_are_transfers_of_their_own),
        ground_test(test_nothing_is_left_of_a_key_that_is_gone),
        ground_test(test_nothing_waits_for_a_key_that_is_gone),
        ground_test(test_another_key_goes_on),
        ground_test(test_who_waits_for_a_key_that_is_gone_is_next),
        ground_test(test_a_check_for_a_key_that_is_gone_ends_in_silence),
        ground_test(test_a_check_goes_on_for_another_key),
        ground_test(test_a_check_goes_on_for_who_has_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
