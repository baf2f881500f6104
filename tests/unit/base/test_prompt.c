/* What prompts say: the examples that A1111's users know, and limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/prompt.h"
#include "base/xalloc.h"

#define STEPS 10

static void expect_ok(bool ok, const struct error *err)
{
    if (!ok) fail_msg("%s", err->message);
}

/* ---- schedules ---- */

#define STAGES_MAX 12

struct stage {
    int until; /* steps before it */
    const char *text;
};

static const struct {
    const char *prompt;
    struct stage stages[STAGES_MAX];
} schedules[] = {
    {"test", {{10, "test"}}},
    {"", {{10, ""}}},
    {"a [b:3]", {{3, "a "}, {10, "a b"}}},
    {"a [b: 3]", {{3, "a "}, {10, "a b"}}},
    {"a [b: 3\n]", {{3, "a "}, {10, "a b"}}},
    {"a [[[b]]:2]", {{2, "a "}, {10, "a [[b]]"}}},
    {"[(a:2):3]", {{3, ""}, {10, "(a:2)"}}},
    {"a [b : c : 1] d", {{1, "a b  d"}, {10, "a  c  d"}}},
    {"a[b:[c:d:2]:1]e", {{1, "abe"}, {2, "ace"}, {10, "ade"}}},
    {"a [unbalanced", {{10, "a [unbalanced"}}},
    {"a [b:.5] c", {{5, "a  c"}, {10, "a b c"}}},
    {"a [{b|d{:.5] c", {{5, "a  c"}, {10, "a {b|d{ c"}}},
    {"((a][:b:c [d:3]", {{3, "((a][:b:c "}, {10, "((a][:b:c d"}}},
    {"[a:b:0.4]", {{4, "a"}, {10, "b"}}},
    {"[a::0.4] x", {{4, "a x"}, {10, " x"}}},
    {"[:b:0.4]", {{4, ""}, {10, "b"}}},
    {"[a:b:0]", {{10, "b"}}},
    {"[a:b:-1]", {{10, "b"}}},
    {"[a:b:+2]", {{2, "a"}, {10, "b"}}},
    {"[a:b:99]", {{10, "a"}}},
    {"[a:b:1.0]", {{10, "a"}}}, /* a point: all of the steps; without: the first */
    {"[a:b:1]", {{1, "a"}, {10, "b"}}},
    {"[fe|]male",
     {{1, "female"},
      {2, "male"},
      {3, "female"},
      {4, "male"},
      {5, "female"},
      {6, "male"},
      {7, "female"},
      {8, "male"},
      {9, "female"},
      {10, "male"}}},
    {"[fe|||]male",
     {{1, "female"}, {4, "male"}, {5, "female"}, {8, "male"}, {9, "female"}, {10, "male"}}},
    {"[a|(b:1.1)|c:3]", {{3, ""}, {10, "a|(b:1.1)|c"}}},
    {"[a|[b:c:5]]",
     {{1, "a"},
      {2, "b"},
      {3, "a"},
      {4, "b"},
      {5, "a"},
      {6, "c"},
      {7, "a"},
      {8, "c"},
      {9, "a"},
      {10, "c"}}},
    /* Text like any other. */
    {"[a:b]", {{10, "[a:b]"}}},
    {"[a:b:c]", {{10, "[a:b:c]"}}},
    {"[a:b:c:3]", {{10, "[a:b:c:3]"}}},
    {"[a:b:3.1.4]", {{10, "[a:b:3.1.4]"}}},
    {"[a:b:.]", {{10, "[a:b:.]"}}},
    {"[a:b:1e0]", {{10, "[a:b:1e0]"}}},
    {"[a (b:3]", {{10, "[a (b:3]"}}},
    {"[a) b:3]", {{10, "[a) b:3]"}}},
    {"(a|b)", {{10, "(a|b)"}}},
    {"a: b", {{10, "a: b"}}},
    {"\\[a:b:3\\]", {{10, "\\[a:b:3\\]"}}},
    {"[a\\:b:3]", {{3, ""}, {10, "a\\:b"}}},
    {"[a:3\\", {{10, "[a:3\\"}}},
};

