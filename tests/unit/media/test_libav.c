/* What the libraries say of a file goes to our log, and a file cannot fill it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <libavutil/log.h>

#include "base/log.h"
#include "media/libav.h"

struct heard {
    unsigned count;
    unsigned of_packets;
    char line[256];
};

static void hear(void *context, enum log_level level, const char *line)
{
    struct heard *h = context;
    assert_int_equal(level, LOG_WARN);
    h->count++;
    h->of_packets += strstr(line, "packet ") != NULL;
    strncpy(h->line, line, sizeof(h->line) - 1);
}

static void a_process_has_few_lines_of_the_libraries(void **state)
{
    (void)state;
    struct heard h = {0};
    log_set_sink(hear, &h);
    libav_route_log();
    av_log(NULL, AV_LOG_INFO, "packet 0 is fine\n");
    assert_int_equal(h.count, 0);
    av_log(NULL, AV_LOG_WARNING, "packet 1 is damaged\n");
    assert_int_equal(h.count, 1);
    assert_non_null(strstr(h.line, "packet 1 is damaged"));
    for (int i = 2; i < 10000; i++)
        av_log(NULL, AV_LOG_ERROR, "packet %d is damaged\n", i);
    assert_int_equal(h.of_packets, LIBAV_LOG_LINES);
    assert_int_equal(h.count, LIBAV_LOG_LINES + 1);
    assert_non_null(strstr(h.line, "left out"));
    log_set_sink(NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_process_has_few_lines_of_the_libraries)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
