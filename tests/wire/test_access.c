/* Who may do what: roles, owners, revocation, the audit log; a real coordinator and peers that try
 * everything. */
#include "wire/admin_farm.h"
#include "wire/smallest.h"

/* ---- roles ---- */

static struct key_pair keys_for(const char *role, const char *name)
{
    struct key_pair keys;
    char role_text[16], name_text[32];
    (void)snprintf(role_text, sizeof(role_text), "%s", role);
    (void)snprintf(name_text, sizeof(name_text), "%s", name);
    keys_generate(&keys);
    peer_allow(&admin, &keys, role_text, name_text);
    return keys;
}

/* Whether the message was refused for the role, when the one after it is answered. */
static bool is_refused(struct peer *p, const struct message_kind *kind)
{
    Farm__StatusWanted wanted = FARM__STATUS_WANTED__INIT;
    bool refused = false, done = false;
    smallest_send(p, kind);
    const uint64_t asked = p->request;
    PEER_SAY(p, STATUS_WANTED, status_wanted, &wanted);
    while (!done) {
        struct message *m = peer_receive(p, WIRE_PATIENCE_MS);
        if (m == NULL) fail_msg("no answer after %s", kind->name);
        const Farm__Envelope *e = m->envelope;
        done = e->body_case == FARM__ENVELOPE__BODY_STATUS && e->request == p->request;
        if (e->body_case == FARM__ENVELOPE__BODY_PROBLEM && e->request == asked) {
            const char *code = e->problem->code;
            refused = strcmp(code, "auth") == 0 || strstr(e->problem->message, "may not") != NULL;
        }
        message_free(m);
    }
    return refused;
}

static void each_message_is_for_its_roles(void **state)
{
    (void)state;
    static const char *const roles[] = {"submit", "operate", "admin"};
    size_t count = 0, tried = 0;
    const struct message_kind *kinds = message_kinds(&count);
    for (size_t r = 0; r < 3; r++) {
        enum message_from from;
        assert_true(message_role_parse(roles[r], &from));
        char name[32];
        (void)snprintf(name, sizeof(name), "walks-%s", roles[r]);
        struct key_pair keys = keys_for(roles[r], name);
        struct peer p = peer_client(&farm, &keys);
        for (size_t i = 0; i < count; i++) {
            if ((kinds[i].from & ~(unsigned)(MESSAGE_TO_WORKER | MESSAGE_TO_CLIENT)) == 0) continue;
            const bool may = message_may_send(&kinds[i], from);
            if (is_refused(&p, &kinds[i]) == may)
                fail_msg("%s from a key with the role %s", kinds[i].name, roles[r]);
            tried++;
        }
        peer_close(&p);
    }
    assert_true(tried > 3 * 30);
}

static void a_worker_says_what_workers_say(void **state)
{
    (void)state;
    size_t count = 0, wrong = 0;
    const struct message_kind *kinds = message_kinds(&count);
    struct key_pair keys = keys_for("worker", "walks-worker");
    struct peer p = peer_open(&farm, false, &keys);
    uint64_t before = peer_bad_messages(&admin);
    for (size_t i = 0; i < count; i++) {
        smallest_send(&p, &kinds[i]);
        wrong += !message_may_send(&kinds[i], MESSAGE_FROM_WORKER);
    }
    peer_beat(&p, peer_join(&p)); /* all of it was handled */
    assert_true(wrong > 50);
    assert_int_equal(peer_bad_messages(&admin) - before, wrong);
    peer_close(&p);
}

/* ---- revocation ---- */

static void revoke_key(struct peer *by, const char *name)
{
    char text[LIMIT_NAME_BYTES + 1];
    Farm__KeyRevoke body = FARM__KEY_REVOKE__INIT;
    (void)snprintf(text, sizeof(text), "%s", name);
    body.key = text;
    PEER_SAY(by, KEY_REVOKE, key_revoke, &body);
}

