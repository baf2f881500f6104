/* prompts_block: see the header. A line is: u32 text size, text, NUL, u32 group, u32 seed count,
 * seeds of 8 bytes, u32 size of what differs, that text, NUL (nothing when the size is 0). The NULs
 * let readers use the strings where they lie. */
#include "coordinator/prompts_block.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/recipe.h"
#include "base/xalloc.h"

#define COMPRESSION_LEVEL 3

static void put_u32(uint8_t *out, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(v >> (8 * i));
}

static void put_u64(uint8_t *out, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(v >> (8 * i));
}

static uint32_t get_u32(const uint8_t *in)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++)
        v |= (uint32_t)in[i] << (8 * i);
    return v;
}

static uint64_t get_u64(const uint8_t *in)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++)
        v |= (uint64_t)in[i] << (8 * i);
    return v;
}

void prompts_index_pack(const struct prompts_index *index, uint8_t out[PROMPTS_INDEX_SIZE])
{
    put_u64(out, index->offset);
    put_u32(out + 8, index->size);
    put_u32(out + 12, index->raw_size);
    put_u64(out + 16, index->first_prompt);
    put_u64(out + 24, index->first_clip);
}

void prompts_index_unpack(const uint8_t in[PROMPTS_INDEX_SIZE], struct prompts_index *out)
{
    out->offset = get_u64(in);
    out->size = get_u32(in + 8);
    out->raw_size = get_u32(in + 12);
    out->first_prompt = get_u64(in + 16);
    out->first_clip = get_u64(in + 24);
}

#define FOOTER_FIELDS (PROMPTS_FOOTER_SIZE - DIGEST_BYTES - PROMPTS_MAGIC_SIZE)

void prompts_footer_pack(const struct prompts_footer *f, uint8_t out[PROMPTS_FOOTER_SIZE])
{
    put_u64(out, f->prompts);
    put_u64(out + 8, f->clips);
    put_u64(out + 16, (uint64_t)f->seed);
    put_u32(out + 24, f->seeds);
    put_u32(out + 28, f->block_count);
    put_u64(out + 32, f->groups_offset);
    put_u32(out + 40, f->groups_size);
    put_u32(out + 44, f->groups_raw);
    put_u64(out + 48, f->index_offset);
    put_u32(out + 56, f->group_count);
    put_u32(out + 60, 0);
    memcpy(out + FOOTER_FIELDS, f->digest.bytes, DIGEST_BYTES);
    memcpy(out + FOOTER_FIELDS + DIGEST_BYTES, PROMPTS_MAGIC, PROMPTS_MAGIC_SIZE);
}

bool prompts_footer_unpack(const uint8_t in[PROMPTS_FOOTER_SIZE], struct prompts_footer *out)
{
    if (memcmp(in + FOOTER_FIELDS + DIGEST_BYTES, PROMPTS_MAGIC, PROMPTS_MAGIC_SIZE) != 0)
        return false;
    out->prompts = get_u64(in);
    out->clips = get_u64(in + 8);
    out->seed = (int64_t)get_u64(in + 16);
    out->seeds = get_u32(in + 24);
    out->block_count = get_u32(in + 28);
    out->groups_offset = get_u64(in + 32);
    out->groups_size = get_u32(in + 40);
    out->groups_raw = get_u32(in + 44);
    out->index_offset = get_u64(in + 48);
    out->group_count = get_u32(in + 56);
    memcpy(out->digest.bytes, in + FOOTER_FIELDS, DIGEST_BYTES);
    return true;
}

struct digest prompts_footer_digest(const struct prompts_footer *f, const void *index,
                                    size_t index_size, const void *groups, size_t groups_size)
{
    uint8_t fields[PROMPTS_FOOTER_SIZE];
    struct digest_stream s;
    prompts_footer_pack(f, fields);
    digest_begin(&s);
    digest_update(&s, index, index_size);
    digest_update(&s, groups, groups_size);
    digest_update(&s, fields, FOOTER_FIELDS);
    return digest_end(&s);
}

static void append_u32(struct buf *raw, uint32_t v)
{
    uint8_t bytes[4];
    put_u32(bytes, v);
    buf_append(raw, bytes, sizeof bytes);
}

static void append_text(struct buf *raw, const char *text, size_t size)
{
    append_u32(raw, (uint32_t)size);
    if (size == 0) return;
    buf_append(raw, text, size);
    buf_append(raw, "", 1);
}

void prompts_block_add(struct buf *raw, const struct prompts_line *line)
{
    append_text(raw, line->text, line->text_size);
    append_u32(raw, line->group);
    append_u32(raw, line->seed_count);
    for (uint32_t i = 0; i < line->seed_count; i++) {
        uint8_t bytes[8];
        put_u64(bytes, (uint64_t)line->seeds[i]);
        buf_append(raw, bytes, sizeof bytes);
    }
    append_text(raw, line->differs, line->differs ? strlen(line->differs) : 0);
}

