/* What the store keeps of the farm itself: workers, events, keys, settings. */
#include "drawer.h"

#include "coordinator/store_db.h"

static void check_worker(void *context, const struct worker_record *w)
{
    (*(int *)context)++;
    assert_string_equal(w->name, "w1");
    assert_int_equal(w->boot_id[15], 0x77);
    assert_string_equal(w->machine_id, "m");
    assert_string_equal(w->host, "host");
    assert_string_equal(w->build, "b");
    assert_true(w->admitted);
    assert_int_equal(w->state, WORKER_DRAINING);
    assert_string_equal(w->reason, "asked");
    assert_string_equal(w->by, "ann");
    assert_int_equal(w->since_ms, 5);
    assert_int_equal(w->finished, 6);
    assert_int_equal(w->failed, 7);
    assert_int_equal(w->lost, 8);
}

static void workers_come_back(void **state)
{
    struct error err;
    struct store *s = drawer_open(state);
    int seen = 0;
    struct worker_record w = {.name = "w1",
                              .machine_id = "m",
                              .host = "other",
                              .build = "b",
                              .state = WORKER_CANARY,
                              .reason = "",
                              .by = ""};
    memset(w.boot_id, 0x77, sizeof w.boot_id);
    store_worker_save(s, &w);
    w.host = "host";
    w.admitted = true;
    w.state = WORKER_DRAINING;
    w.reason = "asked";
    w.by = "ann";
    w.since_ms = 5;
    w.finished = 6;
    w.failed = 7;
    w.lost = 8;
    store_worker_save(s, &w);
    drawer_commit(s);
    assert_ok(store_each_worker(s, check_worker, &seen, &err), err);
    assert_int_equal(seen, 1);
    store_close(s);
}

struct seen_events {
    uint64_t numbers[8];
    int count;
    bool has_clip;
    uint32_t clip;
};

static void see_event(void *context, uint64_t sequence, const struct event_record *e)
{
    struct seen_events *seen = context;
    seen->numbers[seen->count++] = sequence;
    seen->has_clip = e->has_clip;
    seen->clip = e->clip;
    assert_string_equal(e->kind, "clip.published");
    assert_string_equal(e->message, "m");
}

static void events_are_numbered_for_ever(void **state)
{
    struct error err;
    struct store *s = drawer_open(state);
    assert_int_equal(store_last_event(s), 0);
    for (uint32_t i = 0; i < 6; i++) {
        struct event_record e = {.kind = "clip.published",
                                 .batch = i % 2 ? DRAWER_BATCH : "",
                                 .has_clip = i % 2,
                                 .clip = i,
                                 .worker = i % 2 ? "w1" : "",
                                 .message = "m",
                                 .at_ms = 1000 + i};
        assert_int_equal(store_event_add(s, &e), i + 1);
    }
    drawer_commit(s);
    struct seen_events all = {.count = 0}, some = {.count = 0}, few = {.count = 0};
    assert_ok(store_each_event(s, 2, NULL, 100, see_event, &all, &err), err);
    assert_int_equal(all.count, 4);
    assert_int_equal(all.numbers[0], 3);
    assert_ok(store_each_event(s, 0, DRAWER_BATCH, 100, see_event, &some, &err), err);
    assert_int_equal(some.count, 3);
    assert_true(some.has_clip);
    assert_int_equal(some.clip, 5);
    assert_ok(store_each_event(s, 0, "", 2, see_event, &few, &err), err);
    assert_int_equal(few.count, 2);
    store_events_prune(s, 1004, 3); /* at most three of the four older ones */
    struct seen_events left = {.count = 0};
    assert_ok(store_each_event(s, 0, NULL, 100, see_event, &left, &err), err);
    assert_int_equal(left.count, 3);
    assert_false(store_events_cap(s, 3, 100)); /* there are no more */
    assert_true(store_events_cap(s, 1, 1));    /* the oldest go first, so many at a time */
    assert_false(store_events_cap(s, 1, 2));
    left = (struct seen_events){.count = 0};
    assert_ok(store_each_event(s, 0, NULL, 100, see_event, &left, &err), err);
    assert_int_equal(left.count, 1);
    assert_int_equal(left.numbers[0], 6);
    store_events_prune(s, 5000, 100);
    drawer_commit(s);
    store_close(s);
    s = drawer_open(state);
    struct event_record e = {.kind = "clip.published", .batch = "", .worker = "", .message = "m"};
    assert_int_equal(store_last_event(s), 6);
    assert_int_equal(store_event_add(s, &e), 7);
    store_events_after(s, 1000);
    assert_int_equal(store_event_add(s, &e), 1001);
    assert_int_equal(store_event_add(s, &e), 1002);
    store_events_cap(s, 3, 100); /* what is missing in between is no event */
    left = (struct seen_events){.count = 0};
    assert_ok(store_each_event(s, 0, NULL, 100, see_event, &left, &err), err);
    assert_int_equal(left.count, 3);
    store_events_cap(s, 2, 100);
    left = (struct seen_events){.count = 0};
    assert_ok(store_each_event(s, 0, NULL, 100, see_event, &left, &err), err);
    assert_int_equal(left.count, 2);
    assert_int_equal(left.numbers[0], 1001);
    store_close(s);
}

static uint64_t add_event(struct store *s, const char *batch)
{
    const struct event_record e = {.kind = "clip.published",
                                   .batch = batch,
                                   .has_clip = true,
                                   .worker = "",
                                   .message = "m",
                                   .at_ms = 1};
    return store_event_add(s, &e);
}