static void schedules_are_followed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof schedules / sizeof schedules[0]; i++) {
        struct error err = {0};
        struct prompt_schedule s;
        const struct stage *stage = schedules[i].stages;
        expect_ok(prompt_schedule(&s, schedules[i].prompt, STEPS, &err), &err);
        for (int step = 0; step < STEPS; step++) {
            if (step == stage->until) stage++;
            if (strcmp(s.texts[s.text_at[step]], stage->text) != 0)
                fail_msg("\"%s\", step %d: \"%s\" is not \"%s\"", schedules[i].prompt, step,
                         s.texts[s.text_at[step]], stage->text);
        }
        prompt_schedule_finish(&s);
    }
}

static void a_text_that_returns_is_one_text(void **state)
{
    (void)state;
    struct error err = {0};
    struct prompt p;
    expect_ok(prompt_parse(&p, "[a|b] c", PROMPT_A1111, STEPS, &err), &err);
    assert_int_equal(p.text_count, 2);
    for (int i = 0; i < STEPS; i++)
        assert_int_equal(p.text_at[i], i % 2);
    prompt_finish(&p);
}

/* ---- weights ---- */

#define PARTS_MAX 10

struct part {
    const char *text;
    double weight;
    bool new_chunk;
};

static const struct {
    const char *prompt;
    struct part parts[PARTS_MAX];
} weights[] = {
    {"", {{"", 1, 0}}},
    {"normal text", {{"normal text", 1, 0}}},
    {"an (important) word", {{"an ", 1, 0}, {"important", 1.1, 0}, {" word", 1, 0}}},
    {"(unbalanced", {{"unbalanced", 1.1, 0}}},
    {"[unbalanced", {{"unbalanced", 1 / 1.1, 0}}},
    {"\\(literal\\]", {{"(literal]", 1, 0}}},
    {"a \\\\ b \\c \\", {{"a \\ b c ", 1, 0}}},
    {"(unnecessary)(parens)", {{"unnecessaryparens", 1.1, 0}}},
    {"a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
     {{"a ", 1, 0},
      {"house", 1.3 * 1.1 * 1.1, 0},
      {" ", 1.1, 0},
      {"on", 1, 0},
      {" a ", 1.1, 0},
      {"hill", 0.55, 0},
      {", sun, ", 1.1, 0},
      {"sky", 1.1 * 1.1 * 1.1 * 1.1, 0},
      {".", 1.1, 0}}},
    {"(x:1.3) ((x)) [x]",
     {{"x", 1.3, 0}, {" ", 1, 0}, {"x", 1.21, 0}, {" ", 1, 0}, {"x", 1 / 1.1, 0}}},
    {"(a : -0.5 )b", {{"a ", -0.5, 0}, {"b", 1, 0}}},
    {"(a:.5)(b:0)", {{"a", 0.5, 0}, {"b", 0, 0}}},
    {"a:1.3) b) c]", {{"a:1.3) b) c]", 1, 0}}},
    {"(a:b:2)", {{"a:b", 2, 0}}},
    {"(a:x)", {{"a:x", 1.1, 0}}},
    {"a BREAK b", {{"a", 1, 0}, {"b", 1, 1}}},
    {"a BREAK\n(b)", {{"a", 1, 0}, {"b", 1.1, 1}}},
    {"(a BREAK b:2) c", {{"a", 2, 0}, {"b", 2, 1}, {" c", 1, 0}}},
    {"BREAK BREAK b", {{"", 1, 1}, {"b", 1, 1}}},
    {"a BREAKS BROKEN OUTBREAK BREAK_", {{"a BREAKS BROKEN OUTBREAK BREAK_", 1, 0}}},
    {"a,BREAK,b", {{"a,", 1, 0}, {",b", 1, 1}}},
};

static void expect_parts(const char *prompt, const struct prompt_text *got, const struct part *want)
{
    for (int i = 0; i < got->count; i++) {
        const struct prompt_part *part = &got->parts[i];
        if (want[i].text == NULL || strcmp(part->text, want[i].text) != 0 ||
            fabs(part->weight - want[i].weight) > 1e-9 || part->new_chunk != want[i].new_chunk)
            fail_msg("\"%s\": part %d is \"%s\" %.9g %d", prompt, i, part->text, part->weight,
                     part->new_chunk);
    }
    if (want[got->count].text != NULL) fail_msg("\"%s\": only %d parts", prompt, got->count);
}

