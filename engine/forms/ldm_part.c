#include "engine/forms/ldm_part.h"

#include <stddef.h>
#include <string.h>

/* Where each kind of network may stand in a file, and the tensor that shows that it does. */
static const char *const unet_prefixes[] = {"model.diffusion_model.", "", "module.",
                                            "diffusion_model.", NULL};
static const char *const vae_prefixes[] = {"first_stage_model.", "model.first_stage_model.", "",
                                           NULL};
static const char *const open_clip_prefixes[] = {"cond_stage_model.model.", "", "module.", NULL};
static const char *const clip_prefixes[] = {"cond_stage_model.transformer.", "cond_stage_model.",
                                            "", NULL};

/* transformers' names need no map. */
static json_t *read_clip(const struct tensor_file *file, const char *prefix, struct name_map *map,
                         struct error *err)
{
    (void)map;
    return ldm_clip(file, prefix, err);
}

static const struct {
    enum model_part part;
    const char *const *prefixes;
    const char *probe;
    bool mapped;
    json_t *(*read)(const struct tensor_file *file, const char *prefix, struct name_map *map,
                    struct error *err);
} kinds[] = {
    {PART_UNET, unet_prefixes, "input_blocks.0.0.weight", true, ldm_unet},
    {PART_VAE, vae_prefixes, "decoder.conv_in.weight", true, ldm_vae},
    {PART_TEXT, open_clip_prefixes, "positional_embedding", true, ldm_open_clip},
    {PART_TEXT, clip_prefixes, "text_model.embeddings.token_embedding.weight", false, read_clip},
};

bool ldm_part_read(struct ldm_part *p, enum model_part part, const struct tensor_file *file,
                   struct error *err)
{
    memset(p, 0, sizeof *p);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (kinds[i].part != part) continue;
        p->prefix = name_map_prefix(file, kinds[i].prefixes, kinds[i].probe);
        if (p->prefix == NULL) continue;
        p->file = file;
        p->map = kinds[i].mapped ? name_map_new() : NULL;
        p->config = kinds[i].read(file, p->prefix, p->map, err);
        if (p->config != NULL) return true;
        ldm_part_finish(p);
        return false;
    }
    return error_set(err, ERROR_NOT_FOUND, "%s holds no %s: nothing in it is named like one",
                     tensor_file_path(file), model_part_name(part));
}

void ldm_part_finish(struct ldm_part *p)
{
    json_decref(p->config);
    name_map_free(p->map);
    memset(p, 0, sizeof *p);
}

struct tensor_file *ldm_part_view(const struct ldm_part *p, struct error *err)
{
    return name_map_view(p->map, p->file, p->prefix, err);
}
