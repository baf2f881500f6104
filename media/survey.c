/* One pass over raw pictures. */
#include "media/survey.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

bool survey_init(struct survey *s, const struct frames_shape *shape, struct error *err)
{
    memset(s, 0, sizeof(*s));
    s->picture_bytes = frames_size_bytes(shape);
    s->first = alloc_checked(s->picture_bytes, 1, "the first picture", err);
    if (s->first == NULL) return false;
    s->still = true;
    digest_begin(&s->digest);
    return true;
}

static int brightest(const uint8_t *rgb, size_t size_bytes)
{
    int best = 0; /* times 10000 */
    for (size_t i = 0; i + 2 < size_bytes; i += 3) {
        int luma = 2126 * rgb[i] + 7152 * rgb[i + 1] + 722 * rgb[i + 2];
        if (luma > best) best = luma;
    }
    return (best + 5000) / 10000;
}

void survey_add(struct survey *s, const uint8_t *rgb)
{
    digest_update(&s->digest, rgb, s->picture_bytes);
    int luma = brightest(rgb, s->picture_bytes);
    if (luma > s->luma_max) s->luma_max = luma;
    if (s->count == 0) {
        memcpy(s->first, rgb, s->picture_bytes);
    } else if (s->still) {
        s->still = memcmp(s->first, rgb, s->picture_bytes) == 0;
    }
    s->count++;
}

static const char *suspicion(const struct survey *s)
{
    if (s->count == 0) return "";
    if (s->luma_max <= SURVEY_BLACK_LUMA) return "black";
    return s->still && s->count > 1 ? "still" : "";
}

struct survey_result survey_end(struct survey *s)
{
    return (struct survey_result){
        .count = s->count,
        .frames_sha256 = digest_end(&s->digest),
        .luma_max = s->luma_max,
        .suspect = suspicion(s),
    };
}

void survey_finish(struct survey *s)
{
    free(s->first);
    s->first = NULL;
}
