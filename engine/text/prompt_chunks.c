#include "engine/text/prompt_chunks.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

/* The chunk that is being filled. */
struct filler {
    const struct tokenizer *tokenizer;
    struct prompt_chunks *out;
    int32_t *ids; /* [room], as the next one */
    float *weights;
    int count, room;
    int comma; /* place of the last comma; -1: none */
};

/* ---- chunks ---- */

static void add_chunk(struct prompt_chunks *c, const struct tokenizer *t, const int32_t *ids,
                      const float *weights, int count)
{
    const size_t length = (size_t)c->length, before = (size_t)c->count * length;
    c->ids = xrealloc_array(c->ids, before + length, sizeof *c->ids);
    c->weights = xrealloc_array(c->weights, before + length, sizeof *c->weights);
    tokenizer_frame(t, ids, count, c->ids + before);
    for (size_t i = 0; i < length; i++)
        c->weights[before + i] = i >= 1 && i <= (size_t)count ? weights[i - 1] : 1;
    c->count++;
}

/* The reference's program looks for the end token and pads from there, so it ends a chunk wherever
 * it stands; but not when it is the padding itself. */
static void pad_after_end(struct prompt_chunks *c, const struct tokenizer *t)
{
    int32_t *ids = c->ids + (size_t)(c->count - 1) * (size_t)c->length;
    const int32_t end = tokenizer_end(t), pad = tokenizer_pad(t);
    int i = 0;
    while (ids[i] != end)
        i++;
    for (i++; end != pad && i < c->length; i++)
        ids[i] = pad;
}

static void finish_chunk(struct filler *f)
{
    add_chunk(f->out, f->tokenizer, f->ids, f->weights, f->count);
    pad_after_end(f->out, f->tokenizer);
    f->count = 0;
    f->comma = -1;
}

/* A full chunk ends at its last comma when that is near, and what follows begins the next one. */
static void finish_full_chunk(struct filler *f)
{
    const int all = f->count, kept = f->comma + 1;
    if (f->comma < 0 || all - f->comma > PROMPT_COMMA_REACH) {
        finish_chunk(f);
        return;
    }
    f->count = kept;
    finish_chunk(f);
    f->count = all - kept;
    memmove(f->ids, f->ids + kept, (size_t)f->count * sizeof *f->ids);
    memmove(f->weights, f->weights + kept, (size_t)f->count * sizeof *f->weights);
}

/* A comma that finds the chunk full begins the next one. */
static void put(struct filler *f, int32_t id, float weight)
{
    const bool comma = id == tokenizer_comma(f->tokenizer);
    if (f->count == f->room) {
        if (comma)
            finish_chunk(f);
        else
            finish_full_chunk(f);
    }
    if (comma) f->comma = f->count;
    f->ids[f->count] = id;
    f->weights[f->count++] = weight;
}

static bool take_part(struct filler *f, const struct prompt_part *part, enum tokenizer_rule rule)
{
    struct tokens tokens;
    if (part->new_chunk) finish_chunk(f);
    tokenizer_split(f->tokenizer, part->text, rule, &tokens);
    for (int i = 0; i < tokens.count && f->out->count < PROMPT_CHUNKS_MAX; i++)
        put(f, tokens.ids[i], (float)part->weight);
    tokens_finish(&tokens);
    return f->out->count < PROMPT_CHUNKS_MAX;
}

static bool make_many(struct prompt_chunks *c, const struct tokenizer *t,
                      const struct prompt_text *text, enum tokenizer_rule rule, struct error *err)
{
    struct filler f = {.tokenizer = t, .out = c, .room = c->length - 2, .comma = -1};
    bool ok = true;
    f.ids = xcalloc((size_t)f.room + 1, sizeof *f.ids);
    f.weights = xcalloc((size_t)f.room + 1, sizeof *f.weights);
    for (int i = 0; ok && i < text->count; i++)
        ok = take_part(&f, &text->parts[i], rule);
    if (ok && (f.count > 0 || c->count == 0)) finish_chunk(&f);
    free(f.ids);
    free(f.weights);
    return ok ? true
              : error_set(err, ERROR_USAGE, "more than %d chunks of %d tokens", PROMPT_CHUNKS_MAX,
                          c->length - 2);
}

static void make_one(struct prompt_chunks *c, const struct tokenizer *t, const char *text,
                     enum tokenizer_rule rule)
{
    struct tokens tokens;
    const int room = c->length - 2;
    float *weights = xcalloc((size_t)room + 1, sizeof *weights);
    tokenizer_split(t, text, rule, &tokens);
    for (int i = 0; i < room; i++)
        weights[i] = 1;
    add_chunk(c, t, tokens.ids, weights, tokens.count < room ? tokens.count : room);
    if (tokens.count > room) c->dropped = xstrdup(tokens.text + tokens.places[room]);
    tokens_finish(&tokens);
    free(weights);
}

bool prompt_chunks_make(struct prompt_chunks *c, const struct tokenizer *t,
                        const struct prompt_text *text, enum prompt_syntax syntax,
                        enum tokenizer_rule rule, struct error *err)
{
    *c = (struct prompt_chunks){.length = tokenizer_length(t)};
    if (syntax == PROMPT_A1111) return make_many(c, t, text, rule, err);
    make_one(c, t, text->parts[0].text, rule);
    return true;
}

void prompt_chunks_extend(struct prompt_chunks *c, const struct tokenizer *t, int count)
{
    while (c->count < count)
        add_chunk(c, t, NULL, NULL, 0);
}

void prompt_chunks_finish(struct prompt_chunks *c)
{
    free(c->ids);
    free(c->weights);
    free(c->dropped);
    *c = (struct prompt_chunks){0};
}
