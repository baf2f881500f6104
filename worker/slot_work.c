#include "worker/slot_work.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

static const char *const output_names[SLOT_OUTPUT_KINDS] = {
    [SLOT_SEGMENT] = "segment",
    [SLOT_LATENTS] = "latents",
    [SLOT_REPORT] = "report",
    [SLOT_FRAMES] = "frames",
};

const char *slot_output_name(enum slot_output_kind kind)
{
    return output_names[kind];
}

bool slot_output_find(const char *name, enum slot_output_kind *out)
{
    for (int i = 0; i < SLOT_OUTPUT_KINDS; i++) {
        if (strcmp(output_names[i], name) != 0) continue;
        *out = (enum slot_output_kind)i;
        return true;
    }
    return false;
}

bool slot_output_has_frames(enum slot_output_kind kind)
{
    return kind != SLOT_LATENTS;
}

void slot_work_free(struct slot_work *work)
{
    if (!work) return;
    free(work->recipe);
    for (size_t i = 0; i < work->part_count; i++)
        free(work->parts[i].path);
    free(work);
}

struct slot_part *slot_work_add(struct slot_work *work, enum slot_part_kind kind,
                                const struct digest *digest)
{
    ZOE_ASSERT(work->part_count < SLOT_PARTS_MAX);
    struct slot_part *part = &work->parts[work->part_count++];
    *part = (struct slot_part){.kind = kind, .digest = *digest};
    return part;
}

bool slot_work_is_complete(const struct slot_work *work)
{
    for (size_t i = 0; i < work->part_count; i++)
        if (!work->parts[i].path && !work->parts[i].given_up) return false;
    return true;
}

const struct slot_part *slot_work_next(const struct slot_work *work, enum slot_part_kind kind,
                                       size_t *at)
{
    while (*at < work->part_count) {
        const struct slot_part *part = &work->parts[(*at)++];
        if (part->kind == kind && part->path) return part;
    }
    return NULL;
}

const char *slot_work_path(const struct slot_work *work, enum slot_part_kind kind)
{
    size_t at = 0;
    const struct slot_part *part = slot_work_next(work, kind, &at);
    return part ? part->path : NULL;
}
