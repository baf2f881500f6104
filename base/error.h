/* error: what went wrong, said once where it happened.
 *
 * A fallible function returns bool (or NULL) and takes `struct error *err` last. It sets the error
 * exactly once; callers either handle it or pass it on, adding context with error_wrap. `err` may
 * be NULL when the caller does not care. No allocation; safe to copy; no thread of its own. */
#ifndef ZOE_BASE_ERROR_H
#define ZOE_BASE_ERROR_H

#include <stdbool.h>

enum error_code {
    ERROR_NONE = 0,
    ERROR_FAILED,      /* some tasks failed, or the batch was canceled: exit 1 */
    ERROR_USAGE,       /* bad arguments or bad input file: exit 2 */
    ERROR_NOT_FOUND,   /* no such batch, worker, model, file: exit 3 */
    ERROR_UNREACHABLE, /* nobody answers: exit 4 */
    ERROR_AUTH,        /* key unknown or role too low: exit 5 */
    ERROR_REFUSED,     /* quota, disk, impossible request: exit 6 */
    ERROR_STATE,       /* right thing, wrong moment: exit 7 */
    ERROR_VERSION,     /* protocol versions do not overlap: exit 8 */
    ERROR_TIMEOUT,     /* exit 124 */
    ERROR_INTERRUPTED, /* exit 130 */
    ERROR_INVALID,     /* outside bytes (file, peer, model) that break their own format: exit 2 */
    ERROR_IO,          /* the operating system said no: exit 1 */
    ERROR_FULL,        /* no space left: exit 6 */
    ERROR_CORRUPT,     /* stored data is damaged: exit 1 */
    ERROR_NO_MEMORY,   /* a size chosen outside could not be allocated: exit 6 */
    ERROR_INTERNAL,    /* our own bug: exit 1 */
    ERROR_CODE_COUNT
};

struct error {
    enum error_code code;
    char message[512];
};

/* Sets code and message; always returns false so that `return error_set(...)` reads well. */
bool error_set(struct error *err, enum error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Same, and appends ": " and the text of `errnum`. ENOSPC and EDQUOT become ERROR_FULL. */
bool error_set_errno(struct error *err, int errnum, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "context: " before the message, keeps the code. Returns false. */
bool error_wrap(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

void error_clear(struct error *err);

/* Stable lower-case name ("not_found") for JSON and the wire; never NULL. */
const char *error_name(enum error_code code);

/* Reverse of error_name; ERROR_INTERNAL for an unknown name. */
enum error_code error_code_from_name(const char *name);

/* Exit code of design section 9. */
int error_exit_code(enum error_code code);

#endif
