/* Inputs on the wire: a peer that sends what it did not announce, asks for what is not its own, or
 * goes away in the middle. */
#include "wire/input_peer.h"

struct cast {
    struct farm_process farm;
    struct key_pair worker_keys;
    struct peer client;
};

static struct cast cast;

static int open_cast(void **state)
{
    (void)state;
    char worker[] = "worker", w1[] = "w1";
    farm_open(&cast.farm);
    cast.client = peer_client(&cast.farm, &cast.farm.admin);
    keys_generate(&cast.worker_keys);
    peer_allow(&cast.client, &cast.worker_keys, worker, w1);
    return 0;
}

static int close_cast(void **state)
{
    (void)state;
    peer_close(&cast.client);
    farm_close(&cast.farm);
    return 0;
}

static void a_picture_is_kept_and_known(void **state)
{
    (void)state;
    struct buf bytes = picture();
    struct digest sha256 = digest_of(bytes.data, bytes.size);
    open_input(&cast.client, &sha256, bytes.size);
    assert_int_equal(expect_credit(&cast.client, &sha256, 0), bytes.size);
    send_chunk(&cast.client, &sha256, 0, (struct bytes){bytes.data, bytes.size});
    struct message *m = peer_expect(&cast.client, FARM__ENVELOPE__BODY_INPUT_STORED);
    assert_int_equal(m->envelope->input_stored->frames, 1);
    assert_int_equal(m->envelope->input_stored->width, 16);
    assert_string_equal(m->envelope->input_stored->format, "PNG");
    assert_false(m->envelope->input_stored->existed);
    message_free(m);
    open_input(&cast.client, &sha256, bytes.size);
    m = peer_expect(&cast.client, FARM__ENVELOPE__BODY_INPUT_STORED);
    assert_true(m->envelope->input_stored->existed);
    message_free(m);
    buf_finish(&bytes);
}

static void other_bytes_are_refused(void **state)
{
    (void)state;
    struct buf bytes = picture();
    struct digest sha256 = digest_of("something else", 14);
    open_input(&cast.client, &sha256, bytes.size);
    (void)expect_credit(&cast.client, &sha256, 0);
    send_chunk(&cast.client, &sha256, 0, (struct bytes){bytes.data, bytes.size});
    peer_expect_problem(&cast.client, "invalid");
    open_input(&cast.client, &sha256, bytes.size); /* nothing of it was kept */
    (void)expect_credit(&cast.client, &sha256, 0);
    buf_finish(&bytes);
}

static void what_is_no_picture_is_refused(void **state)
{
    (void)state;
    static const uint8_t words[] = "#EXTM3U\nfile:///etc/passwd\n";
    struct digest sha256 = digest_of(words, sizeof(words));
    open_input(&cast.client, &sha256, sizeof(words));
    (void)expect_credit(&cast.client, &sha256, 0);
    send_chunk(&cast.client, &sha256, 0, (struct bytes){words, sizeof(words)});
    peer_expect_problem(&cast.client, "refused");
}

static void bytes_that_were_not_granted(void **state)
{
    (void)state;
    static uint8_t zeros[CHUNK];
    struct digest sha256 = digest_of("large", 5);
    open_input(&cast.client, &sha256, LIMIT_INPUT_BYTES); /* the limit itself */
    uint64_t granted = expect_credit(&cast.client, &sha256, 0);
    assert_true(granted <= CREDIT_WINDOW_BYTES);
    send_chunk(&cast.client, &sha256, CHUNK, (struct bytes){zeros, CHUNK}); /* a gap */
    peer_expect_problem(&cast.client, "invalid");
    send_chunk(&cast.client, &sha256, LIMIT_INPUT_BYTES - 1, (struct bytes){zeros, CHUNK});
    peer_expect_problem(&cast.client, "invalid");
    send_chunk(&cast.client, &sha256, 0, (struct bytes){zeros, CHUNK}); /* and it goes on */
    open_input(&cast.client, &sha256, LIMIT_INPUT_BYTES);
    (void)expect_credit(&cast.client, &sha256, CHUNK);
    open_input(&cast.client, &sha256, LIMIT_INPUT_BYTES - 1);
    peer_expect_problem(&cast.client, "refused"); /* another size */
}