static void a_revoked_key_is_out_at_once(void **state)
{
    (void)state;
    Farm__StatusWanted wanted = FARM__STATUS_WANTED__INIT;
    Farm__EventsWanted events = FARM__EVENTS_WANTED__INIT;
    struct key_pair operator_keys = keys_for("operate", "op"), keys = keys_for("worker", "w");
    struct peer client = peer_client(&farm, &operator_keys);
    struct peer worker = peer_open(&farm, false, &keys);
    uint64_t session = peer_join(&worker);
    peer_beat(&worker, session);
    events.tail = true;
    events.wait_ms = 60000;
    PEER_SAY(&client, EVENTS_WANTED, events_wanted, &events);
    (void)peer_bad_messages(&client); /* the question was heard */
    revoke_key(&admin, "op");
    peer_skip(&admin, FARM__ENVELOPE__BODY_KEY_REVOKED);
    revoke_key(&admin, "w");
    peer_skip(&admin, FARM__ENVELOPE__BODY_KEY_REVOKED);
    peer_skip(&worker, FARM__ENVELOPE__BODY_BYE); /* its session ends */
    PEER_SAY(&client, STATUS_WANTED, status_wanted, &wanted);
    /* Neither the event of the revocations nor the status. */
    struct message *m = peer_receive(&client, WIRE_PATIENCE_MS);
    assert_non_null(m);
    assert_int_equal(m->envelope->body_case, FARM__ENVELOPE__BODY_BYE);
    message_free(m);
    peer_expect_silence(&client, 300);
    peer_close(&client);
    client = peer_open(&farm, true, &operator_keys);
    PEER_SAY(&client, STATUS_WANTED, status_wanted, &wanted);
    peer_expect_silence(&client, 300); /* nor does it come in again */
    peer_close(&client);
    peer_close(&worker);
    revoke_key(&admin, "op");
    peer_expect_problem(&admin, "not_found");
    revoke_key(&admin, "admin"); /* the last one: refused */
    peer_expect_problem(&admin, "refused");
    struct key_pair second = keys_for("admin", "second");
    struct peer other = peer_client(&farm, &second);
    revoke_key(&other, "second"); /* it may go by itself */
    peer_skip(&other, FARM__ENVELOPE__BODY_KEY_REVOKED);
    peer_close(&other);
}

/* All of it has come, and is being checked when this returns. */
static void send_submission(struct peer *p, const struct buf *text)
{
    Farm__StatusWanted wanted = FARM__STATUS_WANTED__INIT;
    struct digest digest = digest_of(text->data, text->size);
    char format[] = "text", key[] = "stolen", options[] = "{\"model\":\"pattern\"}";
    Farm__SubmitOpen open = FARM__SUBMIT_OPEN__INIT;
    Farm__Chunk chunk = FARM__CHUNK__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    open.key = chunk.key = key;
    open.sha256 = codec_digest(&digest);
    open.size_bytes = text->size;
    open.format = format;
    open.options = options;
    PEER_SAY(p, SUBMIT_OPEN, submit_open, &open);
    peer_skip(p, FARM__ENVELOPE__BODY_CREDIT);
    envelope.request = p->request;
    envelope.body_case = FARM__ENVELOPE__BODY_CHUNK;
    envelope.chunk = &chunk;
    peer_send(p, &envelope, (struct bytes){text->data, text->size});
    PEER_SAY(p, STATUS_WANTED, status_wanted, &wanted);
    struct message *m = peer_receive(p, WIRE_PATIENCE_MS);
    assert_non_null(m);
    assert_int_equal(m->envelope->body_case, FARM__ENVELOPE__BODY_STATUS); /* not Accepted yet */
    message_free(m);
}

static size_t files_in(const char *folder)
{
    struct error err = {0};
    char **names = NULL, *path = xasprintf("%s/state/%s", farm.folder, folder);
    size_t count = 0;
    if (!path_list(path, &names, &count, &err)) fail_msg("%s", err.message);
    path_list_free(names, count);
    free(path);
    return count;
}

static uint32_t batches_of_all(void)
{
    Farm__BatchesWanted wanted = FARM__BATCHES_WANTED__INIT;
    PEER_SAY(&admin, BATCHES_WANTED, batches_wanted, &wanted);
    struct message *m = peer_expect(&admin, FARM__ENVELOPE__BODY_BATCHES);
    const uint32_t count = (uint32_t)m->envelope->batches->n_batches;
    message_free(m);
    return count;
}

