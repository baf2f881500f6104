#include "drawer.h"

#include "coordinator/feed.h"
#include "proto/codec.h"
#include "proto/limits.h"

#define BATCH_A "aaaaaaaaaa"
#define BATCH_B "bbbbbbbbbb"

#define OF_ANN DRAWER_BATCH /* the only batch that has a row */

struct stage {
    bool refuses; /* the disk, at a commit */
    struct store *store;
    struct feed feed;
    struct outbound out;
    char *path;
};

static enum store_state before_commit(void *context)
{
    const struct stage *s = context;
    return s->refuses ? STORE_FULL : STORE_OK;
}

static void stage_open(struct stage *s, void **state)
{
    struct error err = {0};
    s->path = ground_path(state, "farm.db");
    s->store = store_open(
        s->path, &(struct store_hooks){.context = s, .before_commit = before_commit}, &err);
    if (s->store == NULL) fail_msg("%s", err.message);
    feed_init(&s->feed);
    outbound_init(&s->out);
}

static void stage_close(struct stage *s)
{
    outbound_finish(&s->out);
    feed_finish(&s->feed);
    store_close(s->store);
    free(s->path);
}

static const char *owner_of(const char *batch)
{
    return strcmp(batch, OF_ANN) == 0 ? "ann" : "bob";
}

static uint64_t begin_event(struct stage *s, const char *batch)
{
    struct event_record e = {
        .kind = "clip.published", .batch = batch, .worker = "w", .message = "done", .at_ms = 5};
    uint64_t sequence = store_event_add(s->store, &e);
    feed_note(&s->feed, batch, owner_of(batch));
    return sequence;
}

static uint64_t happen(struct stage *s, const char *batch)
{
    uint64_t sequence = begin_event(s, batch);
    assert_true(store_commit(s->store, NULL));
    return sequence;
}

static struct feed_question question(zsock_peer peer, uint64_t after, int64_t deadline_ns)
{
    return (struct feed_question){.peer = peer,
                                  .request = peer + 1000,
                                  .after = after,
                                  .limit = 3,
                                  .deadline_ns = deadline_ns};
}

static void ask(struct stage *s, zsock_peer peer, uint64_t after, const char *batch,
                int64_t deadline_ns, int64_t now_ns)
{
    struct feed_question q = question(peer, after, deadline_ns);
    (void)snprintf(q.batch, sizeof(q.batch), "%s", batch);
    feed_ask(&s->feed, &q, s->store, &s->out, now_ns);
}

static void ann_asks(struct stage *s, zsock_peer peer, uint64_t after, int64_t deadline_ns)
{
    struct feed_question q = question(peer, after, deadline_ns);
    (void)snprintf(q.owner, sizeof(q.owner), "ann");
    feed_ask(&s->feed, &q, s->store, &s->out, 0);
}

static void add_ann_s_batch(struct stage *s)
{
    drawer_add_batch(s->store, OF_ANN, 1, "k", true, BATCH_RUNNING);
    drawer_commit(s->store);
}

/* The only answer that waits to be sent, decoded. */
static struct message *answer(struct stage *s, zsock_peer peer)
{
    struct error err = {0};
    assert_int_equal(s->out.count, 1);
    const struct outbound_item *item = &s->out.items[0];
    assert_true(item->to_client);
    assert_int_equal(item->peer, peer);
    assert_int_equal(item->request, peer + 1000);
    struct bytes view = {item->envelope.data, item->envelope.size};
    struct message *m = codec_decode(view, (struct bytes){NULL, 0}, MESSAGE_TO_CLIENT, &err);
    if (m == NULL) fail_msg("%s", err.message);
    assert_int_equal(m->envelope->body_case, FARM__ENVELOPE__BODY_EVENTS);
    outbound_finish(&s->out);
    return m;
}

static void expect(struct stage *s, zsock_peer peer, size_t count, uint64_t last)
{
    struct message *m = answer(s, peer);
    assert_int_equal(m->envelope->events->n_events, count);
    assert_int_equal(m->envelope->events->last, last);
    message_free(m);
}

static void what_is_there_is_told_at_once(void **state)
{
    struct stage s = {0};
    stage_open(&s, state);
    uint64_t first = happen(&s, BATCH_A);
    uint64_t second = happen(&s, BATCH_B);
    ask(&s, 1, 0, "", 100, 0);
    expect(&s, 1, 2, second);
    ask(&s, 1, first, BATCH_B, 100, 0);
    expect(&s, 1, 1, second);
    ask(&s, 1, 0, BATCH_A, 0, 0);
    expect(&s, 1, 1, first);
    ask(&s, 1, second, "", 0, 0); /* nothing, and no wish to wait */
    expect(&s, 1, 0, second);
    assert_true(feed_next(&s.feed) == INT64_MAX);
    stage_close(&s);
}

