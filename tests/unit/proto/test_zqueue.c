#include "unit/base/scratch.h"

#include "proto/limits.h"
#include "proto/zqueue.h"

static struct bytes view(const char *text, size_t size)
{
    return (struct bytes){(const uint8_t *)text, size};
}

static void order_is_kept_and_copies_are_made(void **state)
{
    (void)state;
    struct zqueue q = {0};
    char word[2] = "a";
    for (char c = 'a'; c < 'z'; c++) {
        word[0] = c;
        assert_true(zqueue_push(&q, view(word, 1), c == 'b' ? view("", 0) : (struct bytes){0}));
    }
    for (char c = 'a'; c < 'z'; c++) {
        assert_int_equal(q.first->envelope.data[0], c);
        assert_int_equal(q.first->has_payload, c == 'b');
        zqueue_pop(&q);
    }
    assert_int_equal(q.count, 0);
    assert_int_equal(q.size_bytes, 0);
    zqueue_pop(&q);
    assert_true(zqueue_push(&q, view("x", 1), (struct bytes){0}));
    zqueue_finish(&q);
}

static void the_count_is_bounded(void **state)
{
    (void)state;
    struct zqueue q = {0};
    for (int i = 0; i < LIMIT_PEER_QUEUE_MESSAGES; i++) {
        assert_true(zqueue_push(&q, view("x", 1), (struct bytes){0}));
    }
    assert_false(zqueue_push(&q, view("x", 1), (struct bytes){0}));
    zqueue_pop(&q);
    assert_true(zqueue_push(&q, view("x", 1), (struct bytes){0}));
    zqueue_finish(&q);
}

static void the_bytes_are_bounded(void **state)
{
    (void)state;
    struct zqueue q = {0};
    char *big = xcalloc(1, LIMIT_PEER_QUEUE_BYTES + 1);
    assert_false(zqueue_push(&q, view(big, LIMIT_PEER_QUEUE_BYTES + 1), (struct bytes){0}));
    assert_true(zqueue_push(&q, view(big, 1), view(big, LIMIT_PEER_QUEUE_BYTES - 1)));
    assert_false(zqueue_push(&q, view(big, 1), (struct bytes){0}));
    assert_int_equal(q.count, 1);
    zqueue_finish(&q);
    free(big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_is_kept_and_copies_are_made),
        cmocka_unit_test(the_count_is_bounded),
        cmocka_unit_test(the_bytes_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
