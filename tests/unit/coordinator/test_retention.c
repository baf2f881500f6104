/* What is left of removed batches: rows go some at a turn, and the files that they were the last to
 * use go with them; a removal whose end was not stored is taken up again. */
#include "drawer.h"

#include "base/clock.h"
#include "coordinator/publisher.h"
#include "coordinator/publisher_job.h"
#include "coordinator/retention.h"
#include "coordinator/shell.h"

struct house { /* as much of a coordinator as removing needs */
    struct coordinator c;
    bool refuses; /* the disk, at a commit */
};

static enum store_state before_commit(void *context)
{
    const struct house *h = context;
    return h->refuses ? STORE_FULL : STORE_OK;
}

static struct house *house_open(void **state)
{
    struct error err = {0};
    struct house *h = xcalloc(1, sizeof(*h));
    char *path = ground_path(state, "farm.db");
    const struct store_hooks hooks = {.context = h, .before_commit = before_commit};
    h->c.state = h->c.renders = *state;
    h->c.now_ns = NS_PER_S;
    assert_int_equal(uv_loop_init(&h->c.loop), 0);
    h->c.store = store_open(path, &hooks, &err);
    if (h->c.store == NULL) fail_msg("%s", err.message);
    h->c.prompts = prompts_create(*state, 1 << 20);
    h->c.publisher = publisher_create(&h->c);
    drawer_add_batch(h->c.store, DRAWER_BATCH, 1, "k", true, BATCH_DONE);
    drawer_finish_task(h->c.store, 0);
    drawer_commit(h->c.store);
    free(path);
    return h;
}

static void house_close(struct house *h)
{
    publisher_destroy(h->c.publisher);
    (void)uv_run(&h->c.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&h->c.loop), 0);
    prompts_destroy(h->c.prompts);
    store_close(h->c.store);
    free(h);
}

static void count_removal(void *context, const char *batch, const char *folder)
{
    (void)folder;
    assert_string_equal(batch, DRAWER_BATCH);
    ++*(int *)context;
}

/* Those whose files may still be there. */
static int removals(struct house *h)
{
    int count = 0;
    struct error err = {0};
    assert_ok(store_each_removal(h->c.store, count_removal, &count, &err), err);
    return count;
}

static void remove_it(struct house *h)
{
    store_batch_remove(h->c.store, DRAWER_BATCH);
    drawer_commit(h->c.store);
    publisher_remove_batch(h->c.publisher, DRAWER_BATCH, "0123456789-name");
}

static void files_go_with_each_lot_of_rows(void **state)
{
    struct house *h = house_open(state);
    remove_it(h);
    retention_tick(&h->c);
    assert_false(h->c.sweep_anew); /* nothing goes yet */
    (void)uv_run(&h->c.loop, UV_RUN_DEFAULT);
    retention_tick(&h->c);
    assert_true(h->c.sweep_anew);
    house_close(h);
}

static void an_end_that_was_not_stored_is_said_again(void **state)
{
    struct error err = {0};
    struct house *h = house_open(state);
    remove_it(h);
    (void)uv_run(&h->c.loop, UV_RUN_DEFAULT);
    h->refuses = true;
    assert_false(store_commit(h->c.store, &err));
    h->refuses = false;
    assert_int_equal(removals(h), 1);
    assert_ok(retention_resume(&h->c, &err), err);
    (void)uv_run(&h->c.loop, UV_RUN_DEFAULT);
    drawer_commit(h->c.store);
    assert_int_equal(removals(h), 0);
    house_close(h);
}

/* Two at once would be in each other's way. */
static void a_removal_that_runs_is_not_begun_again(void **state)
{
    struct error err = {0};
    struct house *h = house_open(state);
    remove_it(h);
    assert_int_equal(h->c.publisher->removals.count, 1);
    assert_ok(retention_resume(&h->c, &err), err);
    assert_int_equal(h->c.publisher->removals.count, 1);
    (void)uv_run(&h->c.loop, UV_RUN_DEFAULT);
    assert_int_equal(h->c.publisher->removals.count, 0);
    house_close(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ground_test(files_go_with_each_lot_of_rows),
        ground_test(an_end_that_was_not_stored_is_said_again),
        ground_test(a_removal_that_runs_is_not_begun_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
