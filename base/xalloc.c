/* Allocation that either works or ends the process, and the checked kind for sizes from outside. */
#include "base/xalloc.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void out_of_memory(size_t count, size_t size_bytes)
{
    (void)fprintf(stderr, "fatal: out of memory: %zu x %zu bytes\n", count, size_bytes);
    abort();
}

void *xmalloc(size_t size_bytes)
{
    void *memory = malloc(size_bytes > 0 ? size_bytes : 1);
    if (memory == NULL) out_of_memory(1, size_bytes);
    return memory;
}

void *xcalloc(size_t count, size_t size_bytes)
{
    bool empty = count == 0 || size_bytes == 0;
    void *memory = empty ? calloc(1, 1) : calloc(count, size_bytes); /* calloc checks the product */
    if (memory == NULL) out_of_memory(count, size_bytes);
    return memory;
}

void *xrealloc(void *old, size_t size_bytes)
{
    void *memory = realloc(old, size_bytes > 0 ? size_bytes : 1);
    if (memory == NULL) out_of_memory(1, size_bytes);
    return memory;
}

void *xrealloc_array(void *old, size_t count, size_t size_bytes)
{
    size_t total = 0;
    if (!size_mul(count, size_bytes, &total)) out_of_memory(count, size_bytes);
    return xrealloc(old, total);
}

char *xstrdup(const char *text)
{
    return xstrndup(text, strlen(text));
}

char *xstrndup(const char *text, size_t length)
{
    size_t size = strnlen(text, length);
    char *copy = xmalloc(size + 1);
    memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}

char *xasprintf(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    ZOE_ASSERT(length >= 0);
    char *text = xmalloc((size_t)length + 1);
    (void)vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

bool size_mul(size_t a, size_t b, size_t *out)
{
    if (b != 0 && a > SIZE_MAX / b) return false;
    *out = a * b;
    return true;
}

bool size_add(size_t a, size_t b, size_t *out)
{
    if (a > SIZE_MAX - b) return false;
    *out = a + b;
    return true;
}

void *alloc_checked(size_t count, size_t size_bytes, const char *what, struct error *err)
{
    size_t total = 0;
    /* Past PTRDIFF_MAX no object can exist, and asking trips allocators that guard it. */
    bool fits = size_mul(count, size_bytes, &total) && total <= PTRDIFF_MAX;
    void *memory = fits ? calloc(1, total > 0 ? total : 1) : NULL;
    if (memory == NULL) {
        (void)error_set(err, ERROR_NO_MEMORY, "no memory for %s (%zu x %zu bytes)", what, count,
                        size_bytes);
    }
    return memory;
}

_Noreturn void zoe_assert_fail(const char *condition, const char *file, int line)
{
    (void)fprintf(stderr, "fatal: %s:%d: assertion failed: %s\n", file, line, condition);
    abort();
}
