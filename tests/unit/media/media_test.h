/* media_test: what the media tests share: a temporary folder, moving pictures, segments on disk. */
#ifndef ZOE_TESTS_MEDIA_TEST_H
#define ZOE_TESTS_MEDIA_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/path.h"
#include "base/xalloc.h"
#include "media/libav.h"
#include "media/segment_writer.h"

static inline int make_folder(void **state)
{
    libav_route_log();
    char *folder = xstrdup("/tmp/zoe-media-test-XXXXXX");
    if (mkdtemp(folder) == NULL) return -1;
    *state = folder;
    return 0;
}

static inline int remove_folder(void **state)
{
    bool ok = path_remove_tree(*state, NULL);
    free(*state);
    return ok ? 0 : -1;
}

static inline char *in_folder(const char *folder, const char *name)
{
    return path_join(folder, name);
}

static inline struct frames_shape shape_of(int width, int height, int64_t count)
{
    return (struct frames_shape){width, height, {8, 1}, count};
}

/* Fails with the message when `ok` is false. */
static inline void must(bool ok, const struct error *err)
{
    if (!ok) fail_msg("%s: %s", error_name(err->code), err->message);
}

/* Picture number `index`: a bright square that moves over a gradient; every picture differs. */
static inline uint8_t *moving_picture(const struct frames_shape *shape, int64_t index)
{
    uint8_t *rgb = xmalloc(frames_size_bytes(shape));
    for (int y = 0; y < shape->height; y++) {
        for (int x = 0; x < shape->width; x++) {
            uint8_t *p = rgb + ((size_t)y * (size_t)shape->width + (size_t)x) * 3;
            bool inside = (x + y + index) % 16 < 5;
            p[0] = (uint8_t)(inside ? 220 : x * 3 + index);
            p[1] = (uint8_t)(inside ? 40 : y * 3);
            p[2] = (uint8_t)(inside ? 40 : 90 + index % 100);
        }
    }
    return rgb;
}

/* `place` NULL: of no place. */
static inline void write_segment_at(const char *path, const struct frames_shape *shape,
                                    int64_t first_index, const char *place,
                                    struct segment_result *out)
{
    struct error err;
    struct segment_writer *w = place != NULL ? segment_writer_open_at(path, shape, place, &err)
                                             : segment_writer_open(path, shape, &err);
    must(w != NULL, &err);
    for (int64_t i = 0; i < shape->count; i++) {
        uint8_t *rgb = moving_picture(shape, first_index + i);
        must(segment_writer_push(w, rgb, &err), &err);
        free(rgb);
    }
    must(segment_writer_finish(w, out, &err), &err);
    segment_writer_destroy(w);
}

static inline void write_segment(const char *path, const struct frames_shape *shape,
                                 int64_t first_index, struct segment_result *out)
{
    write_segment_at(path, shape, first_index, NULL, out);
}

static inline struct buf read_bytes(const char *path)
{
    struct buf bytes = BUF_INIT;
    struct error err;
    must(path_read(path, (size_t)1 << 30, &bytes, &err), &err);
    return bytes;
}

static inline void write_bytes(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

#endif
