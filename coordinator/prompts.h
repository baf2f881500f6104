/* prompts: the prompts of batches, each batch in one compressed file with an index.
 *
 * File FOLDER/BATCH.prompts: a magic, zstd blocks of 1,024 lines, then one zstd block with the
 * groups, then the index and a footer (docs/storage.md). A line holds its prompt, its group, its
 * seeds (none = the batch's S .. S+N-1) and the JSON of the recipe fields in which it differs from
 * its group's base. From a clip index to its line: a binary search over the index, then one within
 * the block. Decoded blocks and open files are kept in a small least-recently-used cache.
 *
 * Writer: any one thread. Reader (struct prompts): loop thread. Clips are prompt-major, seeds
 * inner. */
#ifndef ZOE_COORDINATOR_PROMPTS_H
#define ZOE_COORDINATOR_PROMPTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/id.h"
#include "base/recipe.h"

#define PROMPTS_BLOCK_LINES 1024

struct prompts_line { /* everything borrowed */
    const char *text; /* NUL-terminated */
    size_t text_size;
    uint32_t group;
    const char *differs; /* JSON object text; NULL = nothing. A null member removes the field. */
    const int64_t *seeds;
    uint32_t seed_count; /* 0 = the batch's own seeds */
};

struct prompts_writer;
/* The file is made at once (mode 0600); an existing one is an error. */
struct prompts_writer *prompts_writer_open(const char *path, int64_t seed, uint32_t seeds,
                                           struct error *err);
bool prompts_writer_add(struct prompts_writer *w, const struct prompts_line *line,
                        struct error *err);
/* `groups`: array of base recipes (complete but for prompt and seed), index = group. Writes the
 * index, fsyncs, closes and frees, on failure too (then the file is removed). */
bool prompts_writer_finish(struct prompts_writer *w, const json_t *groups, struct error *err);
void prompts_writer_abandon(struct prompts_writer *w); /* removes the file; NULL is fine */

struct prompts;
/* `budget_bytes` bounds the decoded blocks kept (one is kept always). Opens nothing yet. */
struct prompts *prompts_create(const char *folder, size_t budget_bytes);
void prompts_destroy(struct prompts *p);

/* FOLDER/BATCH.prompts; caller frees. */
char *prompts_path(const struct prompts *p, const char *batch);
/* Closes it, drops what is cached, removes the file. Missing is fine. */
bool prompts_remove(struct prompts *p, const char *batch, struct error *err);
/* Start: removes files whose batch `known` denies. */
bool prompts_recover(struct prompts *p, bool (*known)(void *context, const char *batch),
                     void *context, struct error *err);

struct prompts_clip {
    const char *text; /* borrowed until the next call on `p` */
    size_t text_size;
    int64_t seed;
    uint32_t group;
    uint64_t prompt;     /* zero-based line */
    uint32_t seed_index; /* within its line */
    const char *differs; /* borrowed, or NULL */
};

/* False with ERROR_NOT_FOUND past the end, ERROR_IO, ERROR_CORRUPT. */
bool prompts_clip(struct prompts *p, const char *batch, uint64_t clip, struct prompts_clip *out,
                  struct error *err);
/* The complete recipe of a clip: its group's base, what the line changes, prompt and seed. New
 * reference. */
json_t *prompts_recipe(struct prompts *p, const char *batch, uint64_t clip, struct error *err);
/* Its canonical text, without building the recipe where that can be helped. */
struct prompts_text {
    char *text;
    json_t *loras;                         /* of the recipe, or NULL */
    double fps;                            /* 0: the recipe has none */
    struct digest files[RECIPE_FILES_MAX]; /* that the recipe names */
    uint32_t file_count;
};
bool prompts_recipe_text(struct prompts *p, const char *batch, const struct prompts_clip *clip,
                         struct prompts_text *out, struct error *err);
void prompts_text_finish(struct prompts_text *t); /* may be called again */
/* Only what a clip of this text and group would have; `clip` as prompts_clip gave it. */
json_t *prompts_recipe_of(struct prompts *p, const char *batch, const struct prompts_clip *clip,
                          struct error *err);

/* Totals of a batch. */
bool prompts_totals(struct prompts *p, const char *batch, uint64_t *prompts_out,
                    uint64_t *clips_out, uint32_t *groups_out, struct error *err);

/* Reads all of the file, past the cache: every block is whole, and together they are what the
 * totals say. ERROR_NOT_FOUND, ERROR_IO, ERROR_CORRUPT; the message names the file. */
bool prompts_check(struct prompts *p, const char *batch, struct error *err);

/* Which clips belong to which group, as runs in clip order: `each` gets (first clip, count, group),
 * neighbours already joined. Reads every block when there is more than one group. */
bool prompts_group_runs(struct prompts *p, const char *batch,
                        void (*each)(void *context, uint64_t first_clip, uint64_t count,
                                     uint32_t group),
                        void *context, struct error *err);

#endif