/* Which number comes next is not known before: one that is not stored is given again. */
static void the_last_event_is_one_that_stays(void **state)
{
    struct store *s = drawer_open(state);
    assert_int_equal(add_event(s, DRAWER_BATCH), 1);
    assert_int_equal(store_last_event(s), 0);
    store_rollback(s);
    assert_int_equal(store_last_event(s), 0);
    assert_int_equal(add_event(s, DRAWER_BATCH), 1);
    drawer_commit(s);
    assert_int_equal(store_last_event(s), 1);
    assert_int_equal(add_event(s, DRAWER_BATCH), 2);
    store_rollback(s);
    assert_int_equal(store_last_event(s), 1);
    store_close(s);
}

static void add_ann_s_batches(struct store *s, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        char id[ID_BATCH_SIZE], key[32];
        (void)snprintf(id, sizeof id, "b%09llu", (unsigned long long)i);
        (void)snprintf(key, sizeof key, "k%llu", (unsigned long long)i);
        drawer_add_batch(s, id, i, key, true, BATCH_DONE);
    }
    drawer_commit(s);
}

static void count_event(void *context, uint64_t sequence, const struct event_record *e)
{
    (void)sequence;
    (void)e;
    ++*(int *)context;
}

static int events_of_ann(struct store *s, uint64_t after)
{
    int count = 0;
    struct error err = {0};
    assert_ok(store_each_event_of(s, after, "ann", 100, count_event, &count, &err), err);
    return count;
}

/* What all statements have done since the last time. */
static int work_of(struct store *s, int counter)
{
    int sum = 0;
    for (sqlite3_stmt *stmt = NULL; (stmt = sqlite3_next_stmt(s->db, stmt)) != NULL;)
        sum += sqlite3_stmt_status(stmt, counter, 1);
    return sum;
}

/* A watcher asks at every turn in which something happens. */
static void news_of_an_owner_cost_the_same_with_many_batches(void **state)
{
    struct store *s = drawer_open(state);
    add_ann_s_batches(s, 1, 2);
    const uint64_t first = add_event(s, "b000000001");
    (void)add_event(s, DRAWER_OTHER); /* of nobody */
    drawer_commit(s);
    (void)events_of_ann(s, first - 1);
    (void)work_of(s, SQLITE_STMTSTATUS_VM_STEP);
    (void)work_of(s, SQLITE_STMTSTATUS_SORT);
    assert_int_equal(events_of_ann(s, first - 1), 1);
    const int alone = work_of(s, SQLITE_STMTSTATUS_VM_STEP);
    add_ann_s_batches(s, 2, 500);
    (void)work_of(s, SQLITE_STMTSTATUS_VM_STEP);
    assert_int_equal(events_of_ann(s, first - 1), 1);
    assert_int_equal(work_of(s, SQLITE_STMTSTATUS_VM_STEP), alone);
    assert_int_equal(work_of(s, SQLITE_STMTSTATUS_SORT), 0);
    store_close(s);
}

/* Who asks for all that was ever told gets it, however much others did since. */
static void old_events_of_an_owner_are_found(void **state)
{
    struct store *s = drawer_open(state);
    add_ann_s_batches(s, 1, 3);
    (void)add_event(s, "b000000001");
    (void)add_event(s, "b000000002");
    for (int i = 0; i < 20000; i++)
        (void)add_event(s, DRAWER_OTHER);
    (void)add_event(s, "b000000001");
    drawer_commit(s);
    assert_int_equal(events_of_ann(s, 0), 3);
    assert_int_equal(events_of_ann(s, 2), 1);
    assert_int_equal(events_of_ann(s, 20000), 1);
    store_close(s);
}

static void check_key(void *context, const struct store_key *key)
{
    int *seen = context;
    assert_int_equal(key->key[31], 9);
    assert_string_equal(key->role, "admin");
    assert_string_equal(key->name, "ann");
    assert_int_equal(key->allowed_ms, 4);
    (*seen)++;
}

static void keys_come_and_go(void **state)
{
    struct error err;
    struct store *s = drawer_open(state);
    int seen = 0;
    struct store_key key = {.role = "submit", .name = "bob", .allowed_ms = 3};
    memset(key.key, 9, sizeof key.key);
    store_key_allow(s, &key);
    key = (struct store_key){.role = "admin", .name = "ann", .allowed_ms = 4};
    memset(key.key, 9, sizeof key.key);
    store_key_allow(s, &key);
    drawer_commit(s);
    assert_ok(store_each_key(s, check_key, &seen, &err), err);
    assert_int_equal(seen, 1);
    store_key_revoke(s, key.key);
    assert_ok(store_each_key(s, check_key, &seen, &err), err);
    assert_int_equal(seen, 1);
    key.role = "king";
    store_key_allow(s, &key);
    assert_false(store_commit(s, &err));
    assert_int_equal(err.code, ERROR_INTERNAL);
    seen = 0;
    assert_ok(store_each_key(s, check_key, &seen, &err), err); /* the revocation is undone too */
    assert_int_equal(seen, 1);
    store_close(s);
}

static void settings_come_back(void **state)
{
    struct store *s = drawer_open(state);
    assert_null(store_meta(s, "x"));
    store_meta_set(s, "x", "1");
    store_meta_set(s, "x", "2");
    char *value = store_meta(s, "x");
    assert_string_equal(value, "2");
    free(value);
    store_rollback(s);
    assert_null(store_meta(s, "x"));
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ground_test(workers_come_back),
        ground_test(events_are_numbered_for_ever),
        ground_test(the_last_event_is_one_that_stays),
        ground_test(news_of_an_owner_cost_the_same_with_many_batches),
        ground_test(old_events_of_an_owner_are_found),
        ground_test(keys_come_and_go),
        ground_test(settings_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
