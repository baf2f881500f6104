#include "unit/base/scratch.h"

#include <string.h>

#include "proto/chunk.h"
#include "proto/limits.h"

static void sender_cuts_its_credit_into_pieces(void **state)
{
    (void)state;
    struct chunk_sender s;
    uint64_t offset = 0;
    uint32_t size = 0;
    chunk_sender_init(&s, 3 * (uint64_t)LIMIT_CHUNK_BYTES);
    assert_false(chunk_sender_next(&s, &offset, &size));
    assert_true(chunk_sender_credit(&s, 0, LIMIT_CHUNK_BYTES + 1));
    assert_true(chunk_sender_next(&s, &offset, &size));
    assert_int_equal(offset, 0);
    assert_int_equal(size, LIMIT_CHUNK_BYTES);
    assert_true(chunk_sender_next(&s, &offset, &size)); /* not sent: the same again */
    assert_int_equal(offset, 0);
    chunk_sender_sent(&s, size);
    assert_true(chunk_sender_next(&s, &offset, &size));
    assert_int_equal(offset, LIMIT_CHUNK_BYTES);
    assert_int_equal(size, 1);
    chunk_sender_sent(&s, size);
    assert_false(chunk_sender_next(&s, &offset, &size));
}

static void sender_follows_the_receiver_back(void **state)
{
    (void)state;
    struct chunk_sender s;
    uint64_t offset = 0;
    uint32_t size = 0;
    chunk_sender_init(&s, 1000);
    assert_true(chunk_sender_credit(&s, 0, 500));
    chunk_sender_sent(&s, 500);
    assert_true(chunk_sender_credit(&s, 500, 100)); /* goes on */
    assert_true(chunk_sender_next(&s, &offset, &size));
    assert_int_equal(offset, 500);
    assert_true(chunk_sender_credit(&s, 200, 100)); /* goes back */
    assert_true(chunk_sender_next(&s, &offset, &size));
    assert_int_equal(offset, 200);
    assert_int_equal(size, 100);
    chunk_sender_reset(&s);
    assert_false(chunk_sender_next(&s, &offset, &size));
}

static void sender_refuses_credit_outside(void **state)
{
    (void)state;
    struct chunk_sender s;
    chunk_sender_init(&s, 1000);
    assert_true(chunk_sender_credit(&s, 0, 1000));
    assert_false(chunk_sender_credit(&s, 0, 1001));
    assert_false(chunk_sender_credit(&s, 1001, 0));
    assert_false(chunk_sender_credit(&s, UINT64_MAX, 2));
    assert_false(chunk_sender_credit(&s, 2, UINT64_MAX));
    assert_int_equal(s.limit, 1000);
}

static void receiver_keeps_window_and_pool(void **state)
{
    (void)state;
    struct chunk_receiver r;
    uint64_t offset = 0;
    uint64_t size = 0;
    uint32_t skip = 0;
    chunk_receiver_init(&r, 1000, 100);
    assert_true(chunk_receiver_grant(&r, 300, 1000, &offset, &size));
    assert_int_equal(offset, 100);
    assert_int_equal(size, 300);
    assert_false(chunk_receiver_grant(&r, 300, 1000, &offset, &size));
    assert_int_equal(chunk_receiver_accept(&r, 100, 200, &skip), CHUNK_TAKE);
    assert_int_equal(chunk_receiver_outstanding(&r), 100);
    assert_true(chunk_receiver_grant(&r, 300, 50, &offset, &size));
    assert_int_equal(offset, 400);
    assert_int_equal(size, 50);
    assert_false(chunk_receiver_grant(&r, 300, 0, &offset, &size));
    assert_true(chunk_receiver_grant(&r, 5000, 5000, &offset, &size));
    assert_int_equal(offset + size, 1000); /* never past the end */
    assert_false(chunk_receiver_is_done(&r));
    assert_int_equal(chunk_receiver_accept(&r, 300, 700, &skip), CHUNK_TAKE);
    assert_true(chunk_receiver_is_done(&r));
}

