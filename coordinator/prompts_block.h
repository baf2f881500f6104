/* prompts_block: one block of a prompts file, as bytes and as lines, and the file's fixed parts.
 * Room-internal: prompts.c and prompts_writer.c. Pure but for zstd; integers are little-endian. */
#ifndef ZOE_COORDINATOR_PROMPTS_BLOCK_H
#define ZOE_COORDINATOR_PROMPTS_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/error.h"
#include "coordinator/prompts.h"

#define PROMPTS_MAGIC "ZOEPRMT1"
#define PROMPTS_MAGIC_SIZE 8
#define PROMPTS_INDEX_SIZE 32
#define PROMPTS_FOOTER_SIZE 104
/* A block ends early when its lines are this long together. */
#define PROMPTS_BLOCK_BYTES (1024 * 1024)
/* The longest line adds its text, its seeds and what it changes: all within a submit line. */
#define PROMPTS_RAW_MAX (8 * 1024 * 1024)

struct prompts_index {
    uint64_t offset;
    uint32_t size;
    uint32_t raw_size;
    uint64_t first_prompt;
    uint64_t first_clip;
};

struct prompts_footer {
    uint64_t prompts, clips;
    int64_t seed;
    uint32_t seeds;
    uint32_t block_count;
    uint64_t groups_offset;
    uint32_t groups_size, groups_raw;
    uint64_t index_offset;
    uint32_t group_count;
    struct digest digest; /* of index bytes, groups bytes as stored, and the fields above */
};

void prompts_index_pack(const struct prompts_index *index, uint8_t out[PROMPTS_INDEX_SIZE]);
void prompts_index_unpack(const uint8_t in[PROMPTS_INDEX_SIZE], struct prompts_index *out);
/* The digest is the last DIGEST_BYTES before the closing magic; pack writes what is in the struct.
 */
void prompts_footer_pack(const struct prompts_footer *f, uint8_t out[PROMPTS_FOOTER_SIZE]);
bool prompts_footer_unpack(const uint8_t in[PROMPTS_FOOTER_SIZE], struct prompts_footer *out);
struct digest prompts_footer_digest(const struct prompts_footer *f, const void *index,
                                    size_t index_size, const void *groups, size_t groups_size);

/* Appends one line's bytes. */
void prompts_block_add(struct buf *raw, const struct prompts_line *line);
/* zstd of `raw` into `packed` (cleared first). */
bool prompts_block_pack(const struct buf *raw, struct buf *packed, struct error *err);

struct prompts_block_line {
    const char *text;
    uint32_t text_size;
    uint32_t group;
    const uint8_t *seeds; /* 8 bytes each */
    uint32_t seed_count;
    const char *differs; /* or NULL */
    uint64_t first_clip; /* of the whole batch */
};

struct prompts_block {
    uint8_t *raw;
    size_t raw_size;
    struct prompts_block_line *lines; /* point into raw */
    uint32_t line_count;
    uint64_t clips;
};

/* Unpacks and checks `packed`; `first_clip` and `default_seeds` number the clips. */
bool prompts_block_open(struct prompts_block *b, const void *packed, size_t packed_size,
                        size_t raw_size, uint64_t first_clip, uint32_t default_seeds,
                        struct error *err);
void prompts_block_finish(struct prompts_block *b);
int64_t prompts_block_seed(const struct prompts_block_line *line, uint32_t index);
/* Line that holds a clip of this block. */
const struct prompts_block_line *prompts_block_find(const struct prompts_block *b, uint64_t clip,
                                                    uint32_t *line_out);
/* Bytes it keeps in memory. */
size_t prompts_block_memory(const struct prompts_block *b);

#endif