/* Its last word was a whole submission: the check ends a moment after the revocation. */
static void what_a_revoked_key_was_submitting_is_not_accepted(void **state)
{
    (void)state;
    enum { LINES = 60000 }; /* that the check takes a while for */
    struct buf text = BUF_INIT;
    struct key_pair keys = keys_for("submit", "stolen");
    struct peer client = peer_client(&farm, &keys);
    const size_t prompts = files_in("prompts"), renders = files_in("renders");
    const uint32_t batches = batches_of_all();
    for (int i = 0; i < LINES; i++)
        buf_append_text(&text, "x\n");
    send_submission(&client, &text);
    revoke_key(&admin, "stolen");
    peer_skip(&admin, FARM__ENVELOPE__BODY_KEY_REVOKED);
    const int64_t until_ns = clock_now_ns() + WIRE_PATIENCE_MS * NS_PER_MS;
    while (files_in("incoming") > 0 && clock_now_ns() < until_ns)
        (void)peer_bad_messages(&admin);
    assert_int_equal(files_in("incoming"), 0);
    assert_int_equal(batches_of_all(), batches);
    assert_int_equal(files_in("prompts"), prompts);
    assert_int_equal(files_in("renders"), renders);
    peer_expect_silence(&client, 100);
    peer_close(&client);
    buf_finish(&text);
}

/* ---- limits ---- */

/* Whether the submission with this number was refused for its pace. */
static bool is_too_often(struct peer *p)
{
    char format[] = "text";
    uint8_t sha256[DIGEST_BYTES] = {0};
    Farm__SubmitOpen open = FARM__SUBMIT_OPEN__INIT;
    Farm__StatusWanted wanted = FARM__STATUS_WANTED__INIT;
    bool often = false, done = false;
    open.sha256 = (ProtobufCBinaryData){sizeof(sha256), sha256};
    open.size_bytes = 1;
    open.format = format;
    open.dry_run = true;
    PEER_SAY(p, SUBMIT_OPEN, submit_open, &open);
    PEER_SAY(p, STATUS_WANTED, status_wanted, &wanted);
    while (!done) {
        struct message *m = peer_receive(p, WIRE_PATIENCE_MS);
        assert_non_null(m);
        const Farm__Envelope *e = m->envelope;
        done = e->body_case == FARM__ENVELOPE__BODY_STATUS && e->request == p->request;
        if (e->body_case == FARM__ENVELOPE__BODY_PROBLEM &&
            strstr(e->problem->message, "submits too often") != NULL)
            often = true;
        message_free(m);
    }
    return often;
}

static void an_owner_submits_at_a_bounded_pace(void **state)
{
    (void)state;
    struct key_pair keys = keys_for("submit", "hasty"), other = keys_for("submit", "calm");
    struct peer p = peer_client(&farm, &keys), q = peer_client(&farm, &other);
    int allowed = 0;
    const int64_t began_ns = clock_now_ns();
    while (!is_too_often(&p))
        allowed++;
    const int64_t took_s = (clock_now_ns() - began_ns) / NS_PER_S + 1;
    assert_true(allowed >= SUBMITS_BURST);
    assert_true(allowed <= SUBMITS_BURST + SUBMITS_PER_S * took_s);
    assert_false(is_too_often(&q)); /* another owner is not held up */
    peer_close(&p);
    peer_close(&q);
}

/* Whether a change is refused for its pace; of a batch that is not there, so that all are cheap. */
static bool is_change_too_often(struct peer *p)
{
    char batch[] = "b000000009";
    Farm__BatchAction action = FARM__BATCH_ACTION__INIT;
    action.batch = batch;
    action.verb = FARM__BATCH_VERB__BATCH_PAUSE;
    PEER_SAY(p, BATCH_ACTION, batch_action, &action);
    struct message *m = peer_expect(p, FARM__ENVELOPE__BODY_PROBLEM);
    const bool often = strstr(m->envelope->problem->message, "changes batches too often") != NULL;
    message_free(m);
    return often;
}

