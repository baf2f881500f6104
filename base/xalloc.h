/* xalloc: allocation for our own bookkeeping aborts with size and place when memory is gone; sizes
 * chosen by a peer, a file or a model go through size_mul/size_add and alloc_checked, which fail
 * softly. */
#ifndef ZOE_BASE_XALLOC_H
#define ZOE_BASE_XALLOC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

void *xmalloc(size_t size_bytes);
void *xcalloc(size_t count, size_t size_bytes); /* zeroed; aborts on overflow */
void *xrealloc(void *old, size_t size_bytes);
void *xrealloc_array(void *old, size_t count, size_t size_bytes);
char *xstrdup(const char *text);
char *xstrndup(const char *text, size_t length);
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* *out = a * b (a + b); false and *out untouched on overflow. */
bool size_mul(size_t a, size_t b, size_t *out);
bool size_add(size_t a, size_t b, size_t *out);

/* Zeroed memory, or NULL with ERROR_NO_MEMORY naming `what`. */
void *alloc_checked(size_t count, size_t size_bytes, const char *what, struct error *err);

/* Our own bugs end the process loudly, in release builds too. Never used on outside input. */
#define ZOE_ASSERT(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) zoe_assert_fail(#condition, __FILE__, __LINE__);                         \
    } while (0)
_Noreturn void zoe_assert_fail(const char *condition, const char *file, int line);

#endif