static void pages_follow_each_other_without_a_gap(void **state)
{
    struct stage s = {0};
    stage_open(&s, state);
    uint64_t sequences[5];
    for (int i = 0; i < 5; i++)
        sequences[i] = happen(&s, BATCH_A);
    ask(&s, 1, 0, "", 100, 0);
    expect(&s, 1, 3, sequences[2]);
    ask(&s, 1, sequences[2], "", 100, 0);
    expect(&s, 1, 2, sequences[4]);
    stage_close(&s);
}

static void a_waiter_hears_what_concerns_it(void **state)
{
    struct stage s = {0};
    stage_open(&s, state);
    ask(&s, 1, 0, BATCH_B, 100, 0);
    assert_int_equal(s.out.count, 0);
    assert_true(feed_next(&s.feed) == 100);
    happen(&s, BATCH_A);
    feed_answer(&s.feed, s.store, &s.out, 1);
    assert_int_equal(s.out.count, 0);
    uint64_t sequence = happen(&s, BATCH_B);
    feed_answer(&s.feed, s.store, &s.out, 2);
    expect(&s, 1, 1, sequence);
    assert_int_equal(s.feed.count, 0);
    stage_close(&s);
}

static void waiting_ends_in_time(void **state)
{
    struct stage s = {0};
    stage_open(&s, state);
    ask(&s, 1, 7, "", 100, 0);
    feed_answer(&s.feed, s.store, &s.out, 99);
    assert_int_equal(s.out.count, 0);
    feed_answer(&s.feed, s.store, &s.out, 100);
    expect(&s, 1, 0, 7);
    ask(&s, 1, 7, "", 200, 100);
    ask(&s, 1, 7, "", 300, 100); /* the same request again */
    assert_int_equal(s.feed.count, 1);
    feed_gone(&s.feed, 1);
    assert_int_equal(s.feed.count, 0);
    stage_close(&s);
}

static void waiters_are_bounded(void **state)
{
    struct stage s = {0};
    stage_open(&s, state);
    for (zsock_peer peer = 1; peer <= FEED_WAITERS_MAX; peer++)
        ask(&s, peer, 0, "", 100, 0);
    assert_int_equal(s.feed.count, FEED_WAITERS_MAX);
    assert_int_equal(s.out.count, 0);
    ask(&s, FEED_WAITERS_MAX + 1, 0, "", 100, 0);
    expect(&s, FEED_WAITERS_MAX + 1, 0, 0); /* at once, with nothing */
    stage_close(&s);
}

static void who_sees_only_his_own_is_woken_by_his_own(void **state)
{
    struct stage s = {0};
    stage_open(&s, state);
    add_ann_s_batch(&s);
    ann_asks(&s, 1, 0, 100);
    ask(&s, 2, 0, BATCH_A, 200, 0);
    happen(&s, BATCH_B);
    assert_true(feed_next(&s.feed) == 100); /* nobody is to be answered now */
    uint64_t sequence = happen(&s, OF_ANN);
    assert_true(feed_next(&s.feed) == 0);
    feed_answer(&s.feed, s.store, &s.out, 1);
    expect(&s, 1, 1, sequence);
    stage_close(&s);
}

/* What others did meanwhile is not looked through again. */
static void an_empty_answer_leads_on(void **state)
{
    struct stage s = {0};
    stage_open(&s, state);
    add_ann_s_batch(&s);
    ann_asks(&s, 1, 0, 100);
    uint64_t sequence = happen(&s, BATCH_B);
    feed_answer(&s.feed, s.store, &s.out, 100);
    expect(&s, 1, 0, sequence);
    stage_close(&s);
}

/* The number of an event that was not stored after all is given to the next one. */
static void a_failed_commit_hides_nothing(void **state)
{
    struct stage s = {0};
    stage_open(&s, state);
    add_ann_s_batch(&s);
    uint64_t lost = begin_event(&s, BATCH_B);
    ann_asks(&s, 1, 0, 100); /* between two turns */
    assert_int_equal(s.out.count, 0);
    s.refuses = true;
    assert_false(store_commit(s.store, NULL));
    s.refuses = false;
    feed_answer(&s.feed, s.store, &s.out, 1);
    assert_int_equal(s.out.count, 0);
    uint64_t sequence = happen(&s, OF_ANN);
    assert_int_equal(sequence, lost);
    feed_answer(&s.feed, s.store, &s.out, 2);
    expect(&s, 1, 1, sequence);
    stage_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ground_test(what_is_there_is_told_at_once),
        ground_test(pages_follow_each_other_without_a_gap),
        ground_test(a_waiter_hears_what_concerns_it),
        ground_test(waiting_ends_in_time),
        ground_test(waiters_are_bounded),
        ground_test(who_sees_only_his_own_is_woken_by_his_own),
        ground_test(an_empty_answer_leads_on),
        ground_test(a_failed_commit_hides_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
