#include "ground.h"

#include "coordinator/audience.h"
#include "coordinator/catalog.h"
#include "coordinator/session.h"

static void a_session_is_found_by_epoch_and_connection(void **state)
{
    (void)state;
    struct sessions s;
    sessions_init(&s);
    struct session *a = session_add(&s, 10, "w1", 100, 4);
    struct session *b = session_add(&s, 11, "w2", 200, 4);
    assert_ptr_equal(session_find(&s, 10), a);
    assert_ptr_equal(session_of_peer(&s, 200), b);
    assert_null(session_of_peer(&s, 300));
    session_join(&s, a, 300);
    assert_ptr_equal(session_of_peer(&s, 300), a);
    session_join(&s, a, 301); /* the bulk connection was renewed */
    assert_null(session_of_peer(&s, 300));
    assert_ptr_equal(session_of_peer(&s, 301), a);
    session_remove(&s, a);
    assert_null(session_find(&s, 10));
    assert_null(session_of_peer(&s, 100));
    assert_null(session_of_peer(&s, 301));
    sessions_clear(&s);
    assert_null(session_of_peer(&s, 200));
    sessions_finish(&s);
}

static void one_connection_has_one_session(void **state)
{
    (void)state;
    struct sessions s;
    sessions_init(&s);
    (void)session_add(&s, 10, "w1", 100, 4);
    struct session *again = session_add(&s, 12, "w1", 100, 4); /* said hello twice */
    assert_null(session_find(&s, 10));
    assert_ptr_equal(session_of_peer(&s, 100), again);
    session_join(&s, again, 100); /* the control connection is no bulk one */
    assert_int_equal(again->bulk, 0);
    session_join(&s, again, 101);
    struct session *other =
        session_add(&s, 13, "w1", 101, 4); /* the bulk one became a control one */
    assert_ptr_equal(session_of_peer(&s, 101), other);
    assert_ptr_equal(session_find(&s, 12), again);
    assert_int_equal(again->bulk, 0);
    sessions_finish(&s);
}

static void silent_clients_are_gone(void **state)
{
    (void)state;
    struct audience a;
    zsock_peer gone = 0;
    const uint8_t ann[KEY_BYTES] = {1}, ben[KEY_BYTES] = {2};
    audience_init(&a);
    assert_true(audience_next(&a) == INT64_MAX);
    assert_false(audience_heard(&a, 1, 0));
    audience_greet(&a, 1, ann, 0);
    audience_greet(&a, 2, ann, 5);
    assert_int_equal(audience_count(&a), 2);
    assert_true(audience_next(&a) == AUDIENCE_SILENCE_NS);
    assert_false(audience_expire(&a, AUDIENCE_SILENCE_NS - 1, &gone));
    assert_true(audience_heard(&a, 1, 10));
    assert_false(audience_expire(&a, AUDIENCE_SILENCE_NS, &gone));
    assert_true(audience_expire(&a, AUDIENCE_SILENCE_NS + 5, &gone));
    assert_int_equal(gone, 2);
    assert_false(audience_expire(&a, AUDIENCE_SILENCE_NS + 5, &gone));
    assert_false(audience_heard(&a, 2, 20));
    audience_greet(&a, 3, ben, 20);
    assert_true(audience_dismiss(&a, ben, &gone)); /* its key was revoked */
    assert_int_equal(gone, 3);
    assert_false(audience_dismiss(&a, ben, &gone));
    assert_true(audience_dismiss(&a, ann, &gone));
    assert_int_equal(gone, 1);
    audience_finish(&a);
}

static void folders_and_keys_are_remembered(void **state)
{
    (void)state;
    struct catalog c;
    catalog_init(&c);
    assert_null(catalog_folder(&c, "0123456789"));
    catalog_set(&c, "0123456789", "0123456789-cats", "key");
    catalog_set(&c, "0123456789", "0123456789-dogs", NULL);
    assert_string_equal(catalog_folder(&c, "0123456789"), "0123456789-dogs");
    assert_string_equal(catalog_find(&c, "0123456789")->key, "");
    catalog_remove(&c, "0123456789");
    catalog_remove(&c, "0123456789");
    assert_null(catalog_folder(&c, "0123456789"));
    catalog_set(&c, "9876543210", "x", "y");
    catalog_clear(&c);
    assert_null(catalog_folder(&c, "9876543210"));
    catalog_finish(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_is_found_by_epoch_and_connection),
        cmocka_unit_test(one_connection_has_one_session),
        cmocka_unit_test(silent_clients_are_gone),
        cmocka_unit_test(folders_and_keys_are_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
