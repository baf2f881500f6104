/* Error values: filling, wrapping and the one table that names codes and maps them to exit codes.
 */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct error_row {
    const char *name;
    int exit_code;
};

static const struct error_row rows[ERROR_CODE_COUNT] = {
    [ERROR_NONE] = {"none", 0},
    [ERROR_FAILED] = {"failed", 1},
    [ERROR_USAGE] = {"usage", 2},
    [ERROR_NOT_FOUND] = {"not_found", 3},
    [ERROR_UNREACHABLE] = {"unreachable", 4},
    [ERROR_AUTH] = {"auth", 5},
    [ERROR_REFUSED] = {"refused", 6},
    [ERROR_STATE] = {"state", 7},
    [ERROR_VERSION] = {"version", 8},
    [ERROR_TIMEOUT] = {"timeout", 124},
    [ERROR_INTERRUPTED] = {"interrupted", 130},
    [ERROR_INVALID] = {"invalid", 2},
    [ERROR_IO] = {"io", 1},
    [ERROR_FULL] = {"full", 6},
    [ERROR_CORRUPT] = {"corrupt", 1},
    [ERROR_NO_MEMORY] = {"no_memory", 6},
    [ERROR_INTERNAL] = {"internal", 1},
};

/* A cut in the middle of a UTF-8 sequence would make the message unfit for JSON and the wire. */
static void drop_partial_utf8(char *text)
{
    size_t size = strlen(text);
    size_t tail = 0;
    while (tail < 3 && tail < size && ((unsigned char)text[size - 1 - tail] & 0xc0) == 0x80) {
        tail++;
    }
    if (tail == size) return;
    unsigned char lead = (unsigned char)text[size - 1 - tail];
    size_t need = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
    if (tail < need) text[size - 1 - tail] = '\0';
}

__attribute__((format(printf, 3, 0))) static void format_into(char *out, size_t size,
                                                              const char *format, va_list args)
{
    memset(out, 0, size);
    int length = vsnprintf(out, size, format, args);
    if (length < 0) out[0] = '\0';
    if (length >= 0 && (size_t)length >= size) drop_partial_utf8(out);
}

/* `more` may be longer than what is left; the cut is clean. */
static void append_text(char *out, size_t size, const char *more)
{
    size_t used = strlen(out);
    size_t length = strlen(more);
    size_t room = size - 1 - used;
    bool cut = length > room;
    if (cut) length = room;
    memcpy(out + used, more, length);
    out[used + length] = '\0';
    if (cut) drop_partial_utf8(out);
}

bool error_set(struct error *err, enum error_code code, const char *format, ...)
{
    if (err == NULL) return false;
    char text[sizeof(err->message)]; /* the arguments may point into the old message */
    va_list args;
    va_start(args, format);
    format_into(text, sizeof(text), format, args);
    va_end(args);
    memcpy(err->message, text, sizeof(text));
    err->code = code;
    return false;
}

static enum error_code code_of_errno(int errnum)
{
    if (errnum == ENOSPC || errnum == EDQUOT) return ERROR_FULL;
    return ERROR_IO;
}

bool error_set_errno(struct error *err, int errnum, const char *format, ...)
{
    if (err == NULL) return false;
    char text[sizeof(err->message)];
    va_list args;
    va_start(args, format);
    format_into(text, sizeof(text), format, args);
    va_end(args);
    memcpy(err->message, text, sizeof(text));
    char reason[128];
    if (strerror_r(errnum, reason, sizeof(reason)) != 0) {
        (void)snprintf(reason, sizeof(reason), "error number %d", errnum);
    }
    append_text(err->message, sizeof(err->message), ": ");
    append_text(err->message, sizeof(err->message), reason);
    err->code = code_of_errno(errnum);
    return false;
}

bool error_wrap(struct error *err, const char *format, ...)
{
    if (err == NULL) return false;
    char inner[sizeof(err->message)];
    char text[sizeof(err->message)];
    memcpy(inner, err->message, sizeof(inner));
    va_list args;
    va_start(args, format);
    format_into(text, sizeof(text), format, args);
    va_end(args);
    memcpy(err->message, text, sizeof(text));
    append_text(err->message, sizeof(err->message), ": ");
    append_text(err->message, sizeof(err->message), inner);
    return false;
}

void error_clear(struct error *err)
{
    if (err == NULL) return;
    err->code = ERROR_NONE;
    err->message[0] = '\0';
}

static bool in_table(enum error_code code)
{
    return (int)code >= 0 && (int)code < ERROR_CODE_COUNT;
}

const char *error_name(enum error_code code)
{
    return in_table(code) ? rows[code].name : rows[ERROR_INTERNAL].name;
}

enum error_code error_code_from_name(const char *name)
{
    for (int i = 0; name != NULL && i < ERROR_CODE_COUNT; i++) {
        if (strcmp(rows[i].name, name) == 0) return (enum error_code)i;
    }
    return ERROR_INTERNAL;
}

int error_exit_code(enum error_code code)
{
    return in_table(code) ? rows[code].exit_code : rows[ERROR_INTERNAL].exit_code;
}