static void an_owner_changes_at_a_bounded_pace(void **state)
{
    (void)state;
    struct key_pair keys = keys_for("submit", "busy"), other = keys_for("operate", "watchful");
    struct peer p = peer_client(&farm, &keys), q = peer_client(&farm, &other);
    int allowed = 0;
    const int64_t began_ns = clock_now_ns();
    while (!is_change_too_often(&p))
        allowed++;
    const int64_t took_s = (clock_now_ns() - began_ns) / NS_PER_S + 1;
    assert_true(allowed >= CHANGES_BURST);
    assert_true(allowed <= CHANGES_BURST + CHANGES_PER_S * took_s);
    for (int i = 0; i <= CHANGES_BURST; i++) /* who steers the farm is not held up */
        assert_false(is_change_too_often(&q));
    peer_close(&p);
    peer_close(&q);
}

static uint64_t audit_entries(const char *by, bool allowed, uint64_t *left_out)
{
    uint64_t count = 0, after = 0;
    for (bool more = true; more;) {
        Farm__AuditWanted wanted = FARM__AUDIT_WANTED__INIT;
        wanted.after = after;
        wanted.limit = LIMIT_PAGE;
        PEER_SAY(&admin, AUDIT_WANTED, audit_wanted, &wanted);
        struct message *m = peer_expect(&admin, FARM__ENVELOPE__BODY_AUDIT);
        const Farm__Audit *page = m->envelope->audit;
        for (size_t i = 0; i < page->n_entries; i++) {
            const Farm__AuditEntry *e = page->entries[i];
            const char *told = strstr(e->detail, "(");
            unsigned long long number = 0;
            after = e->sequence;
            count += strcmp(e->by, by) == 0 && e->allowed == allowed;
            if (told && strstr(told, "refusals before it") && sscanf(told, "(%llu", &number) == 1)
                *left_out += number;
        }
        more = page->truncated;
        message_free(m);
    }
    return count;
}

/* A flood of refusals does not fill the disk, and none is lost from the count. */
static void refusals_are_listed_at_a_bounded_pace(void **state)
{
    (void)state;
    struct key_pair keys = keys_for("submit", "curious");
    struct peer p = peer_client(&farm, &keys);
    Farm__KeysWanted wanted = FARM__KEYS_WANTED__INIT;
    const uint64_t tries = AUDIT_REFUSALS_BURST + 100;
    uint64_t left_out = 0;
    const int64_t began_ns = clock_now_ns();
    for (uint64_t i = 0; i < tries; i++) {
        PEER_SAY(&p, KEYS_WANTED, keys_wanted, &wanted);
        peer_expect_problem(&p, "auth");
    }
    const uint64_t took_s = (uint64_t)((clock_now_ns() - began_ns) / NS_PER_S) + 1;
    (void)keys_for("submit", "next"); /* an entry that tells of those left out */
    const uint64_t listed = audit_entries("curious", false, &left_out);
    assert_true(listed <= AUDIT_REFUSALS_BURST + AUDIT_REFUSALS_PER_S * took_s);
    assert_true(left_out > 0);
    assert_int_equal(listed + left_out, tries);
    peer_close(&p);
}

static uint64_t cut_connections(struct peer *p)
{
    Farm__StatusWanted wanted = FARM__STATUS_WANTED__INIT;
    PEER_SAY(p, STATUS_WANTED, status_wanted, &wanted);
    struct message *m = peer_expect(p, FARM__ENVELOPE__BODY_STATUS);
    const uint64_t cut = m->envelope->status->cut_connections;
    message_free(m);
    return cut;
}

/* Its second connection comes with a routing id of its own. */
static void connections_that_are_cut_off_are_counted(void **state)
{
    (void)state;
    struct key_pair keys = keys_for("submit", "bold");
    struct peer bold = peer_client(&farm, &keys), watch = peer_client(&farm, &farm.admin);
    Farm__StatusWanted wanted = FARM__STATUS_WANTED__INIT;
    const int64_t until_ns = clock_now_ns() + 60 * NS_PER_S;
    assert_int_equal(cut_connections(&watch), 0);
    assert_int_equal(zmq_setsockopt(bold.socket, ZMQ_ROUTING_ID, "bold", 4), 0);
    assert_int_equal(zmq_disconnect(bold.socket, farm.clients_url), 0);
    assert_int_equal(zmq_connect(bold.socket, farm.clients_url), 0);
    do
        PEER_SAY(&bold, STATUS_WANTED, status_wanted, &wanted);
    while (cut_connections(&watch) == 0 && clock_now_ns() < until_ns);
    assert_true(clock_now_ns() < until_ns);
    peer_close(&bold);
    peer_close(&watch);
}

