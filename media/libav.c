/* Errors, log and paths for the FFmpeg libraries. */
#include "media/libav.h"

#include <errno.h>
#include <libavutil/cpu.h>
#include <libavutil/error.h>
#include <libavutil/log.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"

struct code_row {
    int code;
    enum error_code ours;
};

static const struct code_row code_rows[] = {
    {AVERROR(ENOSPC), ERROR_FULL},
    {AVERROR(EDQUOT), ERROR_FULL},
    {AVERROR(ENOMEM), ERROR_NO_MEMORY},
    {AVERROR_EXTERNAL, ERROR_NO_MEMORY}, /* all that x264 ever says when it cannot allocate */
    {AVERROR(ENOENT), ERROR_NOT_FOUND},
    {AVERROR_INVALIDDATA, ERROR_INVALID},
    {AVERROR_EOF, ERROR_INVALID},
    {AVERROR_PATCHWELCOME, ERROR_INVALID},
    {AVERROR(EINVAL), ERROR_INVALID},
    {AVERROR(ERANGE), ERROR_INVALID},
    {AVERROR_DECODER_NOT_FOUND, ERROR_INVALID},
    {AVERROR_DEMUXER_NOT_FOUND, ERROR_INVALID},
};

static enum error_code ours_of(int code)
{
    for (size_t i = 0; i < sizeof(code_rows) / sizeof(code_rows[0]); i++) {
        if (code_rows[i].code == code) return code_rows[i].ours;
    }
    return ERROR_IO;
}

bool libav_error(struct error *err, int code, const char *format, ...)
{
    char text[384];
    char reason[AV_ERROR_MAX_STRING_SIZE];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (av_strerror(code, reason, sizeof(reason)) < 0) {
        (void)snprintf(reason, sizeof(reason), "libav error %d", code);
    }
    return error_set(err, ours_of(code), "%s: %s", text, reason);
}

/* As process-wide as the callback, which threads of the libraries call, too. */
static bool is_one_too_many(void)
{
    static _Atomic uint64_t lines;
    const uint64_t before = atomic_fetch_add(&lines, 1);
    if (before == LIBAV_LOG_LINES) log_warn("what else is wrong with it is left out");
    return before >= LIBAV_LOG_LINES;
}

__attribute__((format(printf, 3, 0))) static void to_our_log(void *context, int level,
                                                             const char *format, va_list args)
{
    if (level > AV_LOG_WARNING || is_one_too_many()) return;
    char line[1024];
    int prefix = 1;
    av_log_format_line2(context, level, format, args, line, sizeof(line), &prefix);
    size_t length = strcspn(line, "\r\n");
    line[length] = '\0';
    if (length > 0) log_warn("%s", line);
}

void libav_route_log(void)
{
    av_log_set_level(AV_LOG_WARNING);
    av_log_set_callback(to_our_log);
}

int libav_plain_begin(void)
{
    int flags = av_get_cpu_flags();
    av_force_cpu_flags(0);
    return flags;
}

void libav_plain_end(int flags)
{
    av_force_cpu_flags(flags);
}

char *libav_file_url(const char *path)
{
    return xasprintf("file:%s", path);
}
