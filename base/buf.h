/* buf: growable bytes that are always NUL-terminated one past `size`, and a borrowed view. Growth
 * aborts on OOM, so cap what comes from outside first. */
#ifndef ZOE_BASE_BUF_H
#define ZOE_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
    uint8_t *data; /* NULL until the first append */
    size_t size;
    size_t capacity;
};

struct bytes { /* borrowed */
    const uint8_t *data;
    size_t size;
};

#define BUF_INIT                                                                                   \
    {                                                                                              \
        NULL, 0, 0                                                                                 \
    }

void buf_finish(struct buf *b); /* frees; the buf may be used again */
void buf_clear(struct buf *b);  /* keeps the memory */
void buf_reserve(struct buf *b, size_t more);
void buf_append(struct buf *b, const void *data, size_t size);
void buf_append_text(struct buf *b, const char *text);
void buf_append_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_drop_front(struct buf *b, size_t size); /* memmove; size <= b->size */
char *buf_take_text(struct buf *b);              /* caller frees; never NULL */
const char *buf_text(const struct buf *b);       /* borrowed; "" when empty */

#endif
