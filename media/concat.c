/* Segments into a longer segment. */
#include "media/concat.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/path.h"
#include "base/xalloc.h"
#include "media/segment_reader.h"

struct concat {
    struct frames_shape shape; /* of every segment, count not known */
    struct segment_writer *writer;
    struct digest_stream digest; /* of the frames that were read */
    uint8_t *rgb;
};

/* `writer` NULL: only the digest. */
static bool pass(struct concat *c, const char *path, struct error *err)
{
    struct segment_reader *r = segment_reader_open(path, &c->shape, err);
    bool end = false, ok = r != NULL;
    while (ok) {
        ok = segment_reader_next(r, c->rgb, &end, err);
        if (!ok || end) break;
        digest_update(&c->digest, c->rgb, frames_size_bytes(&c->shape));
        ok = c->writer == NULL || segment_writer_push(c->writer, c->rgb, err);
    }
    segment_reader_destroy(r);
    return ok;
}

static bool join(struct concat *c, const char *const *segments, int count, const char *path,
                 struct segment_result *result, struct error *err)
{
    c->rgb = alloc_checked(frames_size_bytes(&c->shape), 1, "a frame", err);
    if (c->rgb == NULL) return false;
    c->writer = segment_writer_open(path, &c->shape, err);
    bool ok = c->writer != NULL;
    digest_begin(&c->digest);
    for (int i = 0; ok && i < count; i++)
        ok = pass(c, segments[i], err);
    ok = ok && segment_writer_finish(c->writer, result, err);
    segment_writer_destroy(c->writer);
    c->writer = NULL;
    return ok;
}

static bool verify(struct concat *c, const char *path, const struct segment_result *result,
                   struct error *err)
{
    c->shape.count = result->frames;
    digest_begin(&c->digest);
    bool ok = pass(c, path, err);
    const struct digest again = digest_end(&c->digest);
    if (!ok && err != NULL && err->code == ERROR_INVALID) err->code = ERROR_CORRUPT;
    if (!ok) return error_wrap(err, "checking the finished file");
    return digest_equal(&again, &result->frames_sha256) ||
           error_set(err, ERROR_CORRUPT, "%s holds other frames than its parts", path);
}

bool concat_run(const char *const *segments, int count, const char *out_path,
                struct frames_shape *shape, struct segment_result *result, struct error *err)
{
    struct concat c = {.rgb = NULL};
    if (!segment_reader_measure(segments[0], &c.shape, err)) return false;
    char *folder = path_dirname(out_path);
    char *hidden = xasprintf("%s/.%s.tmp.%ld", folder, path_basename(out_path), (long)getpid());
    bool ok = join(&c, segments, count, hidden, result, err) && verify(&c, hidden, result, err) &&
              path_rename_durable(hidden, out_path, err);
    if (!ok) (void)unlink(hidden);
    *shape = c.shape;
    free(c.rgb);
    free(hidden);
    free(folder);
    return ok;
}
