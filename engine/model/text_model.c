#include "engine/model/text_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/table.h"
#include "base/xalloc.h"

/* A chunk's embedding; its key is everything it depends on. */
struct kept {
    void *key;
    size_t key_size;
    float *values;
    uint64_t used; /* when; larger is later */
};

struct text_model {
    struct tokenizer *tokenizer;
    struct text_encoder *encoder;
    struct table kept;
    uint64_t clock;
    int64_t runs;
};

struct text_model *text_model_new(struct tokenizer *tokenizer, struct text_encoder *encoder,
                                  const char *folder, struct error *err)
{
    struct text_model *m = xcalloc(1, sizeof *m);
    m->tokenizer = tokenizer;
    m->encoder = encoder;
    table_init(&m->kept);
    bool ok = tokenizer != NULL && encoder != NULL;
    if (ok && (tokenizer_length(tokenizer) > text_encoder_positions(encoder) ||
               tokenizer_vocabulary(tokenizer) > text_encoder_vocabulary(encoder)))
        ok = error_set(err, ERROR_INVALID,
                       "%s: the tokenizer makes ids that the encoder does not know", folder);
    if (ok) return m;
    text_model_close(m);
    return NULL;
}

static void forget(struct text_model *m, struct kept *k)
{
    table_remove(&m->kept, k->key, k->key_size);
    free(k->key);
    free(k->values);
    free(k);
}

void text_model_close(struct text_model *m)
{
    struct kept *k;
    if (m == NULL) return;
    for (size_t i = 0; (k = table_next(&m->kept, &i, NULL, NULL)) != NULL;)
        forget(m, k);
    table_finish(&m->kept);
    text_encoder_close(m->encoder);
    tokenizer_close(m->tokenizer);
    free(m);
}

const struct tokenizer *text_model_tokenizer(const struct text_model *m)
{
    return m->tokenizer;
}

int text_model_length(const struct text_model *m)
{
    return tokenizer_length(m->tokenizer);
}

int text_model_width(const struct text_model *m)
{
    return text_encoder_width(m->encoder);
}

int64_t text_model_runs(const struct text_model *m)
{
    return m->runs;
}

/* ---- weights ---- */

static double mean_of(const float *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)values[i];
    return sum / (double)count;
}

static void weigh(const struct text_model *m, const float *weights, float *values)
{
    const size_t length = (size_t)text_model_length(m), width = (size_t)text_model_width(m);
    const double before = mean_of(values, length * width);
    bool weighted = false;
    for (size_t i = 0; i < length; i++) {
        weighted = weighted || weights[i] != 1;
        for (size_t c = 0; weights[i] != 1 && c < width; c++)
            values[i * width + c] *= weights[i];
    }
    if (!weighted) return;
    const double factor = before / mean_of(values, length * width);
    if (!isfinite(factor)) return; /* a mean of nothing cannot be restored */
    for (size_t i = 0; i < length * width; i++)
        values[i] *= (float)factor;
}

/* ---- embeddings ---- */

static void make_room(struct text_model *m, size_t size_bytes)
{
    while (m->kept.count >= TEXT_MODEL_CHUNKS_MAX ||
           (m->kept.count > 0 && (m->kept.count + 1) * size_bytes > TEXT_MODEL_BYTES_MAX)) {
        struct kept *oldest = NULL, *k;
        for (size_t i = 0; (k = table_next(&m->kept, &i, NULL, NULL)) != NULL;)
            if (oldest == NULL || k->used < oldest->used) oldest = k;
        forget(m, oldest);
    }
}

static struct kept *keep(struct text_model *m, const struct buf *key, const float *values,
                         size_t size_bytes)
{
    struct kept *k = xcalloc(1, sizeof *k);
    make_room(m, size_bytes);
    k->key = xmalloc(key->size);
    k->key_size = key->size;
    memcpy(k->key, key->data, key->size);
    k->values = xmalloc(size_bytes);
    memcpy(k->values, values, size_bytes);
    table_set(&m->kept, k->key, k->key_size, k);
    return k;
}

static bool embed_chunk(struct text_model *m, const int32_t *ids, const float *weights,
                        int clip_skip, float *out, struct error *err)
{
    const size_t length = (size_t)text_model_length(m);
    const size_t size_bytes = length * (size_t)text_model_width(m) * sizeof *out;
    struct buf key = BUF_INIT;
    buf_append(&key, ids, length * sizeof *ids);
    buf_append(&key, weights, length * sizeof *weights);
    buf_append(&key, &clip_skip, sizeof clip_skip);
    struct kept *k = table_get(&m->kept, key.data, key.size);
    bool ok = k != NULL;
    if (ok) {
        memcpy(out, k->values, size_bytes);
    } else {
        ok = text_encoder_run(m->encoder, ids, 1, (int)length, clip_skip, out, err);
        m->runs++;
        if (ok) {
            weigh(m, weights, out);
            k = keep(m, &key, out, size_bytes);
        }
    }
    if (ok) k->used = ++m->clock;
    buf_finish(&key);
    return ok;
}

bool text_model_embed(struct text_model *m, const struct prompt_chunks *chunks, int clip_skip,
                      float *out, struct error *err)
{
    const size_t length = (size_t)text_model_length(m), width = (size_t)text_model_width(m);
    bool ok = true;
    ZOE_ASSERT(chunks->length == text_model_length(m));
    for (size_t i = 0; ok && i < (size_t)chunks->count; i++)
        ok = embed_chunk(m, chunks->ids + i * length, chunks->weights + i * length, clip_skip,
                         out + i * length * width, err);
    return ok;
}
