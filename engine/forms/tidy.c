#include "engine/forms/tidy.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

/* Left by torch's wrappers and by files cut out of larger ones. */
static const char *const prefixes[] = {"module.", "model.diffusion_model.", "first_stage_model."};

/* Within the names of a part; the first that is found is replaced. */
static const struct {
    enum model_part part;
    const char *old, *now;
} names[] = {
    {PART_VAE, ".attentions.0.query.", ".attentions.0.to_q."},
    {PART_VAE, ".attentions.0.key.", ".attentions.0.to_k."},
    {PART_VAE, ".attentions.0.value.", ".attentions.0.to_v."},
    {PART_VAE, ".attentions.0.proj_attn.", ".attentions.0.to_out.0."},
};

/* Members of a text encoder that was saved without its outer module. */
static const char *const bare_text[] = {"embeddings.", "encoder.layers.", "final_layer_norm."};

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static const char *without_prefix(const char *name)
{
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (starts_with(name, prefixes[i])) return name + strlen(prefixes[i]);
    return name;
}

static char *tidy_name(const char *name, enum model_part part)
{
    name = without_prefix(name);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *at = strstr(name, names[i].old);
        if (names[i].part == part && at != NULL)
            return xasprintf("%.*s%s%s", (int)(at - name), name, names[i].now,
                             at + strlen(names[i].old));
    }
    for (size_t i = 0; part == PART_TEXT && i < sizeof bare_text / sizeof bare_text[0]; i++)
        if (starts_with(name, bare_text[i])) return xasprintf("text_model.%s", name);
    return xstrdup(name);
}

static void close_file(void *object)
{
    tensor_file_close(object);
}

struct tensor_file *tidy_names(struct tensor_file *file, enum model_part part)
{
    struct tensor_file *view = tensor_file_new(tensor_file_path(file));
    bool changed = false, unique = true;
    for (int i = 0; i < tensor_file_count(file); i++) {
        struct tensor_entry e = *tensor_file_at(file, i);
        char *name = tidy_name(e.name, part);
        changed = changed || strcmp(name, e.name) != 0;
        e.name = name;
        unique = tensor_file_add(view, &e) && unique;
        free(name);
    }
    /* Names that fall together stay as they are: they are reported as left over. */
    if (!changed || !unique) {
        tensor_file_close(view);
        return file;
    }
    tensor_file_keep(view, file, close_file);
    return view;
}
