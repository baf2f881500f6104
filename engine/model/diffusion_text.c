/* What the prompts of a job say to the network. A step hears one version of them: what the
 * schedules in the prompts say at that step. Keys and values of a version are computed when a step
 * first hears it, and kept while there is room. */
#include "engine/model/diffusion_job.h"

#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "base/xalloc.h"
#include "engine/model/script.h"

#define DROPPED_SHOWN_BYTES 200
#define KNOWN_MAX 4 /* alternating prompts come back; long schedules do not */

struct known {
    void *condition;   /* NULL: free */
    int version, turn; /* turn: 0 when the text is the same for all frames */
    bool guided;
    int used; /* number of uses before the last one */
};

struct conditioning {
    int rows, tokens, frames; /* frames: 1 when the prompts are the same for all */
    struct script *scripts;   /* [rows]: negative of each request, then prompt of each */
    int *versions;            /* [steps] */
    int uses;
    struct known known[KNOWN_MAX];
    int32_t *ids;      /* of the first step and frame, [rows][tokens] */
    float *embeddings; /* of the first step, [rows][frames][tokens][channels] */
};

/* ---- reading ---- */

/* Bytes of `text` that are shown: whole characters. */
static int shown(const char *text)
{
    size_t size = strlen(text) < DROPPED_SHOWN_BYTES ? strlen(text) : DROPPED_SHOWN_BYTES;
    while (((unsigned char)text[size] & 0xc0) == 0x80)
        size--;
    return (int)size;
}

static void warn_dropped(struct family_job *j, const struct script *s, const char *field)
{
    const char *dropped;
    for (int i = 0; (dropped = script_dropped(s, i)) != NULL; i++)
        diffusion_warn(j, "%s: only %d tokens fit; dropped: \"%.*s\"", field,
                       text_model_length(j->model->text) - 2, shown(dropped), dropped);
}

/* diffusers hears the negative prompt with all layers whatever clip_skip says, A1111 skips for
 * both; each syntax does as the program it comes from. */
static struct request_text negative_text(const struct request_text *how)
{
    struct request_text text = *how;
    if (how->syntax == PROMPT_PLAIN) text.clip_skip = 0;
    return text;
}

/* All texts of a request get the length of its longest: an empty negative prompt cannot be shorter
 * than the prompt. Never the length of another request, which must not change this one. */
static bool read_request(struct family_job *j, struct script *negative, struct script *prompt,
                         const struct request *r, struct error *err)
{
    const struct text_model *m = j->model->text;
    const struct request_text how = negative_text(&r->text);
    const struct script_span span = {r->window.first, r->window.frames,
                                     r->window.frames == r->window.clip_frames};
    if (negative != NULL &&
        !script_read(negative, m, &how, r->negative, NULL, &span, j->steps, err))
        return error_wrap(err, "negative_prompt");
    if (!script_read(prompt, m, &r->text, r->prompt, r->text.by_frame, &span, j->steps, err))
        return error_wrap(err, r->text.by_frame != NULL ? "prompts_by_frame" : "prompt");
    int chunks = script_chunks(prompt);
    if (negative != NULL && script_chunks(negative) > chunks) chunks = script_chunks(negative);
    script_extend(prompt, m, chunks);
    if (negative != NULL) script_extend(negative, m, chunks);
    if (negative != NULL) warn_dropped(j, negative, "negative_prompt");
    warn_dropped(j, prompt, r->text.by_frame != NULL ? "prompts_by_frame" : "prompt");
    return true;
}

static bool read_requests(struct family_job *j, const struct request *requests, struct error *err)
{
    struct conditioning *c = j->conditioning;
    const int prompts = j->rows - j->count;
    for (int i = 0; i < j->count; i++) {
        struct script *prompt = &c->scripts[prompts + i];
        if (!read_request(j, prompts > 0 ? &c->scripts[i] : NULL, prompt, &requests[i], err))
            return false;
        if (script_chunks(prompt) != script_chunks(&c->scripts[prompts]))
            return error_set(err, ERROR_USAGE,
                             "requests of one job must agree in the number of chunks of their "
                             "prompts");
        if (prompt->key_count > 1) c->frames = j->size.frames;
    }
    c->tokens = script_chunks(&c->scripts[prompts]) * text_model_length(j->model->text);
    return true;
}

