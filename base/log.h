/* log: levelled one-line records on stderr: `2026-11-24T10:00:00.123Z info coordinator: worker
 * joined name=gpu-1`.
 *
 * The message is for people, keys follow as key=value. Thread-safe: one write(2) a line. The level
 * is process-wide and set once in main. Control characters in a message become spaces; a line is
 * cut at 4096 bytes; errno is preserved. */
#ifndef ZOE_BASE_LOG_H
#define ZOE_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

void log_set_level(enum log_level level);
void log_set_name(
    const char *name); /* program or room shown in each line; borrowed, must be static */

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "debug", "info", "warn", "error"; false for anything else. */
bool log_level_parse(const char *name, enum log_level *out);

/* For tests: lines (without newline) go to `sink` instead of stderr; NULL restores stderr. Not
 * while other threads log. */
typedef void (*log_sink)(void *context, enum log_level level, const char *line);
void log_set_sink(log_sink sink, void *context);

#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)

#endif
