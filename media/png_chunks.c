/* Chunks: length (big-endian), name, data, CRC of name and data. */
#include "media/png_chunks.h"

#include <libavutil/crc.h>
#include <string.h>

#include "base/text.h"

#define SIGNATURE_BYTES 8
#define FRAME_BYTES 12 /* length, name and CRC of a chunk */
#define HEAD_DATA_BYTES 13
#define CHUNK_MAX ((size_t)INT32_MAX)
#define KEYWORD_MAX 79

static const uint8_t signature[SIGNATURE_BYTES] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

struct chunk {
    const uint8_t *name; /* four letters */
    struct bytes data;
};

static uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_u32(struct buf *out, uint32_t value)
{
    const uint8_t bytes[] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                             (uint8_t)value};
    buf_append(out, bytes, sizeof bytes);
}

static uint32_t crc_of(const uint8_t *data, size_t size)
{
    return av_crc(av_crc_get_table(AV_CRC_32_IEEE_LE), UINT32_MAX, data, size) ^ UINT32_MAX;
}

static bool is_named(const struct chunk *c, const char *name)
{
    return memcmp(c->name, name, 4) == 0;
}

static bool name_is_letters(const uint8_t *name)
{
    for (int i = 0; i < 4; i++)
        if ((name[i] | 0x20) < 'a' || (name[i] | 0x20) > 'z') return false;
    return true;
}

/* The chunk at *at, which moves behind it. */
static bool next_chunk(struct bytes png, size_t *at, struct chunk *out, struct error *err)
{
    const size_t left = png.size - *at;
    if (left < FRAME_BYTES)
        return error_set(err, ERROR_INVALID, "the PNG ends within a chunk at byte %zu", *at);
    const uint8_t *p = png.data + *at;
    const size_t size = get_u32(p);
    if (size > CHUNK_MAX || size > left - FRAME_BYTES)
        return error_set(err, ERROR_INVALID, "the PNG ends within a chunk of %zu bytes at byte %zu",
                         size, *at);
    *out = (struct chunk){p + 4, {p + 8, size}};
    if (!name_is_letters(out->name) || get_u32(p + 8 + size) != crc_of(p + 4, size + 4))
        return error_set(err, ERROR_INVALID, "the PNG's chunk at byte %zu is damaged", *at);
    *at += size + FRAME_BYTES;
    return true;
}

bool png_chunks_head(struct bytes png, struct png_head *out, struct error *err)
{
    struct chunk c = {0};
    size_t at = SIGNATURE_BYTES;
    if (png.size < SIGNATURE_BYTES || memcmp(png.data, signature, SIGNATURE_BYTES) != 0)
        return error_set(err, ERROR_INVALID, "it is no PNG");
    if (!next_chunk(png, &at, &c, err)) return false;
    if (!is_named(&c, "IHDR") || c.data.size != HEAD_DATA_BYTES)
        return error_set(err, ERROR_INVALID, "the PNG does not begin with IHDR");
    const uint8_t *p = c.data.data;
    const uint32_t width = get_u32(p), height = get_u32(p + 4);
    if (width == 0 || height == 0 || width > CHUNK_MAX || height > CHUNK_MAX)
        return error_set(err, ERROR_INVALID, "the PNG's size is out of range");
    *out = (struct png_head){(int)width, (int)height, p[8], p[9], p[12]};
    return true;
}

bool png_chunks_check(struct bytes png, struct error *err)
{
    struct png_head head;
    struct chunk c = {0};
    size_t at = SIGNATURE_BYTES;
    bool animated = false;
    if (!png_chunks_head(png, &head, err)) return false;
    do {
        if (!next_chunk(png, &at, &c, err)) return false;
        animated = animated || is_named(&c, "acTL");
    } while (!is_named(&c, "IEND"));
    if (animated) return error_set(err, ERROR_INVALID, "the PNG is animated");
    return at == png.size ? true
                          : error_set(err, ERROR_INVALID, "bytes stand behind the PNG's end");
}

/* ---- texts: keyword, NUL, not compressed, method 0, no language, no translated keyword, text ----
 */

static const uint8_t plain[] = {0, 0, 0, 0, 0};

bool png_chunks_add_text(struct bytes png, const char *keyword, struct bytes text, struct buf *out,
                         struct error *err)
{
    const size_t name = strlen(keyword), head = SIGNATURE_BYTES + FRAME_BYTES + HEAD_DATA_BYTES;
    if (name == 0 || name > KEYWORD_MAX || text.size > CHUNK_MAX - name - sizeof plain)
        return error_set(err, ERROR_USAGE, "the text '%.79s' is too long for a PNG", keyword);
    if ((text.size > 0 && memchr(text.data, 0, text.size) != NULL) ||
        !text_is_utf8((const char *)text.data, text.size))
        return error_set(err, ERROR_USAGE, "the text '%s' is not plain UTF-8", keyword);
    const size_t size = name + sizeof plain + text.size;
    buf_reserve(out, png.size + size + FRAME_BYTES);
    buf_append(out, png.data, head);
    put_u32(out, (uint32_t)size);
    const size_t begin = out->size;
    buf_append_text(out, "iTXt");
    buf_append_text(out, keyword);
    buf_append(out, plain, sizeof plain);
    if (text.size > 0) buf_append(out, text.data, text.size);
    put_u32(out, crc_of(out->data + begin, size + 4));
    buf_append(out, png.data + head, png.size - head);
    return true;
}

struct bytes png_chunks_find_text(struct bytes png, const char *keyword)
{
    const size_t name = strlen(keyword), before = name + sizeof plain;
    struct chunk c = {png.data, {NULL, 0}};
    size_t at = SIGNATURE_BYTES;
    while (next_chunk(png, &at, &c, NULL) && !is_named(&c, "IEND")) {
        const struct bytes d = c.data;
        if (is_named(&c, "iTXt") && d.size >= before && memcmp(d.data, keyword, name) == 0 &&
            memcmp(d.data + name, plain, sizeof plain) == 0)
            return (struct bytes){d.data + before, d.size - before};
    }
    return (struct bytes){NULL, 0};
}
