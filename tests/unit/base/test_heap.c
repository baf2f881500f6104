#include "scratch.h"

#include <signal.h>
#include <stdio.h>

#include "base/heap.h"

static void empty(void **state)
{
    (void)state;
    struct heap h;
    struct heap_node n;
    heap_init(&h);
    heap_node_init(&n, &h);
    assert_null(heap_first(&h));
    assert_int_equal(n.index, HEAP_OUT);
    assert_ptr_equal(n.owner, &h);
    heap_remove(&h, &n); /* outside: nothing happens */
    assert_null(heap_first(&h));
    heap_finish(&h);
}

static void deadlines_come_in_order(void **state)
{
    (void)state;
    static const int64_t deadlines[] = {5, -3, INT64_MAX, 5, 0, INT64_MIN, 7};
    static const int64_t sorted[] = {INT64_MIN, -3, 0, 5, 5, 7, INT64_MAX};
    struct heap h;
    struct heap_node nodes[7];
    heap_init(&h);
    for (size_t i = 0; i < 7; i++) {
        heap_node_init(&nodes[i], NULL);
        heap_set(&h, &nodes[i], deadlines[i]);
    }
    for (size_t i = 0; i < 7; i++) {
        struct heap_node *first = heap_first(&h);
        assert_true(first->deadline_ns == sorted[i]);
        heap_remove(&h, first);
        assert_int_equal(first->index, HEAP_OUT);
    }
    assert_null(heap_first(&h));
    heap_finish(&h);
}

#define NODES 300

static void expect_order(const struct heap *h)
{
    for (size_t i = 0; i < h->count; i++) {
        assert_int_equal(h->nodes[i]->index, i);
        if (i > 0) {
            assert_true(h->nodes[(i - 1) / 2]->deadline_ns <= h->nodes[i]->deadline_ns);
        }
    }
}

static void random_operations(void **state)
{
    (void)state;
    struct heap h;
    static struct heap_node nodes[NODES];
    heap_init(&h);
    for (size_t i = 0; i < NODES; i++) {
        heap_node_init(&nodes[i], NULL);
    }
    uint32_t seed = 99;
    size_t inside = 0;
    for (int i = 0; i < 20000; i++) {
        seed = seed * 1664525u + 1013904223u;
        struct heap_node *n = &nodes[(seed >> 8) % NODES];
        bool was_in = n->index != HEAP_OUT;
        if ((seed >> 28) < 10) {
            heap_set(&h, n, (int64_t)((seed >> 12) % 1000));
            inside += was_in ? 0 : 1;
            assert_true(n->index != HEAP_OUT);
        } else {
            heap_remove(&h, n);
            inside -= was_in ? 1 : 0;
            assert_true(n->index == HEAP_OUT);
        }
        assert_int_equal(h.count, inside);
        expect_order(&h);
        if (inside == 0) continue;
        int64_t least = INT64_MAX;
        for (size_t k = 0; k < NODES; k++) {
            bool in = nodes[k].index != HEAP_OUT;
            if (in && nodes[k].deadline_ns < least) least = nodes[k].deadline_ns;
        }
        assert_true(heap_first(&h)->deadline_ns == least);
    }
    heap_finish(&h);
}

static void mix_heaps(void)
{
    struct heap a;
    struct heap b;
    struct heap_node n;
    heap_init(&a);
    heap_init(&b);
    heap_node_init(&n, NULL);
    heap_set(&a, &n, 1);
    heap_set(&b, &n, 1);
}

static void a_node_has_one_heap(void **state)
{
    (void)state;
    assert_int_equal(scratch_child_signal(mix_heaps), SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty),
        cmocka_unit_test(deadlines_come_in_order),
        cmocka_unit_test(random_operations),
        cmocka_unit_test(a_node_has_one_heap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