static void receiver_judges_each_chunk(void **state)
{
    (void)state;
    struct chunk_receiver r;
    uint64_t offset = 0;
    uint64_t size = 0;
    uint32_t skip = 9;
    chunk_receiver_init(&r, 1000, 0);
    assert_int_equal(chunk_receiver_accept(&r, 0, 1, &skip), CHUNK_EXCESS); /* nothing granted */
    assert_true(chunk_receiver_grant(&r, 400, 400, &offset, &size));
    assert_int_equal(chunk_receiver_accept(&r, 0, 401, &skip), CHUNK_EXCESS);
    assert_int_equal(chunk_receiver_accept(&r, 1000, 1, &skip), CHUNK_EXCESS);
    assert_int_equal(chunk_receiver_accept(&r, UINT64_MAX, 5, &skip), CHUNK_EXCESS);
    assert_int_equal(chunk_receiver_accept(&r, 0, 100, &skip), CHUNK_TAKE);
    assert_int_equal(skip, 0);
    assert_int_equal(chunk_receiver_accept(&r, 0, 100, &skip), CHUNK_STALE);
    assert_int_equal(chunk_receiver_accept(&r, 50, 100, &skip), CHUNK_TAKE);
    assert_int_equal(skip, 50);
    assert_int_equal(r.received, 150);
}

static void a_gap_is_told_once_and_heals(void **state)
{
    (void)state;
    struct chunk_receiver r;
    uint64_t offset = 0;
    uint64_t size = 0;
    uint32_t skip = 0;
    chunk_receiver_init(&r, 1000, 0);
    assert_true(chunk_receiver_grant(&r, 400, 400, &offset, &size));
    assert_int_equal(chunk_receiver_accept(&r, 100, 100, &skip), CHUNK_GAP);
    assert_int_equal(chunk_receiver_accept(&r, 200, 100, &skip), CHUNK_STALE);
    assert_true(chunk_receiver_grant(&r, 400, 400, &offset, &size));
    assert_int_equal(offset, 0);
    assert_int_equal(chunk_receiver_accept(&r, 300, 100, &skip),
                     CHUNK_STALE); /* on its way before */
    assert_int_equal(chunk_receiver_accept(&r, 0, 200, &skip), CHUNK_TAKE);
    assert_int_equal(chunk_receiver_accept(&r, 300, 100, &skip), CHUNK_GAP); /* a new one */
}

/* A lossy, doubling wire between the two: whatever happens, the bytes arrive whole. */
static void everything_arrives_over_a_bad_wire(void **state)
{
    (void)state;
    enum { SIZE = 5000, STEP = 100 };
    uint64_t seed = 7;
    for (int history = 0; history < 200; history++) {
        struct chunk_sender s;
        struct chunk_receiver r;
        unsigned char sent[SIZE];
        unsigned char got[SIZE] = {0};
        for (size_t i = 0; i < SIZE; i++)
            sent[i] = (unsigned char)(i * 31 + 7);
        chunk_sender_init(&s, SIZE);
        chunk_receiver_init(&r, SIZE, 0);
        int turns = 0;
        while (!chunk_receiver_is_done(&r)) {
            assert_true(++turns < 100000);
            uint64_t offset = 0;
            uint64_t size = 0;
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407U;
            unsigned dice = (unsigned)(seed >> 33) % 100;
            if (dice < 3) { /* the connection breaks */
                chunk_sender_reset(&s);
                chunk_receiver_reset(&r);
            }
            if (chunk_receiver_grant(&r, 800, 800, &offset, &size) && dice % 10 != 0) {
                (void)chunk_sender_credit(&s, offset, size);
            }
            uint32_t piece = 0;
            if (!chunk_sender_next(&s, &offset, &piece)) {
                if (dice < 20) chunk_receiver_reset(&r); /* credit lost: its time ran out */
                continue;
            }
            if (piece > STEP) piece = STEP;
            chunk_sender_sent(&s, piece);
            int copies = dice % 7 == 0 ? 0 : dice % 5 == 0 ? 2 : 1;
            for (int copy = 0; copy < copies; copy++) {
                uint32_t skip = 0;
                if (chunk_receiver_accept(&r, offset, piece, &skip) != CHUNK_TAKE) continue;
                memcpy(got + offset + skip, sent + offset + skip, piece - skip);
            }
        }
        assert_memory_equal(sent, got, SIZE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sender_cuts_its_credit_into_pieces),
        cmocka_unit_test(sender_follows_the_receiver_back),
        cmocka_unit_test(sender_refuses_credit_outside),
        cmocka_unit_test(receiver_keeps_window_and_pool),
        cmocka_unit_test(receiver_judges_each_chunk),
        cmocka_unit_test(a_gap_is_told_once_and_heals),
        cmocka_unit_test(everything_arrives_over_a_bad_wire),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
