/* Log lines. The level, the name and the test sink are the only process-wide state of base; set
 * once before threads start. */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define LINE_SIZE                                                                                  \
    4096 /* at most PIPE_BUF, so that lines of several processes do not mix in a pipe */

static _Atomic int least_level = LOG_INFO;
static _Atomic(const char *) program_name = "zoetrope";
static log_sink sink_function;
static void *sink_context;

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug",
    [LOG_INFO] = "info",
    [LOG_WARN] = "warn",
    [LOG_ERROR] = "error",
};

void log_set_level(enum log_level level)
{
    atomic_store(&least_level, (int)level);
}

void log_set_name(const char *name)
{
    atomic_store(&program_name, name);
}

void log_set_sink(log_sink sink, void *context)
{
    sink_function = sink;
    sink_context = context;
}

bool log_level_parse(const char *name, enum log_level *out)
{
    for (int i = 0; i <= LOG_ERROR; i++) {
        if (strcmp(level_names[i], name) != 0) continue;
        *out = (enum log_level)i;
        return true;
    }
    return false;
}

/* What a peer sent may stand in a message: it must not be able to begin a line of its own. */
static void blank_control_bytes(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) *text = ' ';
    }
}

static void write_stderr(const char *line, size_t size)
{
    while (size > 0) {
        ssize_t done = write(STDERR_FILENO, line, size);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return; /* nowhere left to complain */
        line += done;
        size -= (size_t)done;
    }
}

void log_write(enum log_level level, const char *format, ...)
{
    if ((int)level < atomic_load_explicit(&least_level, memory_order_relaxed)) return;
    int saved_errno = errno;
    char when[CLOCK_TEXT_SIZE];
    clock_wall_text(clock_wall_ms(), when);
    char line[LINE_SIZE];
    int head = snprintf(line, sizeof(line) / 2, "%s %s %s: ", when, level_names[level],
                        atomic_load(&program_name));
    if (head >= (int)(sizeof(line) / 2)) head = (int)(sizeof(line) / 2) - 1;
    if (head >= 0) {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(line + head, sizeof(line) - 1 - (size_t)head, format, args);
        va_end(args);
        blank_control_bytes(line);
        size_t size = strlen(line);
        if (sink_function != NULL) {
            sink_function(sink_context, level, line);
        } else {
            line[size] = '\n';
            write_stderr(line, size + 1);
        }
    }
    errno = saved_errno;
}
