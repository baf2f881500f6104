/* What a key with the role submit learns of other owners' batches: nothing. One farm a test, with a
 * batch of the admin's that a scripted worker renders. */
#include "wire/input_peer.h"
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
    peer_steer(&cast.admin, FARM__WORKER_VERB__WORKER_QUARANTINE, "w1", "it makes nonsense");
    expect_explained(&cast.admin, true);
    expect_explained(&ann, false);
}

/* ---- files ---- */

static struct digest send_input(struct peer *p, const struct buf *bytes)
{
    const struct digest sha256 = digest_of(bytes->data, bytes->size);
    open_input(p, &sha256, bytes->size);
    assert_int_equal(expect_credit(p, &sha256, 0), bytes->size);
    send_chunk(p, &sha256, 0, (struct bytes){bytes->data, bytes->size});
    peer_skip(p, FARM__ENVELOPE__BODY_INPUT_STORED);
    return sha256;
}

static void name_input(struct peer *p, const struct digest *sha256)
{
    char text[DIGEST_TEXT_SIZE], options[256];
    digest_text(sha256, text);
    (void)snprintf(options, sizeof(options), "{\"model\":\"shapes\",\"init_image\":\"sha256:%s\"}",
                   text);
    submit_options(options, p);
}

static void a_digest_is_not_the_file(void **state)
{
    (void)state;
    struct buf bytes = picture();
    const struct digest sha256 = send_input(&cast.admin, &bytes);
    name_input(&ann, &sha256);
    peer_expect_problem(&ann, "refused");
    ask_for_input(&ann, &sha256, 0);
    peer_expect_problem(&ann, "not_found");
    /* She is asked for it as if nobody had sent it. Who sees all need not send it again. */
    (void)send_input(&ann, &bytes);
    open_input(&cast.admin, &sha256, bytes.size);
    peer_skip(&cast.admin, FARM__ENVELOPE__BODY_INPUT_STORED);
    name_input(&ann, &sha256);
    peer_skip(&ann, FARM__ENVELOPE__BODY_ACCEPTED);
    fetch(&ann, &sha256, &bytes); /* of her batch */
    open_input(&ann, &sha256, bytes.size);
    peer_skip(&ann, FARM__ENVELOPE__BODY_INPUT_STORED);
    buf_finish(&bytes);
}

static void stored_parts_are_inputs_of_their_owners_only(void **state)
{
    (void)state;
    deliver_tasks(0, 1);
    const struct buf *segment = &cast.made[0].segment;
    const struct digest sha256 = digest_of(segment->data, segment->size);
    open_input(&ann, &sha256, segment->size);
    assert_true(expect_credit(&ann, &sha256, 0) > 0);
    ask_for_input(&ann, &sha256, 0);
    peer_expect_problem(&ann, "not_found");
    open_input(&cast.admin, &sha256, segment->size);
    peer_skip(&cast.admin, FARM__ENVELOPE__BODY_INPUT_STORED);
    name_input(&ann, &sha256);
    peer_expect_problem(&ann, "refused");
}

/* What ann was refused, as far as it is about the admin's batch. */
static int refusals(void)
{
    int count = 0;
    Farm__AuditWanted wanted = FARM__AUDIT_WANTED__INIT;
    wanted.limit = LIMIT_PAGE;
    PEER_SAY(&cast.admin, AUDIT_WANTED, audit_wanted, &wanted);
    struct message *m = peer_expect(&cast.admin, FARM__ENVELOPE__BODY_AUDIT);
    for (size_t i = 0; i < m->envelope->audit->n_entries; i++) {
        const Farm__AuditEntry *e = m->envelope->audit->entries[i];
        count += !e->allowed && strcmp(e->by, "ann") == 0 && strcmp(e->subject, cast.batch) == 0;
    }
    message_free(m);
    return count;
}

static void who_asks_for_what_is_of_others_is_written_down(void **state)
{
    (void)state;
    char path[] = "batch.json";
    Farm__FileWanted file = FARM__FILE_WANTED__INIT;
    Farm__BatchesWanted list = FARM__BATCHES_WANTED__INIT;
    file.batch = list.before = cast.batch;
    file.path = path;
    file.size_bytes = CHUNK;
    PEER_SAY(&ann, FILE_WANTED, file_wanted, &file);
    peer_expect_problem(&ann, "not_found");
    assert_int_equal(refusals(), 1);
    PEER_SAY(&ann, BATCHES_WANTED, batches_wanted, &list);
    peer_expect_problem(&ann, "not_found");
    assert_int_equal(refusals(), 2);
}

#define SCOPE_TEST(test) cmocka_unit_test_setup_teardown(test, open_scope, close_scope)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCOPE_TEST(what_a_worker_made_is_told_to_whose_it_is),
        SCOPE_TEST(a_digest_is_not_the_file),
        SCOPE_TEST(stored_parts_are_inputs_of_their_owners_only),
        SCOPE_TEST(who_asks_for_what_is_of_others_is_written_down),
    };
    return cmocka_run_group_tests(tests, NULL, free_made);
}