static void one_past_the_limits(void **state)
{
    (void)state;
    uint64_t before = peer_bad_messages(&cast.client);
    struct digest sha256 = digest_of("large", 5);
    open_input(&cast.client, &sha256, LIMIT_INPUT_BYTES + 1);
    open_input(&cast.client, &sha256, 0);
    int64_t until_ns = clock_now_ns() + WIRE_PATIENCE_MS * NS_PER_MS;
    while (peer_bad_messages(&cast.client) < before + 2)
        if (clock_now_ns() > until_ns) fail_msg("bad messages are not counted");
}

/* The digests are the sender's words: that they begin alike must not confuse two transfers. */
static void digests_that_begin_alike(void **state)
{
    (void)state;
    struct digest one = digest_of("alike", 5), other = one;
    other.bytes[DIGEST_BYTES - 1] ^= 1;
    open_input(&cast.client, &one, 2 * CHUNK);
    (void)expect_credit(&cast.client, &one, 0);
    open_input(&cast.client, &other, 2 * CHUNK);
    (void)expect_credit(&cast.client, &other, 0);
}

/* Another connection of the same key goes on where the first one stopped. */
static void a_sender_that_comes_back(void **state)
{
    (void)state;
    static uint8_t zeros[CHUNK];
    struct digest sha256 = digest_of("comes back", 10);
    struct peer first = peer_client(&cast.farm, &cast.farm.admin);
    open_input(&first, &sha256, 4 * CHUNK);
    (void)expect_credit(&first, &sha256, 0);
    send_chunk(&first, &sha256, 0, (struct bytes){zeros, CHUNK});
    (void)peer_bad_messages(&first); /* it was handled */
    peer_close(&first);
    open_input(&cast.client, &sha256, 4 * CHUNK);
    (void)expect_credit(&cast.client, &sha256, CHUNK);
}

/* ---- a key that is revoked while it sends ---- */

/* One of two keys of ann. */
static struct peer ann(struct key_pair *keys)
{
    char submit[] = "submit", name[] = "ann";
    keys_generate(keys);
    peer_allow(&cast.client, keys, submit, name);
    return peer_client(&cast.farm, keys);
}

static void expel(const struct key_pair *keys)
{
    char text[KEY_TEXT_SIZE];
    Farm__KeyRevoke body = FARM__KEY_REVOKE__INIT;
    keys_text(keys->public_key, text);
    body.key = text;
    PEER_SAY(&cast.client, KEY_REVOKE, key_revoke, &body);
    peer_skip(&cast.client, FARM__ENVELOPE__BODY_KEY_REVOKED);
}

static void nothing_stays_of_what_a_revoked_key_sent(void **state)
{
    (void)state;
    static uint8_t zeros[CHUNK];
    struct digest sha256 = digest_of("revoked", 7);
    struct key_pair stolen_keys, own_keys;
    struct peer stolen = ann(&stolen_keys), own = ann(&own_keys);
    open_input(&stolen, &sha256, 4 * CHUNK);
    (void)expect_credit(&stolen, &sha256, 0);
    send_chunk(&stolen, &sha256, 0, (struct bytes){zeros, CHUNK});
    (void)peer_bad_messages(&stolen); /* it was handled */
    expel(&stolen_keys);
    open_input(&own, &sha256, 4 * CHUNK);
    (void)expect_credit(&own, &sha256, 0);
    peer_close(&stolen);
    expel(&own_keys);
    peer_close(&own);
}

static void another_key_of_the_owner_goes_on(void **state)
{
    (void)state;
    static uint8_t zeros[CHUNK];
    struct digest sha256 = digest_of("handed on", 9);
    struct key_pair stolen_keys, own_keys;
    struct peer stolen = ann(&stolen_keys), own = ann(&own_keys);
    open_input(&own, &sha256, 4 * CHUNK);
    (void)expect_credit(&own, &sha256, 0);
    send_chunk(&own, &sha256, 0, (struct bytes){zeros, CHUNK});
    (void)peer_bad_messages(&own);
    open_input(&stolen, &sha256, 4 * CHUNK); /* the newest sends */
    (void)expect_credit(&stolen, &sha256, CHUNK);
    expel(&stolen_keys);
    (void)expect_credit(&own, &sha256, CHUNK);
    peer_close(&stolen);
    expel(&own_keys);
    peer_close(&own);
}

