#include "engine/model/script.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

/* ---- reading ---- */

static bool read_key(struct script *s, const struct text_model *m, const struct request_text *how,
                     int frame, const char *text, int steps, struct error *err)
{
    struct script_key *key = &s->keys[s->key_count++];
    key->frame = frame;
    if (!prompt_parse(&key->prompt, text, how->syntax, steps, err)) return false;
    key->chunks = xcalloc((size_t)key->prompt.text_count, sizeof *key->chunks);
    for (int i = 0; i < key->prompt.text_count; i++)
        if (!prompt_chunks_make(&key->chunks[i], text_model_tokenizer(m), &key->prompt.texts[i],
                                how->syntax, how->rule, err))
            return false;
    return true;
}

/* The keys that a span hears: from the last one before it to the first one behind it. */
struct range {
    int from, to;
};

static struct range heard_keys(const json_t *by_frame, const struct script_span *span)
{
    const int last = span->first + span->frames - 1;
    struct range range = {INT_MIN, INT_MAX};
    const char *frame;
    json_t *text, *walked = (json_t *)(uintptr_t)by_frame; /* jansson's loop wants it so */
    if (span->whole) return range;
    json_object_foreach(walked, frame, text)
    {
        const int key = atoi(frame);
        if (key <= span->first && key > range.from) range.from = key;
        if (key >= last && key < range.to) range.to = key;
    }
    return range;
}

static bool is_heard(const struct range *range, const char *frame)
{
    return atoi(frame) >= range->from && atoi(frame) <= range->to;
}

static bool all_same(const json_t *by_frame, const struct range *range)
{
    const json_t *first = NULL;
    const char *frame;
    json_t *text, *walked = (json_t *)(uintptr_t)by_frame;
    json_object_foreach(walked, frame, text)
    {
        if (!is_heard(range, frame)) continue;
        if (first == NULL) first = text;
        if (strcmp(json_string_value(first), json_string_value(text)) != 0) return false;
    }
    return true;
}

static int by_frame_order(const void *a, const void *b)
{
    return ((const struct script_key *)a)->frame - ((const struct script_key *)b)->frame;
}

static bool read_frames(struct script *s, const struct text_model *m,
                        const struct request_text *how, const json_t *by_frame,
                        const struct script_span *span, int steps, struct error *err)
{
    const struct range range = heard_keys(by_frame, span);
    const bool constant = all_same(by_frame, &range);
    const char *frame;
    json_t *text, *walked = (json_t *)(uintptr_t)by_frame;
    json_object_foreach(walked, frame, text)
    {
        if (!is_heard(&range, frame)) continue;
        if (!read_key(s, m, how, atoi(frame), json_string_value(text), steps, err)) return false;
        if (constant) break;
    }
    qsort(s->keys, (size_t)s->key_count, sizeof *s->keys, by_frame_order);
    return true;
}

bool script_read(struct script *s, const struct text_model *m, const struct request_text *how,
                 const char *text, const json_t *by_frame, const struct script_span *span,
                 int steps, struct error *err)
{
    *s = (struct script){.clip_skip = how->clip_skip};
    s->keys = xcalloc(json_object_size(by_frame) + 1, sizeof *s->keys);
    return json_object_size(by_frame) > 0 ? read_frames(s, m, how, by_frame, span, steps, err)
                                          : read_key(s, m, how, 0, text, steps, err);
}

void script_finish(struct script *s)
{
    for (int k = 0; k < s->key_count; k++) {
        struct script_key *key = &s->keys[k];
        for (int i = 0; key->chunks != NULL && i < key->prompt.text_count; i++)
            prompt_chunks_finish(&key->chunks[i]);
        free(key->chunks);
        prompt_finish(&key->prompt);
    }
    free(s->keys);
    *s = (struct script){0};
}

/* ---- chunks ---- */

int script_chunks(const struct script *s)
{
    int most = 1;
    for (int k = 0; k < s->key_count; k++)
        for (int i = 0; i < s->keys[k].prompt.text_count; i++)
            if (s->keys[k].chunks[i].count > most) most = s->keys[k].chunks[i].count;
    return most;
}

void script_extend(struct script *s, const struct text_model *m, int chunks)
{
    for (int k = 0; k < s->key_count; k++)
        for (int i = 0; i < s->keys[k].prompt.text_count; i++)
            prompt_chunks_extend(&s->keys[k].chunks[i], text_model_tokenizer(m), chunks);
}

const char *script_dropped(const struct script *s, int index)
{
    for (int k = 0; k < s->key_count; k++)
        for (int i = 0; i < s->keys[k].prompt.text_count; i++)
            if (s->keys[k].chunks[i].dropped != NULL && index-- == 0)
                return s->keys[k].chunks[i].dropped;
    return NULL;
}

/* ---- steps ---- */

void script_sign(const struct script *s, int step, int *out)
{
    for (int k = 0; k < s->key_count; k++)
        out[k] = s->keys[k].prompt.text_at[step];
}

static const struct prompt_chunks *heard(const struct script_key *key, int step)
{
    return &key->chunks[key->prompt.text_at[step]];
}

const struct prompt_chunks *script_first(const struct script *s, int step)
{
    return heard(&s->keys[0], step);
}

/* out = a + share (b - a), and a itself where the share is 0. */
static void blend(const float *a, const float *b, float share, size_t count, float *out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = share == 0 ? a[i] : (1 - share) * a[i] + share * b[i];
}

static void blend_frames(const struct script *s, const float *keys, size_t count, int first,
                         int frames, float *out)
{
    for (int f = first, k = 0; f < first + frames; f++) {
        while (k + 1 < s->key_count && s->keys[k + 1].frame <= f)
            k++;
        const bool between = k + 1 < s->key_count && f > s->keys[k].frame;
        const int next = between ? k + 1 : k, gap = s->keys[next].frame - s->keys[k].frame;
        const float share = between ? (float)(f - s->keys[k].frame) / (float)gap : 0;
        blend(keys + (size_t)k * count, keys + (size_t)next * count, share, count,
              out + (size_t)(f - first) * count);
    }
}

bool script_embed(const struct script *s, struct text_model *m, int step, int first, int frames,
                  float *out, struct error *err)
{
    const size_t tokens = (size_t)script_first(s, step)->count * (size_t)text_model_length(m);
    const size_t count = tokens * (size_t)text_model_width(m);
    float *keys = alloc_checked((size_t)s->key_count * count, sizeof *keys, "embeddings", err);
    bool ok = keys != NULL;
    for (int k = 0; ok && k < s->key_count; k++)
        ok = text_model_embed(m, heard(&s->keys[k], step), s->clip_skip, keys + (size_t)k * count,
                              err);
    if (ok) blend_frames(s, keys, count, first, frames, out);
    free(keys);
    return ok;
}
