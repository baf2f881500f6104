#include "engine/lora/lora_model.h"

#include "engine/model/family.h"

static bool add_part(struct lora_base *base, const struct model_folder *folder,
                     enum model_part part, struct error *err)
{
    const struct tensor_file *file = model_parts_tensors(folder->parts, part, err);
    if (file == NULL) return false;
    for (int i = 0; i < tensor_file_count(file); i++) {
        const struct tensor_entry *e = tensor_file_at(file, i);
        lora_base_add(base, part == PART_TEXT, e->name, e->rank, e->dim);
    }
    return true;
}

struct lora_base *lora_model_base(const struct model_folder *folder, struct error *err)
{
    if (!folder->family->takes_loras) {
        error_set(err, ERROR_USAGE, "loras: models of the family \"%s\" take none",
                  folder->family->name);
        return NULL;
    }
    struct lora_base *base = lora_base_new();
    if (add_part(base, folder, PART_UNET, err) && add_part(base, folder, PART_TEXT, err)) {
        lora_base_finish(base);
        return base;
    }
    lora_base_free(base);
    return NULL;
}
