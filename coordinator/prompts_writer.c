/* prompts_writer: makes a prompts file, block by block, in one pass. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mutation.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "coordinator/prompts.h"
#include "coordinator/prompts_block.h"

struct prompts_writer {
    char *path;
    int fd;
    uint64_t offset;
    struct buf raw;    /* lines of the open block */
    struct buf packed; /* scratch */
    struct buf index;
    uint32_t lines;      /* in the open block */
    uint64_t block_clip; /* first clip and prompt of the open block */
    uint64_t block_prompt;
    struct prompts_footer footer;
};

static bool put(struct prompts_writer *w, const void *data, size_t size, struct error *err)
{
    if (!path_write_fd(w->fd, data, size, w->path, err)) return false;
    w->offset += size;
    return true;
}

static void writer_free(struct prompts_writer *w)
{
    if (w->fd >= 0) close(w->fd);
    buf_finish(&w->raw);
    buf_finish(&w->packed);
    buf_finish(&w->index);
    free(w->path);
    free(w);
}

struct prompts_writer *prompts_writer_open(const char *path, int64_t seed, uint32_t seeds,
                                           struct error *err)
{
    ZOE_ASSERT(seeds > 0);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        error_set_errno(err, errno, "%s", path);
        return NULL;
    }
    struct prompts_writer *w = xcalloc(1, sizeof *w);
    w->path = xstrdup(path);
    w->fd = fd;
    w->footer.seed = seed;
    w->footer.seeds = seeds;
    if (!put(w, PROMPTS_MAGIC, PROMPTS_MAGIC_SIZE, err)) {
        prompts_writer_abandon(w);
        return NULL;
    }
    return w;
}

static bool flush_block(struct prompts_writer *w, struct error *err)
{
    if (w->lines == 0) return true;
    if (!prompts_block_pack(&w->raw, &w->packed, err)) return false;
    struct prompts_index entry = {
        .offset = w->offset,
        .size = (uint32_t)w->packed.size,
        .raw_size = (uint32_t)w->raw.size,
        .first_prompt = w->block_prompt,
        .first_clip = w->block_clip,
    };
    uint8_t bytes[PROMPTS_INDEX_SIZE];
    prompts_index_pack(&entry, bytes);
    if (!put(w, w->packed.data, w->packed.size, err)) return false;
    buf_append(&w->index, bytes, sizeof bytes);
    w->footer.block_count++;
    w->block_prompt = w->footer.prompts;
    w->block_clip = w->footer.clips;
    w->lines = 0;
    buf_clear(&w->raw);
    return true;
}

bool prompts_writer_add(struct prompts_writer *w, const struct prompts_line *line,
                        struct error *err)
{
    prompts_block_add(&w->raw, line);
    w->lines++;
    w->footer.prompts++;
    w->footer.clips += line->seed_count ? line->seed_count : w->footer.seeds;
    if (w->lines < PROMPTS_BLOCK_LINES && w->raw.size < PROMPTS_BLOCK_BYTES) return true;
    return flush_block(w, err);
}

static bool write_tail(struct prompts_writer *w, const json_t *groups, struct error *err)
{
    struct prompts_footer *f = &w->footer;
    uint8_t bytes[PROMPTS_FOOTER_SIZE];
    char *text = json_canonical(groups);
    buf_clear(&w->raw);
    buf_append_text(&w->raw, text);
    free(text);
    if (!prompts_block_pack(&w->raw, &w->packed, err)) return false;
    f->groups_offset = w->offset;
    f->groups_size = (uint32_t)w->packed.size;
    f->groups_raw = (uint32_t)w->raw.size;
    f->group_count = (uint32_t)json_array_size(groups);
    if (!put(w, w->packed.data, w->packed.size, err)) return false;
    f->index_offset = w->offset;
    f->digest =
        prompts_footer_digest(f, w->index.data, w->index.size, w->packed.data, w->packed.size);
    prompts_footer_pack(f, bytes);
    if (!put(w, w->index.data, w->index.size, err)) return false;
    return put(w, bytes, sizeof bytes, err);
}

bool prompts_writer_finish(struct prompts_writer *w, const json_t *groups, struct error *err)
{
    bool ok = flush_block(w, err) && write_tail(w, groups, err);
    bool synced = !ok || mutated(MUTATION_NO_FSYNC) || fsync(w->fd) == 0;
    if (!synced) ok = error_set_errno(err, errno, "%s", w->path);
    if (!ok) {
        prompts_writer_abandon(w);
        return false;
    }
    char *folder = path_dirname(w->path);
    ok = path_fsync_folder(folder, err);
    free(folder);
    if (!ok)
        prompts_writer_abandon(w);
    else
        writer_free(w);
    return ok;
}

void prompts_writer_abandon(struct prompts_writer *w)
{
    if (w == NULL) return;
    unlink(w->path);
    writer_free(w);
}
