/* Tokens, owners and the audit log: memory and rows. */
#include "drawer.h"

#include "base/id.h"
#include "coordinator/owners.h"
#include "coordinator/tokens.h"

static const uint8_t server[KEY_BYTES] = {5}, joiner[KEY_BYTES] = {6};

struct given {
    uint8_t id[TOKEN_ID_BYTES], secret[TOKEN_SECRET_BYTES];
};

static struct store_token row_of(struct given *g, const char *role)
{
    struct store_token row = {.role = role,
                              .created_ms = 1000,
                              .expires_ms = 5000,
                              .uses = 2,
                              .name = "gpu",
                              .by = "admin"};
    id_random(g, sizeof(*g));
    hex_encode(g->id, sizeof(g->id), row.id);
    token_key(g->secret, row.key);
    return row;
}

static const struct token_entry *check(struct tokens *t, const struct given *g, bool client,
                                       int64_t wall_ms, struct error *err)
{
    uint8_t key[TOKEN_KEY_BYTES], proof[TOKEN_PROOF_BYTES];
    token_key(g->secret, key);
    token_proof(key, joiner, server, proof);
    return tokens_check(t, g->id, proof, joiner, server, client, wall_ms, err);
}

static void refused(struct tokens *t, const struct given *g, bool client, int64_t wall_ms,
                    const char *says)
{
    struct error err = {0};
    assert_null(check(t, g, client, wall_ms, &err));
    assert_int_equal(err.code, ERROR_AUTH);
    if (strstr(err.message, says) == NULL) fail_msg("%s", err.message);
}

static void a_token_counts_until_it_is_over_or_used_up(void **state)
{
    (void)state;
    struct tokens t;
    struct given g, other;
    struct error err = {0};
    struct store_token row = row_of(&g, "worker"), used;
    tokens_init(&t);
    assert_false(tokens_invite(&t, false, 1000));
    tokens_put(&t, &row);
    assert_true(tokens_invite(&t, false, 4999));
    assert_false(tokens_invite(&t, false, 5000));
    assert_false(tokens_invite(&t, true, 1000)); /* not for clients */
    assert_non_null(check(&t, &g, false, 4999, &err));
    refused(&t, &g, false, 5000, "has expired");
    refused(&t, &g, true, 1000, "for a worker");
    other = g;
    other.secret[0] ^= 1;
    refused(&t, &other, false, 1000, "not known");
    assert_true(tokens_use(&t, row.id, &used));
    assert_int_equal(used.used, 1);
    assert_non_null(check(&t, &g, false, 1000, &err));
    assert_true(tokens_use(&t, row.id, &used));
    refused(&t, &g, false, 1000, "used up (2 of 2)");
    assert_false(tokens_invite(&t, false, 1000));
    assert_true(tokens_remove(&t, row.id));
    assert_false(tokens_remove(&t, row.id));
    refused(&t, &g, false, 1000, "not known");
    tokens_finish(&t);
}

static void there_is_a_limit_of_tokens(void **state)
{
    (void)state;
    struct tokens t;
    struct given g;
    struct error err = {0};
    tokens_init(&t);
    for (int i = 0; i < LIMIT_TOKENS; i++) {
        struct store_token row = row_of(&g, "submit");
        assert_true(tokens_may_add(&t, 2000, &err));
        tokens_put(&t, &row);
    }
    assert_false(tokens_may_add(&t, 2000, &err));
    assert_int_equal(err.code, ERROR_REFUSED);
    assert_true(tokens_may_add(&t, 5000, &err)); /* those that ended do not count */
    tokens_prune(&t, 5001);
    assert_int_equal(t.entries.count, 0);
    tokens_finish(&t);
}

static void rows_of_tokens_and_owners_come_back(void **state)
{
    struct error err = {0};
    struct given g;
    struct store *s = drawer_open(state);
    struct store_token row = row_of(&g, "operate"), used;
    struct tokens t;
    struct owners o;
    store_token_save(s, &row);
    store_owner_save(s, &(struct store_owner){"ann", 3, 4, 5, 6});
    assert_true(store_commit(s, &err));
    tokens_init(&t);
    owners_init(&o);
    assert_true(tokens_load(&t, s, &err) && owners_load(&o, s, &err));
    assert_non_null(check(&t, &g, true, 1000, &err));
    assert_true(tokens_use(&t, row.id, &used));
    store_token_save(s, &used);
    assert_true(store_commit(s, &err));
    assert_true(tokens_load(&t, s, &err));
    assert_true(tokens_use(&t, row.id, &used));
    assert_int_equal(used.used, 2);
    const struct owner_entry *ann = owners_get(&o, "ann");
    assert_int_equal(ann->share, 3);
    assert_int_equal(ann->max_batches, 4);
    assert_int_equal(ann->max_tasks, 5);
    assert_int_equal(ann->max_bytes, 6);
    store_tokens_prune(s, 5001);
    tokens_finish(&t);
    tokens_init(&t);
    assert_true(tokens_load(&t, s, &err));
    assert_int_equal(t.entries.count, 0);
    tokens_finish(&t);
    owners_finish(&o);
    store_close(s);
}