/* All of it is here, and a child looks at it, when its key goes: nobody of ann's has it then. */
static void what_is_being_looked_at_is_dropped(void **state)
{
    (void)state;
    struct buf bytes = picture();
    struct key_pair stolen_keys, own_keys;
    struct peer stolen = ann(&stolen_keys), own = ann(&own_keys);
    struct digest sha256 = digest_of(bytes.data, bytes.size);
    open_input(&stolen, &sha256, bytes.size);
    (void)expect_credit(&stolen, &sha256, 0);
    send_chunk(&stolen, &sha256, 0, (struct bytes){bytes.data, bytes.size});
    (void)peer_bad_messages(&stolen);
    expel(&stolen_keys);
    struct message *m = peer_receive(&stolen, 500);
    const bool was_first = m != NULL && m->envelope->body_case == FARM__ENVELOPE__BODY_INPUT_STORED;
    message_free(m);
    if (!was_first) { /* as almost always: a child takes its time */
        open_input(&own, &sha256, bytes.size);
        (void)expect_credit(&own, &sha256, 0);
        send_chunk(&own, &sha256, 0, (struct bytes){bytes.data, bytes.size});
        peer_skip(&own, FARM__ENVELOPE__BODY_INPUT_STORED);
    }
    peer_close(&stolen);
    expel(&own_keys);
    peer_close(&own);
    buf_finish(&bytes);
}

static void a_recipe_that_names_nothing_known(void **state)
{
    (void)state;
    char unknown[] = "{\"model\":\"shapes\",\"init_video\":\"sha256:"
                     "00000000000000000000000000000000000000000000000000000000000000ff\"}";
    char path[] = "{\"model\":\"shapes\",\"init_video\":\"/etc/passwd\"}";
    submit_options(unknown, &cast.client);
    peer_expect_problem(&cast.client, "refused");
    submit_options(path, &cast.client);
    peer_expect_problem(&cast.client, "invalid");
}

static void stored_files_are_read_by_their_digests(void **state)
{
    (void)state;
    struct buf bytes = picture();
    struct digest sha256 = digest_of(bytes.data, bytes.size), other = digest_of("no input", 8);
    struct peer worker = peer_open(&cast.farm, false, &cast.worker_keys);
    (void)peer_join(&worker);
    ask_for_input(&worker, &sha256, 0); /* a_picture_is_kept_and_known sent it */
    struct message *m = peer_expect(&worker, FARM__ENVELOPE__BODY_FILE_DATA);
    assert_int_equal(m->envelope->file_data->total_bytes, bytes.size);
    assert_int_equal(m->payload.size, bytes.size);
    assert_memory_equal(m->payload.data, bytes.data, bytes.size);
    message_free(m);
    ask_for_input(&worker, &sha256, INT64_MAX);
    m = peer_receive(&worker, WIRE_PATIENCE_MS); /* nothing is there, or a problem: never bytes */
    assert_non_null(m);
    assert_int_equal(m->payload.size, 0);
    message_free(m);
    ask_for_input(&worker, &other, 0);
    peer_expect_problem(&worker, "not_found");
    ask_for_input(&cast.client, &sha256, 0); /* clients, too */
    m = peer_expect(&cast.client, FARM__ENVELOPE__BODY_FILE_DATA);
    assert_int_equal(m->payload.size, bytes.size);
    message_free(m);
    ask_for_input(&cast.client, &other, 0);
    peer_expect_problem(&cast.client, "not_found");
    peer_close(&worker);
    buf_finish(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_picture_is_kept_and_known),
        cmocka_unit_test(other_bytes_are_refused),
        cmocka_unit_test(what_is_no_picture_is_refused),
        cmocka_unit_test(bytes_that_were_not_granted),
        cmocka_unit_test(one_past_the_limits),
        cmocka_unit_test(digests_that_begin_alike),
        cmocka_unit_test(a_sender_that_comes_back),
        cmocka_unit_test(nothing_stays_of_what_a_revoked_key_sent),
        cmocka_unit_test(another_key_of_the_owner_goes_on),
        cmocka_unit_test(what_is_being_looked_at_is_dropped),
        cmocka_unit_test(a_recipe_that_names_nothing_known),
        cmocka_unit_test(stored_files_are_read_by_their_digests),
    };
    return cmocka_run_group_tests(tests, open_cast, close_cast);
}
