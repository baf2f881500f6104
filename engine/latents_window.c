/* From files of latents to the latents of a window. */
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "engine/latents.h"

/* A tensor of a file; caller frees. */
static float *load(const struct latents_file *f, const char *name, struct error *err)
{
    float *values = alloc_checked((size_t)f->count, sizeof *values, "latents", err);
    if (values == NULL || latents_read_floats(f->file, f->path, name, &f->facts, values, err))
        return values;
    free(values);
    return NULL;
}

static bool has_frame(const struct latents_file *f, int frame)
{
    return frame >= f->facts.first && frame - f->facts.first < f->facts.frames;
}

static size_t cells_of(const struct latents_window *w)
{
    return (size_t)w->height * (size_t)w->width;
}

/* The plane of a channel and a frame of the clip. */
static const float *plane_in(const struct latents_file *f, const float *values, int channel,
                             int frame)
{
    const size_t cells = (size_t)f->facts.height * (size_t)f->facts.width;
    return values +
           ((size_t)channel * (size_t)f->facts.frames + (size_t)(frame - f->facts.first)) * cells;
}

static float *plane_of(const struct latents_window *w, float *values, int channel, int frame)
{
    return values +
           ((size_t)channel * (size_t)w->frames + (size_t)(frame - w->first)) * cells_of(w);
}

/* ---- copying ---- */

static void copy_frame(const struct latents_file *f, const float *values,
                       const struct latents_window *w, int frame, float *out)
{
    for (int c = 0; c < w->channels; c++)
        memcpy(plane_of(w, out, c, frame), plane_in(f, values, c, frame),
               cells_of(w) * sizeof *out);
}

static bool miss(const struct latents_file *f, int frame, struct error *err)
{
    return error_set(err, ERROR_INVALID, "%s: latents of frames %d to %d, without %d", f->path,
                     f->facts.first, f->facts.first + f->facts.frames - 1, frame);
}

bool latents_take(const struct latents_file *f, const struct latents_window *w, int from, int count,
                  float *out, struct error *err)
{
    for (int frame = from; frame < from + count; frame++)
        if (!has_frame(f, frame)) return miss(f, frame, err);
    float *values = load(f, "latents", err);
    for (int frame = from; values != NULL && frame < from + count; frame++)
        copy_frame(f, values, w, frame, out);
    free(values);
    return values != NULL;
}

/* ---- averages ---- */

/* v0 + sum of w (v - v0) / sum of w: where every v is v0 nothing is rounded. */
struct average {
    const struct latents_window *window;
    float *out;     /* v0: what the first file says of a frame */
    float *changes; /* sum of w (v - v0); as out */
    float *weights; /* [frames]; 0: in no file so far */
};

static void add_frame(struct average *a, const struct latents_file *f, const float *values,
                      int frame)
{
    const size_t cells = cells_of(a->window);
    const float weight = plan_weight((uint32_t)(frame - f->facts.first), (uint32_t)f->facts.frames);
    float *sum = &a->weights[frame - a->window->first];
    for (int c = 0; *sum > 0 && c < a->window->channels; c++) {
        const float *said = plane_in(f, values, c, frame);
        const float *first = plane_of(a->window, a->out, c, frame);
        float *change = plane_of(a->window, a->changes, c, frame);
        for (size_t i = 0; i < cells; i++)
            change[i] += weight * (said[i] - first[i]);
    }
    if (*sum <= 0) copy_frame(f, values, a->window, frame, a->out);
    *sum += weight;
}

static bool add_file(struct average *a, const struct latents_file *f, const char *name,
                     struct error *err)
{
    float *values = load(f, name, err);
    for (int i = 0; values != NULL && i < a->window->frames; i++)
        if (has_frame(f, a->window->first + i)) add_frame(a, f, values, a->window->first + i);
    free(values);
    return values != NULL;
}

static bool divide(struct average *a, struct error *err)
{
    const size_t cells = cells_of(a->window);
    for (int i = 0; i < a->window->frames; i++) {
        if (a->weights[i] <= 0)
            return error_set(err, ERROR_INVALID, "none of the task's latents has frame %d",
                             a->window->first + i);
        for (int c = 0; c < a->window->channels; c++)
            for (size_t p = 0, at = (size_t)(c * a->window->frames + i) * cells; p < cells; p++)
                a->out[at + p] += a->changes[at + p] / a->weights[i];
    }
    return true;
}

bool latents_average(const struct latents_file *files, int count, const char *name,
                     const struct latents_window *window, float *out, struct error *err)
{
    const size_t size = (size_t)window->channels * (size_t)window->frames * cells_of(window);
    struct average a = {.window = window, .out = out};
    a.changes = alloc_checked(size, sizeof *a.changes, "latents", err);
    a.weights = xcalloc((size_t)window->frames, sizeof *a.weights);
    bool ok = a.changes != NULL;
    if (ok) memset(a.changes, 0, size * sizeof *a.changes);
    for (int i = 0; ok && i < count; i++)
        ok = add_file(&a, &files[i], name, err);
    ok = ok && divide(&a, err);
    free(a.changes);
    free(a.weights);
    return ok;
}

/* ---- fading ---- */

static void fade_frame(const struct latents_file *f, const float *values,
                       const struct latents_window *w, int frame, float share, float *out)
{
    const size_t cells = cells_of(w);
    for (int c = 0; c < w->channels; c++) {
        const float *to = plane_in(f, values, c, frame);
        float *from = plane_of(w, out, c, frame);
        for (size_t i = 0; i < cells; i++)
            from[i] += share * (to[i] - from[i]);
    }
}

static bool fade(const struct latents_file *before, const float *a,
                 const struct latents_file *after, const float *b, const struct latents_window *w,
                 float *out, struct error *err)
{
    const int begin = after->facts.first, end = before->facts.first + before->facts.frames;
    for (int frame = w->first; frame < w->first + w->frames; frame++) {
        const bool early = has_frame(before, frame), late = has_frame(after, frame);
        if (!early && !late) return miss(after, frame, err);
        if (early) copy_frame(before, a, w, frame, out);
        if (!early) copy_frame(after, b, w, frame, out);
        if (early && late)
            fade_frame(after, b, w, frame, (float)(frame - begin + 1) / (float)(end - begin + 1),
                       out);
    }
    return true;
}

bool latents_fade(const struct latents_file *before, const struct latents_file *after,
                  const struct latents_window *window, float *out, struct error *err)
{
    float *a = load(before, "latents", err);
    float *b = a != NULL ? load(after, "latents", err) : NULL;
    const bool ok = b != NULL && fade(before, a, after, b, window, out, err);
    free(a);
    free(b);
    return ok;
}
