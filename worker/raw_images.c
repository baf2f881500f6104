#include "worker/raw_images.h"

#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/recipe.h"
#include "base/xalloc.h"

static bool frame_size(const json_t *recipe, int channels, size_t *out)
{
    const size_t width = (size_t)recipe_int(recipe, "width", 0);
    const size_t height = (size_t)recipe_int(recipe, "height", 0);
    return size_mul(width, height, out) && size_mul(*out, (size_t)channels, out) && *out > 0;
}

bool raw_images_read(const char *path, const json_t *recipe, int frames, int channels,
                     struct engine_images *images, struct error *err)
{
    struct buf bytes = BUF_INIT;
    size_t one, all;
    memset(images, 0, sizeof *images);
    if (path == NULL) return true;
    if (!frame_size(recipe, channels, &one) || !size_mul(one, (size_t)frames, &all))
        return error_set(err, ERROR_INVALID, "%s: the recipe's size is impossible", path);
    if (!path_read(path, all, &bytes, err)) {
        buf_finish(&bytes);
        return false;
    }
    if (bytes.size != one && bytes.size != all) {
        error_set(err, ERROR_INVALID,
                  "%s: %zu bytes are neither one frame of the recipe's size (%zu) nor all (%zu)",
                  path, bytes.size, one, all);
        buf_finish(&bytes);
        return false;
    }
    images->frames = bytes.size == all ? frames : 1;
    images->width = (int)recipe_int(recipe, "width", 0);
    images->height = (int)recipe_int(recipe, "height", 0);
    images->data = (const uint8_t *)bytes.data; /* taken over from the buf */
    return true;
}

void raw_images_free(struct engine_images *images)
{
    free((void *)(uintptr_t)images->data);
    images->data = NULL;
}
