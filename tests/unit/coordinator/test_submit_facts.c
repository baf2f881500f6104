/* What models say of themselves is parsed once a model. */
#include "ground.h"

#include "coordinator/submit_facts.h"

static struct model first = {.name = (char[]){"first"}, .description = (char[]){"{\"a\":1}"}};
static struct model second = {.name = (char[]){"second"}, .description = (char[]){"{\"a\":2}"}};
static struct model broken = {.name = (char[]){"broken"}, .description = (char[]){"{"}};

static json_int_t number_in(struct submit_facts *f, const struct model *model)
{
    struct error err = {0};
    json_t *facts = submit_facts_of(f, model, &err);
    if (facts == NULL) fail_msg("%s", err.message);
    const json_int_t number = json_integer_value(json_object_get(facts, "a"));
    json_decref(facts);
    return number;
}

static void models_in_turn_are_parsed_once(void **state)
{
    (void)state;
    struct submit_facts f = {0};
    struct error err = {0};
    json_t *facts = submit_facts_of(&f, &first, &err);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(number_in(&f, &second), 2);
        json_t *again = submit_facts_of(&f, &first, &err);
        assert_ptr_equal(again, facts);
        json_decref(again);
    }
    json_decref(facts);
    submit_facts_finish(&f);
}

static void what_is_no_json_is_told_each_time(void **state)
{
    (void)state;
    struct submit_facts f = {0};
    for (int i = 0; i < 2; i++) {
        struct error err = {0};
        assert_null(submit_facts_of(&f, &broken, &err));
        assert_int_equal(err.code, ERROR_INVALID);
    }
    assert_int_equal(f.known.count, 0);
    submit_facts_finish(&f);
}

/* What is in use meanwhile stays. */
static void what_is_kept_is_bounded(void **state)
{
    (void)state;
    struct submit_facts f = {0};
    struct error err = {0};
    char name[24];
    json_t *facts = submit_facts_of(&f, &first, &err);
    for (int i = 0; i < 3 * SUBMIT_FACTS_KEPT; i++) {
        (void)snprintf(name, sizeof name, "model%d", i);
        const struct model one = {.name = name, .description = second.description};
        assert_int_equal(number_in(&f, &one), 2);
        assert_true(f.known.count <= SUBMIT_FACTS_KEPT);
    }
    assert_int_equal(json_integer_value(json_object_get(facts, "a")), 1);
    json_decref(facts);
    submit_facts_finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_in_turn_are_parsed_once),
        cmocka_unit_test(what_is_no_json_is_told_each_time),
        cmocka_unit_test(what_is_kept_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