static size_t compress(void *out, size_t out_size, const struct buf *raw)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    if (context == NULL) return (size_t)-1; /* zstd's generic error */
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, COMPRESSION_LEVEL);
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    size_t size = ZSTD_compress2(context, out, out_size, raw->size ? raw->data : NULL, raw->size);
    ZSTD_freeCCtx(context);
    return size;
}

bool prompts_block_pack(const struct buf *raw, struct buf *packed, struct error *err)
{
    size_t bound = ZSTD_compressBound(raw->size);
    buf_clear(packed);
    buf_reserve(packed, bound);
    size_t size = compress(packed->data, bound, raw);
    if (ZSTD_isError(size))
        return error_set(err, ERROR_INTERNAL, "compressing prompts: %s", ZSTD_getErrorName(size));
    packed->size = size;
    return true;
}

struct cursor {
    const uint8_t *at, *end;
};

static bool take_u32(struct cursor *c, uint32_t *out)
{
    if (c->end - c->at < 4) return false;
    *out = get_u32(c->at);
    c->at += 4;
    return true;
}

static bool take_text(struct cursor *c, const char **out, uint32_t *size_out)
{
    if (!take_u32(c, size_out)) return false;
    *out = NULL;
    if (*size_out == 0) return true;
    if ((uint64_t)(c->end - c->at) < (uint64_t)*size_out + 1 || c->at[*size_out] != 0) return false;
    *out = (const char *)c->at;
    c->at += (size_t)*size_out + 1;
    return true;
}

static bool take_line(struct cursor *c, struct prompts_block_line *line)
{
    uint32_t differs_size;
    if (!take_text(c, &line->text, &line->text_size) || !take_u32(c, &line->group) ||
        !take_u32(c, &line->seed_count))
        return false;
    if (line->text == NULL) line->text = "";
    if ((uint64_t)(c->end - c->at) < (uint64_t)line->seed_count * 8) return false;
    line->seeds = c->at;
    c->at += (size_t)line->seed_count * 8;
    return take_text(c, &line->differs, &differs_size);
}

static bool read_lines(struct prompts_block *b, uint64_t first_clip, uint32_t default_seeds)
{
    struct cursor c = {b->raw, b->raw + b->raw_size};
    b->lines = xcalloc(PROMPTS_BLOCK_LINES, sizeof b->lines[0]);
    while (c.at < c.end) {
        if (b->line_count == PROMPTS_BLOCK_LINES) return false;
        struct prompts_block_line *line = &b->lines[b->line_count++];
        if (!take_line(&c, line)) return false;
        line->first_clip = first_clip + b->clips;
        b->clips += line->seed_count ? line->seed_count : default_seeds;
    }
    return b->line_count > 0;
}

static bool unpack(struct prompts_block *b, const void *packed, size_t packed_size, size_t raw_size,
                   struct error *err)
{
    if (raw_size == 0 || raw_size > PROMPTS_RAW_MAX)
        return error_set(err, ERROR_CORRUPT, "prompts block of %zu bytes", raw_size);
    b->raw = alloc_checked(raw_size, 1, "a block of prompts", err);
    if (b->raw == NULL) return false;
    size_t size = ZSTD_decompress(b->raw, raw_size, packed, packed_size);
    if (ZSTD_isError(size) || size != raw_size)
        return error_set(err, ERROR_CORRUPT, "prompts block: %s",
                         ZSTD_isError(size) ? ZSTD_getErrorName(size) : "wrong size");
    b->raw_size = raw_size;
    return true;
}

bool prompts_block_open(struct prompts_block *b, const void *packed, size_t packed_size,
                        size_t raw_size, uint64_t first_clip, uint32_t default_seeds,
                        struct error *err)
{
    memset(b, 0, sizeof *b);
    if (!unpack(b, packed, packed_size, raw_size, err)) {
        prompts_block_finish(b);
        return false;
    }
    if (!read_lines(b, first_clip, default_seeds)) {
        prompts_block_finish(b);
        return error_set(err, ERROR_CORRUPT, "prompts block: its lines do not add up");
    }
    return true;
}

void prompts_block_finish(struct prompts_block *b)
{
    free(b->raw);
    free(b->lines);
    memset(b, 0, sizeof *b);
}

int64_t prompts_block_seed(const struct prompts_block_line *line, uint32_t index)
{
    return (int64_t)get_u64(line->seeds + (size_t)index * 8);
}

const struct prompts_block_line *prompts_block_find(const struct prompts_block *b, uint64_t clip,
                                                    uint32_t *line_out)
{
    uint32_t low = 0, high = b->line_count; /* the last line with first_clip <= clip */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (b->lines[middle].first_clip <= clip)
            low = middle;
        else
            high = middle;
    }
    *line_out = low;
    return &b->lines[low];
}

size_t prompts_block_memory(const struct prompts_block *b)
{
    return b->raw_size + PROMPTS_BLOCK_LINES * sizeof b->lines[0];
}
