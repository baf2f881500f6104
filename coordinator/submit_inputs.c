#include "coordinator/submit_inputs.h"

#include <string.h>

#include "base/recipe.h"

static struct submit_input_file *find(struct submit_result *r, const struct digest *sha256)
{
    for (uint32_t i = 0; i < r->input_count; i++)
        if (digest_equal(&r->inputs[i].sha256, sha256)) return &r->inputs[i];
    return NULL;
}

bool submit_inputs_take(struct submit_result *r, const char *field, const json_t *value,
                        struct error *err)
{
    struct digest sha256;
    if (!recipe_is_file(field)) return true;
    if (!recipe_file_digest(json_string_value(value), &sha256))
        return error_set(err, ERROR_INVALID,
                         "a file is named by \"sha256:\" and its 64 digits here; `zoe` sends files "
                         "and puts their digests in");
    struct submit_input_file *file = find(r, &sha256);
    if (file == NULL && r->input_count == LIMIT_INPUTS)
        return error_set(err, ERROR_INVALID, "more than %d files in one batch: split it",
                         LIMIT_INPUTS);
    if (file == NULL) file = &r->inputs[r->input_count++];
    file->sha256 = sha256;
    file->is_image |= strcmp(field, "init_image") == 0;
    return true;
}