static void act(struct peer *p, char *batch, Farm__BatchVerb verb, int priority)
{
    Farm__BatchAction action = FARM__BATCH_ACTION__INIT;
    action.batch = batch;
    action.verb = verb;
    action.priority = priority;
    action.keep_s = 3600;
    PEER_SAY(p, BATCH_ACTION, batch_action, &action);
    peer_skip(p, FARM__ENVELOPE__BODY_BATCH);
}

/* What changes nothing is no entry, so that nobody fills the log with it. */
static void each_change_is_listed_once(void **state)
{
    (void)state;
    static const Farm__BatchVerb verbs[] = {
        FARM__BATCH_VERB__BATCH_PAUSE,  FARM__BATCH_VERB__BATCH_PRIORITY,
        FARM__BATCH_VERB__BATCH_KEEP,   FARM__BATCH_VERB__BATCH_RESUME,
        FARM__BATCH_VERB__BATCH_CANCEL,
    };
    struct key_pair keys = keys_for("submit", "insistent");
    struct peer p = peer_client(&farm, &keys);
    char batch[ID_BATCH_SIZE];
    uint64_t left_out = 0;
    peer_submit(&p, "a fox\n", "{\"model\":\"shapes\"}", batch);
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        for (int again = 0; again < 3; again++)
            act(&p, batch, verbs[i], -5);
    assert_int_equal(audit_entries("insistent", true, &left_out), sizeof(verbs) / sizeof(verbs[0]));
    peer_close(&p);
}

/* Of those that say less than what was said before nothing comes. */
static void a_drain_is_listed_when_it_changes_something(void **state)
{
    (void)state;
    static const uint64_t grace_ms[] = {0, 0, 60000, 60000, 0, 90000, 30000, 30000};
    struct key_pair keys = keys_for("operate", "drainer"), worker_keys = keys_for("worker", "slow");
    struct peer p = peer_client(&farm, &keys), worker = peer_open(&farm, false, &worker_keys);
    uint64_t left_out = 0;
    (void)peer_join(&worker);
    for (size_t i = 0; i < sizeof(grace_ms) / sizeof(grace_ms[0]); i++)
        peer_steer_within(&p, FARM__WORKER_VERB__WORKER_DRAIN, "slow", "", grace_ms[i]);
    assert_int_equal(audit_entries("drainer", true, &left_out), 3);
    peer_close(&worker);
    peer_close(&p);
}

/* Who asks for one that is under way waits for it. */
static void a_backup_is_listed_once(void **state)
{
    (void)state;
    struct key_pair keys = keys_for("admin", "careful");
    struct peer p = peer_client(&farm, &keys);
    char *path = path_join(farm.folder, "backup");
    Farm__BackupWanted wanted = FARM__BACKUP_WANTED__INIT;
    uint64_t left_out = 0;
    wanted.path = path;
    for (int i = 0; i < 20; i++)
        PEER_SAY(&p, BACKUP_WANTED, backup_wanted, &wanted);
    peer_skip(&p, FARM__ENVELOPE__BODY_BACKUP_MADE);
    (void)peer_bad_messages(&p); /* all are handled */
    assert_int_equal(audit_entries("careful", true, &left_out), 1);
    peer_close(&p);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_that_are_cut_off_are_counted),
        cmocka_unit_test(a_revoked_key_is_out_at_once),
        cmocka_unit_test(what_a_revoked_key_was_submitting_is_not_accepted),
        cmocka_unit_test(refusals_are_listed_at_a_bounded_pace),
        cmocka_unit_test(an_owner_submits_at_a_bounded_pace),
        cmocka_unit_test(an_owner_changes_at_a_bounded_pace),
        cmocka_unit_test(each_change_is_listed_once),
        cmocka_unit_test(a_drain_is_listed_when_it_changes_something),
        cmocka_unit_test(a_backup_is_listed_once),
        cmocka_unit_test(each_message_is_for_its_roles),
        cmocka_unit_test(a_worker_says_what_workers_say),
    };
    return cmocka_run_group_tests(tests, admin_farm_open, admin_farm_close);
}
