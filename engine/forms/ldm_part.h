/* ldm_part: one part of a model in the older naming: where it lies in which file, its view and its
 * config, made together on first use. */
#ifndef ZOE_ENGINE_FORMS_LDM_PART_H
#define ZOE_ENGINE_FORMS_LDM_PART_H

#include "engine/folder/model_parts.h"
#include "engine/forms/ldm.h"

struct ldm_part {
    struct name_map *map; /* NULL: names only lose their prefix */
    json_t *config;       /* NULL: not read yet */
    const char *prefix;
    const struct tensor_file *file; /* borrowed */
};

/* Finds the part in `file`, which outlives it. ERROR_NOT_FOUND naming part and file. */
bool ldm_part_read(struct ldm_part *p, enum model_part part, const struct tensor_file *file,
                   struct error *err);
void ldm_part_finish(struct ldm_part *p);

struct tensor_file *ldm_part_view(const struct ldm_part *p, struct error *err);

#endif
