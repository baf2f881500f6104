#include "engine/lora/lora_model.h"

#include <stdlib.h>

#include "base/path.h"
#include "engine/model/family.h"

static bool add_file(struct lora_base *base, const char *path, bool text, struct error *err)
{
    struct safetensors *file = safetensors_open(path, err);
    if (file == NULL) return false;
    for (int i = 0; i < safetensors_count(file); i++) {
        const struct safetensors_entry *e = safetensors_at(file, i);
        lora_base_add(base, text, e->name, e->rank, e->dim);
    }
    safetensors_close(file);
    return true;
}

static bool add_part(struct lora_base *base, const struct model_folder *folder,
                     const char *const *candidates, bool text, struct error *err)
{
    for (; *candidates != NULL; candidates++) {
        char *path = path_join(folder->path, *candidates);
        const bool there = path_exists(path), ok = there && add_file(base, path, text, err);
        free(path);
        if (there) return ok;
    }
    return error_set(err, ERROR_NOT_FOUND, "%s: the weights of its %s are missing", folder->path,
                     text ? "text encoder" : "UNet");
}

struct lora_base *lora_model_base(const struct model_folder *folder, struct error *err)
{
    static const char *const unet[] = {"unet/diffusion_pytorch_model.safetensors",
                                       "unet/diffusion_pytorch_model.fp16.safetensors", NULL};
    static const char *const text[] = {"text_encoder/model.safetensors",
                                       "text_encoder/model.fp16.safetensors", NULL};
    if (!folder->family->takes_loras) {
        error_set(err, ERROR_USAGE, "loras: models of the family \"%s\" take none",
                  folder->family->name);
        return NULL;
    }
    struct lora_base *base = lora_base_new();
    if (add_part(base, folder, unet, false, err) && add_part(base, folder, text, true, err)) {
        lora_base_finish(base);
        return base;
    }
    lora_base_free(base);
    return NULL;
}