/* Steps that hear the same have the same version. */
static void number_versions(struct family_job *j)
{
    struct conditioning *c = j->conditioning;
    struct table seen;
    size_t count = 0, at;
    int versions = 0;
    for (int i = 0; i < c->rows; i++)
        count += (size_t)c->scripts[i].key_count;
    int *signature = xcalloc(count, sizeof *signature);
    table_init(&seen);
    for (int step = 0; step < j->steps; step++) {
        at = 0;
        for (int i = 0; i < c->rows; at += (size_t)c->scripts[i++].key_count)
            script_sign(&c->scripts[i], step, signature + at);
        const void *known = table_get(&seen, signature, count * sizeof *signature);
        c->versions[step] = known != NULL ? (int)(intptr_t)known - 1 : versions++;
        table_set(&seen, signature, count * sizeof *signature,
                  (void *)(intptr_t)(c->versions[step] + 1));
    }
    table_finish(&seen);
    free(signature);
}

/* ---- conditions ---- */

/* From frame `turn` on, then from frame 0 on. */
static void turn_frames(float *values, size_t frame, int frames, int turn)
{
    const size_t head = (size_t)turn * frame, tail = (size_t)frames * frame - head;
    float *kept = xmalloc(head * sizeof *kept + 1);
    memcpy(kept, values, head * sizeof *kept);
    memmove(values, values + head, tail * sizeof *values);
    memcpy(values + tail, kept, head * sizeof *kept);
    free(kept);
}

/* Embeddings of rows `first` and later at a step. Caller frees. */
static float *embed_rows(struct family_job *j, int step, int first, int turn, struct error *err)
{
    struct conditioning *c = j->conditioning;
    struct text_model *m = j->model->text;
    size_t row = (size_t)text_model_width(m), all;
    float *out = NULL;
    if (size_mul(row, (size_t)c->tokens, &row) && size_mul(row, (size_t)c->frames, &row) &&
        size_mul(row, (size_t)(c->rows - first), &all))
        out = alloc_checked(all, sizeof *out, "embeddings", err);
    else
        error_set(err, ERROR_NO_MEMORY, "embeddings of this many frames do not fit");
    for (int i = first; out != NULL && i < c->rows; i++) {
        float *values = out + (size_t)(i - first) * row;
        if (script_embed(&c->scripts[i], m, step, j->first_frame, c->frames, values, err)) {
            turn_frames(values, row / (size_t)c->frames, c->frames, turn);
            continue;
        }
        free(out);
        out = NULL;
    }
    return out;
}

static void *make_condition(struct family_job *j, const float *embeddings, int rows,
                            struct error *err)
{
    const struct conditioning *c = j->conditioning;
    struct diffusion_model *m = j->model;
    const struct diffusion_texts texts = {rows, c->frames, c->tokens, embeddings};
    void *condition = m->condition(m, &texts, err);
    if (condition == NULL || m->plan(m, &j->size, condition, err)) return condition;
    m->condition_free(m, condition);
    return NULL;
}

/* A free place, or that of the one not used for longest. */
static struct known *make_place(struct family_job *j)
{
    struct conditioning *c = j->conditioning;
    struct known *place = &c->known[0];
    for (int i = 0; i < KNOWN_MAX && place->condition != NULL; i++)
        if (c->known[i].condition == NULL || c->known[i].used < place->used) place = &c->known[i];
    if (place->condition != NULL) j->model->condition_free(j->model, place->condition);
    *place = (struct known){0};
    return place;
}

