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

struct shape {
    size_t one, all; /* bytes */
    int frames;
    const json_t *recipe;
};

static bool read_shape(struct shape *s, const json_t *recipe, int frames, int channels,
                       struct error *err)
{
    *s = (struct shape){.frames = frames, .recipe = recipe};
    return (frame_size(recipe, channels, &s->one) && size_mul(s->one, (size_t)frames, &s->all)) ||
           error_set(err, ERROR_INVALID, "raw pictures: the recipe's size is impossible");
}

/* Takes the bytes over, whatever comes of it. */
static bool take(const struct shape *s, struct buf *bytes, const char *path,
                 struct engine_images *images, struct error *err)
{
    if (bytes->size != s->one && bytes->size != s->all) {
        error_set(err, ERROR_INVALID,
                  "%s: %zu bytes are neither one frame of the recipe's size (%zu) nor all (%zu)",
                  path, bytes->size, s->one, s->all);
        buf_finish(bytes);
        return false;
    }
    images->frames = bytes->size == s->all ? s->frames : 1;
    images->width = (int)recipe_int(s->recipe, "width", 0);
    images->height = (int)recipe_int(s->recipe, "height", 0);
    images->data = (const uint8_t *)bytes->data;
    return true;
}

bool raw_images_read(const char *path, const json_t *recipe, int frames, int channels,
                     struct engine_images *images, struct error *err)
{
    struct buf bytes = BUF_INIT;
    struct shape shape;
    memset(images, 0, sizeof *images);
    if (path == NULL) return true;
    if (!read_shape(&shape, recipe, frames, channels, err)) return false;
    if (path_read(path, shape.all, &bytes, err)) return take(&shape, &bytes, path, images, err);
    buf_finish(&bytes);
    return false;
}

static bool append_file(const char *path, size_t most, struct buf *bytes, struct error *err)
{
    struct buf file = BUF_INIT;
    if (!path) return error_set(err, ERROR_INVALID, "a file of raw pictures has no path");
    const bool ok = path_read(path, most - bytes->size, &file, err);
    if (ok) buf_append(bytes, file.data, file.size);
    buf_finish(&file);
    return ok;
}

bool raw_images_join(const json_t *paths, const json_t *recipe, int frames, int channels,
                     struct engine_images *images, struct error *err)
{
    struct buf bytes = BUF_INIT;
    struct shape shape;
    const json_t *path;
    size_t i;
    memset(images, 0, sizeof *images);
    if (json_array_size(paths) == 0) return true;
    if (!read_shape(&shape, recipe, frames, channels, err)) return false;
    json_array_foreach(paths, i, path)
    {
        if (append_file(json_string_value(path), shape.all, &bytes, err)) continue;
        buf_finish(&bytes);
        return false;
    }
    return take(&shape, &bytes, json_string_value(json_array_get(paths, 0)), images, err);
}

void raw_images_free(struct engine_images *images)
{
    free((void *)(uintptr_t)images->data);
    images->data = NULL;
}
