/* prompts: the reading side. Files are never changed once they are complete, so nothing here needs
 * invalidation but the removal of a batch. */
#include "coordinator/prompts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "coordinator/prompts_block.h"
#include "coordinator/recipe_mould.h"

#define OPEN_FILES 8
#define BLOCKS_MAX 64
#define SUFFIX ".prompts"
#define GROUPS_RAW_MAX (64 * 1024 * 1024)
#define INDEX_BLOCKS_MAX (1024 * 1024)

struct prompts_file {
    char batch[ID_BATCH_SIZE];
    int fd;
    uint64_t used;
    struct prompts_footer footer;
    uint8_t *index; /* PROMPTS_INDEX_SIZE each */
    json_t *groups;
    struct recipe_mould *moulds; /* of each group */
};

struct prompts_cached {
    char batch[ID_BATCH_SIZE];
    uint32_t number;
    uint64_t used;
    struct prompts_block block;
};

struct prompts {
    char *folder;
    size_t budget_bytes;
    size_t cached_bytes;
    uint64_t clock; /* of uses */
    struct prompts_file files[OPEN_FILES];
    int file_count;
    struct prompts_cached blocks[BLOCKS_MAX];
    int block_count;
};

struct prompts *prompts_create(const char *folder, size_t budget_bytes)
{
    struct prompts *p = xcalloc(1, sizeof *p);
    p->folder = xstrdup(folder);
    p->budget_bytes = budget_bytes;
    return p;
}

static void file_close(struct prompts_file *f)
{
    if (f->fd >= 0) close(f->fd);
    for (uint32_t i = 0; f->moulds != NULL && i < f->footer.group_count; i++)
        recipe_mould_finish(&f->moulds[i]);
    free(f->moulds);
    free(f->index);
    json_decref(f->groups);
}

static void drop_file(struct prompts *p, int i)
{
    file_close(&p->files[i]);
    p->files[i] = p->files[--p->file_count];
}

static void drop_block(struct prompts *p, int i)
{
    p->cached_bytes -= prompts_block_memory(&p->blocks[i].block);
    prompts_block_finish(&p->blocks[i].block);
    p->blocks[i] = p->blocks[--p->block_count];
}

void prompts_destroy(struct prompts *p)
{
    if (p == NULL) return;
    while (p->block_count > 0)
        drop_block(p, 0);
    while (p->file_count > 0)
        drop_file(p, 0);
    free(p->folder);
    free(p);
}

char *prompts_path(const struct prompts *p, const char *batch)
{
    return xasprintf("%s/%s" SUFFIX, p->folder, batch);
}

/* ---- opening a file ---- */

