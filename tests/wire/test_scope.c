/* What a key with the role submit learns of other owners' batches: nothing. One farm a test, with a
 * batch of the admin's that a scripted worker renders. */
#include "wire/plan_peer.h"

static struct peer ann;

static int open_scope(void **state)
{
    struct key_pair keys;
    char role[] = "submit", name[] = "ann";
    (void)open_cast(state);
    keys_generate(&keys);
    peer_allow(&cast.admin, &keys, role, name);
    ann = peer_client(&cast.farm, &keys);
    return 0;
}

static int close_scope(void **state)
{
    peer_close(&ann);
    return close_cast(state);
}

/* ---- words about workers ---- */

static void quarantine(void)
{
    char name[] = "w1", reason[] = "it makes nonsense";
    Farm__WorkerAction action = FARM__WORKER_ACTION__INIT;
    action.name = name;
    action.reason = reason;
    action.verb = FARM__WORKER_VERB__WORKER_QUARANTINE;
    PEER_SAY(&cast.admin, WORKER_ACTION, worker_action, &action);
    peer_skip(&cast.admin, FARM__ENVELOPE__BODY_WORKER);
}

static void expect_explained(struct peer *p, bool named)
{
    char subject[] = "w1";
    Farm__ExplainWanted wanted = FARM__EXPLAIN_WANTED__INIT;
    wanted.subject = subject;
    PEER_SAY(p, EXPLAIN_WANTED, explain_wanted, &wanted);
    struct message *m = peer_expect(p, FARM__ENVELOPE__BODY_EXPLAINED);
    const char *line = m->envelope->explained->line;
    if ((strstr(line, cast.batch) != NULL) != named) fail_msg("%s", line);
    if ((strstr(line, "1 published clips are of its making") != NULL) != named)
        fail_msg("%s", line);
    message_free(m);
}

static void what_a_worker_made_is_told_to_whose_it_is(void **state)
{
    (void)state;
    deliver_tasks(0, TASKS);
    await_published();
    quarantine();
    expect_explained(&cast.admin, true);
    expect_explained(&ann, false);
}

#define SCOPE_TEST(test) cmocka_unit_test_setup_teardown(test, open_scope, close_scope)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCOPE_TEST(what_a_worker_made_is_told_to_whose_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, free_made);
}