static struct known *add_known(struct family_job *j, int step, int turn, bool guided,
                               struct error *err)
{
    struct conditioning *c = j->conditioning;
    const int first = guided ? 0 : j->rows - j->count;
    struct known *k = make_place(j);
    float *embeddings = embed_rows(j, step, first, turn, err);
    if (embeddings != NULL) k->condition = make_condition(j, embeddings, c->rows - first, err);
    k->version = c->versions[step];
    k->turn = turn;
    k->guided = guided;
    free(embeddings);
    return k->condition != NULL ? k : NULL;
}

/* Steps without guidance want the prompts alone: the second half of the rows. */
const void *diffusion_text_at(struct family_job *j, int index, int turn, struct error *err)
{
    struct conditioning *c = j->conditioning;
    const bool guided = j->rows == j->count || diffusion_guided_at(j, index);
    struct known *known = NULL;
    if (c->frames == 1) turn = 0;
    for (int i = 0; i < KNOWN_MAX; i++)
        if (c->known[i].condition != NULL && c->known[i].version == c->versions[index] &&
            c->known[i].guided == guided && c->known[i].turn == turn)
            known = &c->known[i];
    if (known == NULL) known = add_known(j, index, turn, guided, err);
    if (known == NULL) return NULL;
    known->used = ++c->uses;
    return known->condition;
}

/* ---- begin and end ---- */

/* A job without evaluations hears the last. */
static int first_heard(const struct family_job *j)
{
    return j->walk.from < j->steps ? j->walk.from : j->steps - 1;
}

static void keep_ids(struct family_job *j)
{
    struct conditioning *c = j->conditioning;
    const size_t tokens = (size_t)c->tokens;
    c->ids = xcalloc((size_t)c->rows * tokens, sizeof *c->ids);
    for (size_t i = 0; i < (size_t)c->rows; i++)
        memcpy(c->ids + i * tokens, script_first(&c->scripts[i], first_heard(j))->ids,
               tokens * sizeof *c->ids);
}

/* The first step's condition is made here, of all rows: whatever cannot work fails before the
 * first step, and the plan covers the largest batch. */
static bool begin_first(struct family_job *j, struct error *err)
{
    struct conditioning *c = j->conditioning;
    c->embeddings = embed_rows(j, first_heard(j), 0, 0, err);
    if (c->embeddings == NULL) return false;
    keep_ids(j);
    c->known[0] = (struct known){.condition = make_condition(j, c->embeddings, c->rows, err),
                                 .version = c->versions[first_heard(j)],
                                 .guided = true};
    return c->known[0].condition != NULL;
}

bool diffusion_text_begin(struct family_job *j, const struct request *requests, struct error *err)
{
    struct conditioning *c = xcalloc(1, sizeof *c);
    j->conditioning = c;
    c->rows = j->rows;
    c->frames = 1;
    c->scripts = xcalloc((size_t)c->rows, sizeof *c->scripts);
    c->versions = xcalloc((size_t)j->steps, sizeof *c->versions);
    if (!read_requests(j, requests, err)) return false;
    number_versions(j);
    return begin_first(j, err);
}

void diffusion_text_end(struct family_job *j)
{
    struct conditioning *c = j->conditioning;
    if (c == NULL) return;
    for (int i = 0; i < KNOWN_MAX; i++)
        if (c->known[i].condition != NULL)
            j->model->condition_free(j->model, c->known[i].condition);
    for (int i = 0; i < c->rows; i++)
        script_finish(&c->scripts[i]);
    free(c->scripts);
    free(c->versions);
    free(c->ids);
    free(c->embeddings);
    free(c);
}

bool diffusion_job_text(const struct family_job *j, struct engine_text *out)
{
    const struct conditioning *c = j->conditioning;
    if (j->count != 1) return false;
    *out = (struct engine_text){.rows = c->rows,
                                .frames = c->frames,
                                .tokens = c->tokens,
                                .channels = text_model_width(j->model->text),
                                .ids = c->ids,
                                .embedding = c->embeddings,
                                .encoded = text_model_runs(j->model->text)};
    return true;
}
