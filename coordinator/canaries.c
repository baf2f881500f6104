#include "coordinator/canaries.h"

#include <string.h>

#include "coordinator/shell.h"
#include "proto/codec.h"

#define BLACK_LUMA 2 /* as of results (T3) */

void canaries_tell(struct coordinator *c, struct farm *farm)
{
    struct model_list *list = models_list(c->models);
    for (size_t i = 0; i < list->count; i++) {
        const struct model *m = list->models[i];
        if (m->canary.recipe != NULL) farm_model_canary(farm, &m->digest, m->name);
    }
    model_list_unref(list);
}

/* ---- answers ---- */

/* What is larger is known by its digest only. */
static bool rides_along(const struct canary_file *c)
{
    return c->frames == 1 && c->width <= CANARY_SIDE && c->height <= CANARY_SIDE;
}

static bool is_black(struct bytes rgb)
{
    for (size_t i = 0; i + 2 < rgb.size; i += 3) {
        int luma = 2126 * rgb.data[i] + 7152 * rgb.data[i + 1] + 722 * rgb.data[i + 2];
        if (luma >= (BLACK_LUMA + 1) * 10000) return false;
    }
    return true;
}

/* NULL: it could be right. */
static const char *fault_of(const struct canary_file *c, const Farm__CanaryDone *m,
                            const struct digest *frames)
{
    const struct bytes rgb = {m->frames.data, m->frames.len};
    if (m->frames_sha256.len == 0) return m->message[0] != '\0' ? m->message : "it failed";
    if (c == NULL || !rides_along(c)) return NULL;
    if (m->width != c->width || m->height != c->height) return "its frame has another size";
    const struct digest seen = digest_of(rgb.data, rgb.size);
    if (!digest_equal(&seen, frames)) return "its frame is not what it says";
    return is_black(rgb) ? "its frame is black" : NULL;
}

/* What cannot be right is wrong wherever anything is known. */
static enum canary_verdict judge(const struct canary_file *c, const char *fingerprint,
                                 const struct digest *frames, struct bytes rgb)
{
    if (c == NULL) return CANARY_UNKNOWN;
    enum canary_verdict verdict = canary_file_judge(c, fingerprint, frames);
    return verdict != CANARY_UNKNOWN ? verdict : canary_file_compare(c, rgb);
}

void canaries_hear(struct coordinator *c, uint64_t session, const struct canary_out *out,
                   const Farm__CanaryDone *answer, int64_t now_ns)
{
    static const struct digest none = {{0}};
    const struct model *model = models_find_digest(c->models, &out->model);
    const struct canary_file *file = model != NULL ? &model->canary : NULL;
    struct bytes rgb = {answer->frames.data, answer->frames.len};
    struct digest frames;
    (void)codec_digest_get(&answer->frames_sha256, &frames);
    struct farm_model_frame frame = {.number = answer->number,
                                     .message = fault_of(file, answer, &frames)};
    const bool sound = frame.message == NULL;
    if (sound) frame.frames_sha256 = &frames;
    if (!sound) rgb.size = 0;
    frame.said = judge(file, out->fingerprint, sound ? &frames : &none, rgb);
    farm_model_canary_done(c->farm, session, &frame, now_ns);
}