static void published_bytes_are_kept_by_owner(void **state)
{
    (void)state;
    struct owners o;
    owners_init(&o);
    owners_published(&o, "0123456789", "ann", 10);
    owners_published(&o, "0123456789", "ann", 5);
    owners_published(&o, "1123456789", "ann", 1);
    owners_published(&o, "2123456789", "ben", 7);
    assert_int_equal(owners_get(&o, "ann")->bytes, 16);
    owners_removed(&o, "0123456789");
    owners_removed(&o, "0123456789");
    assert_int_equal(owners_get(&o, "ann")->bytes, 1);
    assert_int_equal(owners_get(&o, "ben")->bytes, 7);
    owners_finish(&o);
}

static void sum_bytes(void *context, const char *batch, const char *owner, uint64_t bytes)
{
    (void)batch;
    (void)owner;
    *(uint64_t *)context += bytes;
}

static void bytes_are_counted_anew_from_rows(void **state)
{
    struct error err = {0};
    uint64_t bytes = 0;
    struct store *s = drawer_open(state);
    struct shape shape = {.width = 64, .height = 64, .frames = 1, .steps = 1, .fps = 8};
    struct clip_run run = {0, 0};
    struct clip_counts counts = {{0}, 0};
    struct batch_record record = {.group_counts = &counts};
    struct store_batch batch = {.folder = "f", .key = "k", .options = "{}"};
    struct clip_record clip = {.state = CLIP_PUBLISHED, .size_bytes = 1234};
    memcpy(batch.spec.id, "0123456789", sizeof(batch.spec.id));
    memcpy(clip.batch, "0123456789", sizeof(clip.batch));
    batch.spec.name = "n";
    batch.spec.owner = "ann";
    batch.spec.sequence = 1;
    batch.spec.prompts = batch.spec.clips = 1;
    batch.spec.shapes = &shape;
    batch.spec.groups = 1;
    batch.spec.runs = &run;
    batch.spec.run_count = 1;
    clip.file = "a.mp4";
    clip.worker = clip.why = clip.message = "";
    store_batch_add(s, &batch, &record);
    store_clip_save(s, &clip);
    store_published_add(s, "0123456789", 99999); /* wrong */
    store_published_recount(s);
    assert_true(store_commit(s, &err));
    assert_true(store_each_published(s, sum_bytes, &bytes, &err));
    assert_int_equal(bytes, 1234);
    store_published_add(s, "0123456789", 6);
    store_published_add(s, "9876543210", 7); /* no such batch */
    assert_true(store_commit(s, &err));
    bytes = 0;
    assert_true(store_each_published(s, sum_bytes, &bytes, &err));
    assert_int_equal(bytes, 1240);
    store_batch_remove(s, "0123456789");
    assert_true(store_commit(s, &err));
    bytes = 0;
    assert_true(store_each_published(s, sum_bytes, &bytes, &err));
    assert_int_equal(bytes, 0);
    store_close(s);
}

static void count_entry(void *context, uint64_t sequence, const struct store_audit *entry)
{
    uint64_t *seen = context;
    assert_string_equal(entry->action, "batch.cancel");
    assert_int_equal(entry->at_ms, (int64_t)sequence * 10);
    assert_int_equal(entry->allowed, sequence % 2);
    seen[0]++;
    seen[1] = sequence;
}

static uint64_t entries(struct store *s, uint64_t after, uint32_t limit)
{
    struct error err = {0};
    uint64_t seen[2] = {0};
    assert_true(store_each_audit(s, after, limit, count_entry, seen, &err));
    return seen[0];
}

static void the_log_is_paged_and_bounded(void **state)
{
    struct error err = {0};
    struct store *s = drawer_open(state);
    for (int i = 1; i <= 9; i++)
        store_audit_add(
            s, &(struct store_audit){i * 10, "ann", "submit", "batch.cancel", "x", "", i % 2 == 1});
    assert_true(store_commit(s, &err));
    assert_int_equal(entries(s, 0, 100), 9);
    assert_int_equal(entries(s, 7, 100), 2);
    assert_int_equal(entries(s, 0, 4), 4);
    assert_false(store_audit_prune(s, 30, 100, 100)); /* older than a time */
    assert_int_equal(entries(s, 0, 100), 7);
    assert_true(store_audit_prune(s, 0, 4, 2)); /* beyond the newest four, two at a time */
    assert_int_equal(entries(s, 0, 100), 5);
    assert_false(store_audit_prune(s, 0, 4, 2));
    assert_int_equal(entries(s, 0, 100), 4);
    assert_int_equal(entries(s, 5, 100), 4);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_counts_until_it_is_over_or_used_up),
        cmocka_unit_test(there_is_a_limit_of_tokens),
        ground_test(rows_of_tokens_and_owners_come_back),
        cmocka_unit_test(published_bytes_are_kept_by_owner),
        ground_test(bytes_are_counted_anew_from_rows),
        ground_test(the_log_is_paged_and_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
