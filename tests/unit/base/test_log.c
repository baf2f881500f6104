#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>

#include "base/log.h"

struct heard {
    int count;
    enum log_level level;
    char line[5000];
};

static void hear(void *context, enum log_level level, const char *line)
{
    struct heard *h = context;
    h->count++;
    h->level = level;
    assert_true(strlen(line) < sizeof(h->line));
    strcpy(h->line, line);
}

static int restore(void **state)
{
    (void)state;
    log_set_sink(NULL, NULL);
    log_set_level(LOG_INFO);
    return 0;
}

static void a_line_has_time_level_name(void **state)
{
    (void)state;
    struct heard h = {0};
    log_set_sink(hear, &h);
    log_set_name("coordinator");
    log_info("worker joined name=%s", "gpu-1");
    assert_int_equal(h.count, 1);
    assert_int_equal(h.level, LOG_INFO);
    assert_true(strlen(h.line) > 25);
    assert_int_equal(h.line[10], 'T');
    assert_int_equal(h.line[23], 'Z');
    assert_string_equal(h.line + 24, " info coordinator: worker joined name=gpu-1");
}

static void levels_below_are_dropped(void **state)
{
    (void)state;
    struct heard h = {0};
    log_set_sink(hear, &h);
    log_debug("unheard");
    assert_int_equal(h.count, 0);
    log_set_level(LOG_ERROR);
    log_warn("unheard");
    log_error("heard");
    assert_int_equal(h.count, 1);
    log_set_level(LOG_DEBUG);
    log_debug("heard");
    assert_int_equal(h.count, 2);
}

static void a_message_cannot_begin_a_line(void **state)
{
    (void)state;
    struct heard h = {0};
    log_set_sink(hear, &h);
    log_warn("name=%s", "a\n2026-01-01T00:00:00.000Z info x: forged\r\x1b[2J\x7f");
    assert_null(strpbrk(h.line, "\n\r\x1b\x7f"));
    assert_non_null(strstr(h.line, "name=a 2026"));
}

static void long_messages_are_cut(void **state)
{
    (void)state;
    struct heard h = {0};
    log_set_sink(hear, &h);
    char *text = xmalloc(10001);
    memset(text, 'x', 10000);
    text[10000] = '\0';
    log_info("%s", text);
    assert_int_equal(strlen(h.line), 4094);
    log_set_name(text);
    log_info("still said");
    assert_int_equal(h.count, 2);
    assert_non_null(strstr(h.line, "xstill said")); /* a long name leaves room for the message */
    log_set_name("test");
    free(text);
}

static void errno_survives(void **state)
{
    (void)state;
    struct heard h = {0};
    log_set_sink(hear, &h);
    errno = EXDEV;
    log_info("x");
    assert_int_equal(errno, EXDEV);
}

#define THREADS 4
#define LINES 200

static void *shout(void *argument)
{
    for (int i = 0; i < LINES; i++) {
        log_info("thread %s says %d of %d", (const char *)argument, i, LINES);
    }
    return NULL;
}

/* Real stderr, in a file: every line whole, none lost. */
static void threads_do_not_mix_lines(void **state)
{
    (void)state;
    char *folder = scratch_make();
    char *path = path_join(folder, "log");
    int saved = dup(STDERR_FILENO);
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    assert_true(saved >= 0 && file >= 0);
    assert_true(dup2(file, STDERR_FILENO) >= 0);
    log_set_sink(NULL, NULL);
    log_set_name("test");
    pthread_t threads[THREADS];
    static char names[THREADS][2] = {"a", "b", "c", "d"};
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, shout, names[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    (void)close(saved);
    (void)close(file);
    struct buf text = BUF_INIT;
    assert_true(path_read(path, 1 << 20, &text, NULL));
    int lines = 0;
    char *rest = NULL;
    for (char *line = strtok_r((char *)text.data, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        lines++;
        assert_memory_equal(line + 23, "Z info test: thread ", 20);
        assert_string_equal(line + strlen(line) - 7, " of 200");
    }
    assert_int_equal(lines, THREADS * LINES);
    buf_finish(&text);
    free(path);
    scratch_remove(folder);
}

static void level_names(void **state)
{
    (void)state;
    enum log_level level = LOG_INFO;
    assert_true(log_level_parse("error", &level));
    assert_int_equal(level, LOG_ERROR);
    assert_true(log_level_parse("debug", &level));
    assert_int_equal(level, LOG_DEBUG);
    assert_false(log_level_parse("loud", &level));
    assert_false(log_level_parse("", &level));
    assert_int_equal(level, LOG_DEBUG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_line_has_time_level_name, restore),
        cmocka_unit_test_teardown(levels_below_are_dropped, restore),
        cmocka_unit_test_teardown(a_message_cannot_begin_a_line, restore),
        cmocka_unit_test_teardown(long_messages_are_cut, restore),
        cmocka_unit_test_teardown(errno_survives, restore),
        cmocka_unit_test_teardown(threads_do_not_mix_lines, restore),
        cmocka_unit_test_teardown(level_names, restore),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