static bool read_at(int fd, uint64_t offset, void *out, size_t size, const char *path,
                    struct error *err)
{
    uint8_t *at = out;
    while (size > 0) {
        ssize_t got = pread(fd, at, size, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return error_set_errno(err, errno, "%s", path);
        if (got == 0) return error_set(err, ERROR_CORRUPT, "%s: too short", path);
        at += got;
        offset += (uint64_t)got;
        size -= (size_t)got;
    }
    return true;
}

static bool check_footer(const struct prompts_footer *f, uint64_t file_size)
{
    if (f->seeds == 0 || f->block_count > INDEX_BLOCKS_MAX || f->groups_raw > GROUPS_RAW_MAX)
        return false;
    uint64_t index_size = (uint64_t)f->block_count * PROMPTS_INDEX_SIZE;
    if (f->groups_offset > file_size || f->index_offset > file_size) return false;
    return f->groups_offset + f->groups_size == f->index_offset &&
           f->index_offset + index_size + PROMPTS_FOOTER_SIZE == file_size;
}

static bool read_footer(struct prompts_file *f, const char *path, struct error *err)
{
    struct stat st;
    uint8_t bytes[PROMPTS_FOOTER_SIZE];
    if (fstat(f->fd, &st) != 0) return error_set_errno(err, errno, "%s", path);
    uint64_t size = (uint64_t)st.st_size;
    if (size < PROMPTS_MAGIC_SIZE + PROMPTS_FOOTER_SIZE)
        return error_set(err, ERROR_CORRUPT, "%s: too short", path);
    if (!read_at(f->fd, size - PROMPTS_FOOTER_SIZE, bytes, sizeof bytes, path, err)) return false;
    if (!prompts_footer_unpack(bytes, &f->footer) || !check_footer(&f->footer, size))
        return error_set(err, ERROR_CORRUPT, "%s: not a whole prompts file", path);
    return true;
}

static bool parse_groups(struct prompts_file *f, const void *packed, const char *path,
                         struct error *err)
{
    size_t size = f->footer.groups_raw;
    char *text = alloc_checked(size + 1, 1, "the groups of a batch", err);
    if (text == NULL) return false;
    size_t got = ZSTD_decompress(text, size, packed, f->footer.groups_size);
    if (!ZSTD_isError(got) && got == size) f->groups = json_parse(text, size, path, err);
    free(text);
    if (f->groups == NULL || json_array_size(f->groups) != f->footer.group_count)
        return error_set(err, ERROR_CORRUPT, "%s: its groups are damaged", path);
    return true;
}

static bool read_index(struct prompts_file *f, const char *path, struct error *err)
{
    const struct prompts_footer *foot = &f->footer;
    size_t index_size = (size_t)foot->block_count * PROMPTS_INDEX_SIZE;
    uint8_t *groups = alloc_checked(foot->groups_size, 1, "the groups of a batch", err);
    f->index = alloc_checked(index_size, 1, "an index of prompts", err);
    bool ok = groups != NULL && f->index != NULL &&
              read_at(f->fd, foot->groups_offset, groups, foot->groups_size, path, err) &&
              read_at(f->fd, foot->index_offset, f->index, index_size, path, err);
    if (ok) {
        struct digest found =
            prompts_footer_digest(foot, f->index, index_size, groups, foot->groups_size);
        if (!digest_equal(&found, &foot->digest))
            ok = error_set(err, ERROR_CORRUPT, "%s: its index is damaged", path);
    }
    ok = ok && parse_groups(f, groups, path, err);
    if (ok) f->moulds = xcalloc((size_t)f->footer.group_count + 1, sizeof *f->moulds);
    free(groups);
    return ok;
}

static bool open_file(const struct prompts *p, const char *batch, struct prompts_file *f,
                      struct error *err)
{
    memset(f, 0, sizeof *f);
    f->fd = -1;
    if (!id_is_batch(batch)) return error_set(err, ERROR_NOT_FOUND, "no batch '%s'", batch);
    memcpy(f->batch, batch, ID_BATCH_SIZE);
    char *path = prompts_path(p, batch);
    f->fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = f->fd >= 0;
    if (!ok && errno == ENOENT)
        error_set(err, ERROR_NOT_FOUND, "the prompts of batch %s are gone (%s)", batch, path);
    else if (!ok)
        error_set_errno(err, errno, "%s", path);
    ok = ok && read_footer(f, path, err) && read_index(f, path, err);
    free(path);
    if (!ok) file_close(f);
    return ok;
}

static int oldest_file(const struct prompts *p)
{
    int oldest = 0;
    for (int i = 1; i < p->file_count; i++)
        if (p->files[i].used < p->files[oldest].used) oldest = i;
    return oldest;
}

static struct prompts_file *find_file(struct prompts *p, const char *batch, struct error *err)
{
    for (int i = 0; i < p->file_count; i++) {
        if (strcmp(p->files[i].batch, batch) != 0) continue;
        p->files[i].used = ++p->clock;
        return &p->files[i];
    }
    struct prompts_file opened;
    if (!open_file(p, batch, &opened, err)) return NULL;
    if (p->file_count == OPEN_FILES) drop_file(p, oldest_file(p));
    struct prompts_file *f = &p->files[p->file_count++];
    *f = opened;
    f->used = ++p->clock;
    return f;
}

/* ---- blocks ---- */

static void index_entry(const struct prompts_file *f, uint32_t number, struct prompts_index *out)
{
    prompts_index_unpack(f->index + (size_t)number * PROMPTS_INDEX_SIZE, out);
}

static uint32_t block_of_clip(const struct prompts_file *f, uint64_t clip)
{
    uint32_t low = 0, high = f->footer.block_count; /* the last block with first_clip <= clip */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        struct prompts_index entry;
        index_entry(f, middle, &entry);
        if (entry.first_clip <= clip)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static bool load_block(const struct prompts_file *f, uint32_t number, struct prompts_block *out,
                       struct error *err)
{
    struct prompts_index entry;
    index_entry(f, number, &entry);
    if (entry.offset > f->footer.groups_offset ||
        entry.size > f->footer.groups_offset - entry.offset)
        return error_set(err, ERROR_CORRUPT, "batch %s: prompts block %u lies outside its file",
                         f->batch, number);
    void *packed = alloc_checked(entry.size, 1, "a block of prompts", err);
    if (packed == NULL) return false;
    bool ok = read_at(f->fd, entry.offset, packed, entry.size, f->batch, err) &&
              prompts_block_open(out, packed, entry.size, entry.raw_size, entry.first_clip,
                                 f->footer.seeds, err);
    free(packed);
    if (!ok) error_wrap(err, "batch %s, prompts block %u", f->batch, number);
    return ok;
}

static int oldest_block(const struct prompts *p)
{
    int oldest = 0;
    for (int i = 1; i < p->block_count; i++)
        if (p->blocks[i].used < p->blocks[oldest].used) oldest = i;
    return oldest;
}

static struct prompts_block *keep_block(struct prompts *p, const struct prompts_file *f,
                                        uint32_t number, const struct prompts_block *block)
{
    p->cached_bytes += prompts_block_memory(block);
    while (p->block_count > 0 &&
           (p->cached_bytes > p->budget_bytes || p->block_count == BLOCKS_MAX))
        drop_block(p, oldest_block(p));
    struct prompts_cached *c = &p->blocks[p->block_count++];
    memcpy(c->batch, f->batch, sizeof c->batch);
    c->number = number;
    c->used = ++p->clock;
    c->block = *block;
    return &c->block;
}

static const struct prompts_block *find_block(struct prompts *p, const struct prompts_file *f,
                                              uint32_t number, struct error *err)
{
    for (int i = 0; i < p->block_count; i++) {
        struct prompts_cached *c = &p->blocks[i];
        if (c->number != number || strcmp(c->batch, f->batch) != 0) continue;
        c->used = ++p->clock;
        return &c->block;
    }
    struct prompts_block block;
    if (!load_block(f, number, &block, err)) return NULL;
    return keep_block(p, f, number, &block);
}

/* ---- questions ---- */

bool prompts_clip(struct prompts *p, const char *batch, uint64_t clip, struct prompts_clip *out,
                  struct error *err)
{
    const struct prompts_file *f = find_file(p, batch, err);
    if (f == NULL) return false;
    if (clip >= f->footer.clips)
        return error_set(err, ERROR_NOT_FOUND, "batch %s has no clip %llu", batch,
                         (unsigned long long)clip);
    uint32_t number = block_of_clip(f, clip);
    const struct prompts_block *block = find_block(p, f, number, err);
    if (block == NULL) return false;
    uint32_t line_number;
    const struct prompts_block_line *line = prompts_block_find(block, clip, &line_number);
    struct prompts_index entry;
    index_entry(f, number, &entry);
    out->text = line->text;
    out->text_size = line->text_size;
    out->group = line->group;
    out->differs = line->differs;
    out->prompt = entry.first_prompt + line_number;
    out->seed_index = (uint32_t)(clip - line->first_clip);
    out->seed = line->seed_count ? prompts_block_seed(line, out->seed_index)
                                 : f->footer.seed + (int64_t)out->seed_index;
    return true;
}

static bool apply_differs(json_t *recipe, const char *differs, struct error *err)
{
    const char *key;
    json_t *value;
    json_t *object = json_parse(differs, strlen(differs), "a line's recipe", err);
    if (object == NULL) return false;
    json_object_foreach(object, key, value)
    {
        if (json_is_null(value))
            json_object_del(recipe, key);
        else
            json_object_set(recipe, key, value);
    }
    json_decref(object);
    return true;
}

json_t *prompts_recipe_of(struct prompts *p, const char *batch, const struct prompts_clip *clip,
                          struct error *err)
{
    const struct prompts_file *f = find_file(p, batch, err);
    if (f == NULL) return NULL;
    const json_t *base = json_array_get(f->groups, clip->group);
    json_t *recipe = base ? json_deep_copy(base) : NULL;
    if (recipe == NULL) {
        error_set(err, ERROR_CORRUPT, "batch %s: no group %u", batch, clip->group);
        return NULL;
    }
    if (clip->differs && !apply_differs(recipe, clip->differs, err)) {
        json_decref(recipe);
        return NULL;
    }
    json_object_set_new(recipe, "prompt", json_stringn(clip->text, clip->text_size));
    json_object_set_new(recipe, "seed", json_integer(clip->seed));
    return recipe;
}

json_t *prompts_recipe(struct prompts *p, const char *batch, uint64_t clip, struct error *err)
{
    struct prompts_clip found;
    if (!prompts_clip(p, batch, clip, &found, err)) return NULL;
    return prompts_recipe_of(p, batch, &found, err);
}

static void take_extras(struct prompts_text *out, json_t *recipe)
{
    out->loras = json_incref(json_object_get(recipe, "loras"));
    out->fps = json_number_value(json_object_get(recipe, "fps"));
    out->file_count = recipe_files(recipe, out->files);
}

static bool text_of_json(struct prompts *p, const char *batch, const struct prompts_clip *clip,
                         struct prompts_text *out, struct error *err)
{
    json_t *recipe = prompts_recipe_of(p, batch, clip, err);
    if (recipe == NULL) return false;
    out->text = json_canonical(recipe);
    take_extras(out, recipe);
    json_decref(recipe);
    return true;
}

/* Nearly all clips differ in prompt and seed only. */
bool prompts_recipe_text(struct prompts *p, const char *batch, const struct prompts_clip *clip,
                         struct prompts_text *out, struct error *err)
{
    struct prompts_file *f = find_file(p, batch, err);
    if (f == NULL) return false;
    json_t *base = json_array_get(f->groups, clip->group);
    *out = (struct prompts_text){.text = NULL};
    if (clip->differs != NULL || base == NULL) return text_of_json(p, batch, clip, out, err);
    struct recipe_mould *mould = &f->moulds[clip->group];
    if (mould->text == NULL) recipe_mould_make(mould, base);
    if (!mould->usable) return text_of_json(p, batch, clip, out, err);
    out->text = recipe_mould_fill(mould, clip->text, clip->text_size, clip->seed);
    take_extras(out, base);
    return true;
}

void prompts_text_finish(struct prompts_text *t)
{
    free(t->text);
    json_decref(t->loras);
    *t = (struct prompts_text){.text = NULL};
}

bool prompts_totals(struct prompts *p, const char *batch, uint64_t *prompts_out,
                    uint64_t *clips_out, uint32_t *groups_out, struct error *err)
{
    const struct prompts_file *f = find_file(p, batch, err);
    if (f == NULL) return false;
    *prompts_out = f->footer.prompts;
    *clips_out = f->footer.clips;
    *groups_out = f->footer.group_count;
    return true;
}

struct run {
    uint64_t first, count;
    uint32_t group;
};

bool prompts_group_runs(struct prompts *p, const char *batch,
                        void (*each)(void *context, uint64_t first_clip, uint64_t count,
                                     uint32_t group),
                        void *context, struct error *err)
{
    const struct prompts_file *f = find_file(p, batch, err);
    if (f == NULL) return false;
    struct run run = {0, 0, 0};
    if (f->footer.group_count == 1) {
        each(context, 0, f->footer.clips, 0);
        return true;
    }
    for (uint32_t number = 0; number < f->footer.block_count; number++) {
        struct prompts_block block; /* not cached: a pass over all would evict the useful ones */
        if (!load_block(f, number, &block, err)) return false;
        for (uint32_t i = 0; i < block.line_count; i++) {
            const struct prompts_block_line *line = &block.lines[i];
            if (run.count > 0 && line->group != run.group) {
                each(context, run.first, run.count, run.group);
                run = (struct run){run.first + run.count, 0, 0};
            }
            run.group = line->group;
            run.count += line->seed_count ? line->seed_count : f->footer.seeds;
        }
        prompts_block_finish(&block);
    }
    if (run.count > 0) each(context, run.first, run.count, run.group);
    return true;
}

/* ---- checking ---- */

struct tally { /* of the blocks so far */
    uint64_t offset, prompts, clips;
};

static bool groups_are_known(const struct prompts_file *f, const struct prompts_block *block)
{
    for (uint32_t i = 0; i < block->line_count; i++)
        if (block->lines[i].group >= f->footer.group_count) return false;
    return true;
}

/* Nothing lies between the blocks, so each byte of the file is in something that is checked. */
static bool check_block(const struct prompts_file *f, uint32_t number, struct tally *sum,
                        struct error *err)
{
    struct prompts_index entry;
    struct prompts_block block;
    index_entry(f, number, &entry);
    if (!load_block(f, number, &block, err)) return false;
    const bool ok = entry.offset == sum->offset && entry.first_prompt == sum->prompts &&
                    entry.first_clip == sum->clips && groups_are_known(f, &block);
    *sum = (struct tally){entry.offset + entry.size, sum->prompts + block.line_count,
                          sum->clips + block.clips};
    prompts_block_finish(&block);
    return ok || error_set(err, ERROR_CORRUPT, "prompts block %u is not the one of its index",
                           (unsigned)number);
}

static bool check_blocks(const struct prompts_file *f, struct error *err)
{
    char magic[PROMPTS_MAGIC_SIZE];
    struct tally sum = {.offset = PROMPTS_MAGIC_SIZE};
    if (!read_at(f->fd, 0, magic, sizeof magic, f->batch, err)) return false;
    if (memcmp(magic, PROMPTS_MAGIC, sizeof magic) != 0)
        return error_set(err, ERROR_CORRUPT, "its first bytes are not a prompts file's");
    for (uint32_t number = 0; number < f->footer.block_count; number++)
        if (!check_block(f, number, &sum, err)) return false;
    return (sum.offset == f->footer.groups_offset && sum.prompts == f->footer.prompts &&
            sum.clips == f->footer.clips) ||
           error_set(err, ERROR_CORRUPT, "its blocks do not add up");
}

bool prompts_check(struct prompts *p, const char *batch, struct error *err)
{
    const struct prompts_file *f = find_file(p, batch, err);
    if (f == NULL) return false;
    if (check_blocks(f, err)) return true;
    char *path = prompts_path(p, batch);
    error_wrap(err, "%s", path);
    free(path);
    return false;
}

/* ---- removal ---- */

static void forget(struct prompts *p, const char *batch)
{
    for (int i = p->block_count; i-- > 0;)
        if (strcmp(p->blocks[i].batch, batch) == 0) drop_block(p, i);
    for (int i = p->file_count; i-- > 0;)
        if (strcmp(p->files[i].batch, batch) == 0) drop_file(p, i);
}

bool prompts_remove(struct prompts *p, const char *batch, struct error *err)
{
    forget(p, batch);
    char *path = prompts_path(p, batch);
    bool ok = unlink(path) == 0 || errno == ENOENT;
    if (!ok) error_set_errno(err, errno, "%s", path);
    free(path);
    return ok;
}

/* The batch id of a prompts file's name, or NULL. */
static const char *batch_of_name(char *name)
{
    size_t length = strlen(name);
    size_t suffix = strlen(SUFFIX);
    if (length != ID_BATCH_LENGTH + suffix || strcmp(name + ID_BATCH_LENGTH, SUFFIX) != 0)
        return NULL;
    name[ID_BATCH_LENGTH] = '\0';
    return id_is_batch(name) ? name : NULL;
}

bool prompts_recover(struct prompts *p, bool (*known)(void *context, const char *batch),
                     void *context, struct error *err)
{
    char **names;
    size_t count;
    if (!path_list(p->folder, &names, &count, err)) return false;
    bool ok = true;
    for (size_t i = 0; i < count && ok; i++) {
        const char *batch = batch_of_name(names[i]);
        if (batch != NULL && !known(context, batch)) ok = prompts_remove(p, batch, err);
    }
    path_list_free(names, count);
    return ok;
}