static void weights_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof weights / sizeof weights[0]; i++) {
        struct error err = {0};
        struct prompt_text text;
        expect_ok(prompt_weigh(&text, weights[i].prompt, &err), &err);
        expect_parts(weights[i].prompt, &text, weights[i].parts);
        prompt_text_finish(&text);
    }
}

static void plain_prompts_are_literal(void **state)
{
    (void)state;
    struct error err = {0};
    struct prompt p;
    expect_ok(prompt_parse(&p, "(a:2) [b:3] BREAK", PROMPT_PLAIN, STEPS, &err), &err);
    assert_int_equal(p.text_count, 1);
    expect_parts("plain", &p.texts[0], (struct part[]){{"(a:2) [b:3] BREAK", 1, 0}, {0}});
    for (int i = 0; i < STEPS; i++)
        assert_int_equal(p.text_at[i], 0);
    prompt_finish(&p);
}

/* ---- limits ---- */

static void expect_refused(const char *prompt, int steps, const char *said)
{
    struct error err = {0};
    struct prompt p;
    if (prompt_parse(&p, prompt, PROMPT_A1111, steps, &err))
        fail_msg("\"%.40s\" was taken", prompt);
    prompt_finish(&p);
    assert_int_equal(err.code, ERROR_USAGE);
    if (strstr(err.message, said) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.message, said);
}

static void errors_are_located(void **state)
{
    (void)state;
    expect_refused("\xc3\xa9\xc3\xa9 (a:1.2.3)", STEPS, "character 7: \"1.2.3\" is no weight");
    expect_refused("(a:1--2)", STEPS, "character 4: \"1--2\" is no weight");
    expect_refused("(a:1001)", STEPS, "character 3: a weight beyond 1000");
    expect_refused("((a:100):-100)", STEPS, "character 9: a weight beyond");
}

static void repeat_into(char *out, char c, int count)
{
    memset(out, c, (size_t)count);
    out[count] = '\0';
}

static void nesting_has_a_limit(void **state)
{
    (void)state;
    struct error err = {0};
    char text[256];
    struct prompt p;
    repeat_into(text, '[', PROMPT_NESTING_MAX);
    expect_ok(prompt_parse(&p, text, PROMPT_A1111, STEPS, &err), &err);
    prompt_finish(&p);
    repeat_into(text, '[', PROMPT_NESTING_MAX + 1);
    expect_refused(text, STEPS, "character 65: brackets nested more than 64 deep");
    repeat_into(text, '(', PROMPT_NESTING_MAX + 1);
    expect_refused(text, STEPS, "character 65: brackets nested more than 64 deep");
}

static void append(char *text, size_t size, const char *more)
{
    ZOE_ASSERT(strlen(text) + strlen(more) < size);
    strcat(text, more);
}

/* [a0|a1|..], one more text with each step. */
static void a_prompt_has_so_many_texts(void **state)
{
    (void)state;
    struct error err = {0};
    static char text[4096] = "[a0";
    char one[16];
    struct prompt p;
    for (int i = 1; i <= PROMPT_TEXTS_MAX; i++) {
        snprintf(one, sizeof one, "|a%d", i);
        append(text, sizeof text, one);
    }
    append(text, sizeof text, "]");
    expect_ok(prompt_parse(&p, text, PROMPT_A1111, PROMPT_TEXTS_MAX, &err), &err);
    assert_int_equal(p.text_count, PROMPT_TEXTS_MAX);
    prompt_finish(&p);
    expect_refused(text, PROMPT_TEXTS_MAX + 1, "more than 128 different texts");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedules_are_followed),
        cmocka_unit_test(a_text_that_returns_is_one_text),
        cmocka_unit_test(weights_are_read),
        cmocka_unit_test(plain_prompts_are_literal),
        cmocka_unit_test(errors_are_located),
        cmocka_unit_test(nesting_has_a_limit),
        cmocka_unit_test(a_prompt_has_so_many_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
