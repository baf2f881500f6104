/* Growable bytes. Doubles its memory; one byte past the end is always NUL. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

#define FIRST_CAPACITY 64

void buf_finish(struct buf *b)
{
    free(b->data);
    *b = (struct buf)BUF_INIT;
}

void buf_clear(struct buf *b)
{
    b->size = 0;
    if (b->data != NULL) b->data[0] = 0;
}

void buf_reserve(struct buf *b, size_t more)
{
    size_t need = 0;
    ZOE_ASSERT(size_add(b->size, more, &need) && size_add(need, 1, &need));
    if (need <= b->capacity) return;
    size_t capacity = b->capacity > 0 ? b->capacity : FIRST_CAPACITY;
    while (capacity < need) {
        capacity = capacity > SIZE_MAX / 2 ? need : capacity * 2;
    }
    b->data = xrealloc(b->data, capacity);
    b->capacity = capacity;
    b->data[b->size] = 0;
}

void buf_append(struct buf *b, const void *data, size_t size)
{
    buf_reserve(b, size);
    if (size > 0) memcpy(b->data + b->size, data, size);
    b->size += size;
    b->data[b->size] = 0;
}

void buf_append_text(struct buf *b, const char *text)
{
    buf_append(b, text, strlen(text));
}

void buf_append_char(struct buf *b, char c)
{
    buf_append(b, &c, 1);
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    ZOE_ASSERT(length >= 0);
    buf_reserve(b, (size_t)length);
    (void)vsnprintf((char *)b->data + b->size, (size_t)length + 1, format, again);
    va_end(again);
    b->size += (size_t)length;
}

void buf_drop_front(struct buf *b, size_t size)
{
    ZOE_ASSERT(size <= b->size);
    if (size == 0) return;
    memmove(b->data, b->data + size, b->size - size);
    b->size -= size;
    b->data[b->size] = 0;
}

char *buf_take_text(struct buf *b)
{
    buf_reserve(b, 0);
    char *text = (char *)b->data;
    *b = (struct buf)BUF_INIT;
    return text;
}

const char *buf_text(const struct buf *b)
{
    return b->data != NULL ? (const char *)b->data : "";
}
