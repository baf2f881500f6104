/* Framing and nothing else. */
#include "worker/pipe.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/xalloc.h"

static uint32_t read_length(const uint8_t *head)
{
    return (uint32_t)head[0] | (uint32_t)head[1] << 8 | (uint32_t)head[2] << 16 |
           (uint32_t)head[3] << 24;
}

void pipe_frame(struct buf *out, const char *type, json_t *fields)
{
    json_object_set_new(fields, "v", json_integer(PIPE_VERSION));
    json_object_set_new(fields, "type", json_string(type));
    char *text = json_canonical(fields);
    size_t size = strlen(text);
    ZOE_ASSERT(size <= PIPE_MESSAGE_BYTES);
    uint8_t head[PIPE_HEAD_BYTES] = {(uint8_t)size, (uint8_t)(size >> 8), (uint8_t)(size >> 16),
                                     (uint8_t)(size >> 24)};
    buf_append(out, head, sizeof head);
    buf_append(out, text, size);
    free(text);
    json_decref(fields);
}

static bool check_length(uint32_t length, struct error *err)
{
    if (length > 0 && length <= PIPE_MESSAGE_BYTES) return true;
    return error_set(err, ERROR_INVALID, "engine pipe: a message of %u bytes", length);
}

static json_t *parse(const uint8_t *data, size_t size, struct error *err)
{
    json_t *message = json_parse((const char *)data, size, "engine pipe", err);
    if (!message) return NULL;
    if (json_integer_value(json_object_get(message, "v")) == PIPE_VERSION &&
        json_is_string(json_object_get(message, "type")))
        return message;
    error_set(err, ERROR_INVALID, "engine pipe: a message of another version, or without a type");
    json_decref(message);
    return NULL;
}

bool pipe_take(struct buf *in, json_t **message, struct error *err)
{
    *message = NULL;
    if (in->size < PIPE_HEAD_BYTES) return true;
    uint32_t length = read_length(in->data);
    if (!check_length(length, err)) return false;
    if (in->size < PIPE_HEAD_BYTES + (size_t)length) return true;
    *message = parse(in->data + PIPE_HEAD_BYTES, length, err);
    buf_drop_front(in, PIPE_HEAD_BYTES + (size_t)length);
    return *message != NULL;
}

const char *pipe_type(const json_t *message)
{
    return json_string_value(json_object_get(message, "type"));
}

bool pipe_write(int fd, const char *type, json_t *fields, struct error *err)
{
    struct buf out = BUF_INIT;
    pipe_frame(&out, type, fields);
    size_t sent = 0;
    while (sent < out.size) {
        ssize_t n = write(fd, out.data + sent, out.size - sent);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) break;
        sent += (size_t)n;
    }
    bool ok = sent == out.size || error_set_errno(err, errno, "engine pipe");
    buf_finish(&out);
    return ok;
}

/* Exactly `size` bytes; *end when the stream ended before the first. */
static bool read_whole(int fd, uint8_t *data, size_t size, bool *end, struct error *err)
{
    size_t got = 0;
    *end = false;
    while (got < size) {
        ssize_t n = read(fd, data + got, size - got);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return error_set_errno(err, errno, "engine pipe");
        if (n == 0) {
            *end = got == 0;
            return *end ? false
                        : error_set(err, ERROR_INVALID, "engine pipe: ended within a message");
        }
        got += (size_t)n;
    }
    return true;
}

json_t *pipe_read(int fd, struct error *err)
{
    uint8_t head[PIPE_HEAD_BYTES];
    bool end;
    error_clear(err);
    if (!read_whole(fd, head, sizeof head, &end, err)) return NULL;
    uint32_t length = read_length(head);
    if (!check_length(length, err)) return NULL;
    uint8_t *data = xmalloc(length);
    bool ok = read_whole(fd, data, length, &end, err);
    if (end) error_set(err, ERROR_INVALID, "engine pipe: ended within a message");
    json_t *message = ok ? parse(data, length, err) : NULL;
    free(data);
    return message;
}
