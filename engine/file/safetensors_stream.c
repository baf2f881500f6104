#include "engine/file/safetensors_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "base/xalloc.h"

#define LENGTH_BYTES 8

struct safetensors_stream {
    json_t *header;
    uint64_t planned, written; /* bytes of data */
    int fd;
    char *path;
    bool ended;
};

struct safetensors_stream *safetensors_stream_new(void)
{
    struct safetensors_stream *s = xcalloc(1, sizeof *s);
    /* diffusers and transformers refuse files that do not say that they are torch's. */
    s->header = json_pack("{s:{s:s}}", "__metadata__", "format", "pt");
    s->fd = -1;
    return s;
}

void safetensors_stream_free(struct safetensors_stream *s)
{
    if (s == NULL) return;
    if (s->fd >= 0) close(s->fd);
    if (s->path != NULL && !s->ended) (void)unlink(s->path);
    json_decref(s->header);
    free(s->path);
    free(s);
}

void safetensors_stream_plan(struct safetensors_stream *s, const char *name,
                             enum tensor_dtype dtype, int rank, const int64_t *dim)
{
    uint64_t bytes = tensor_dtype_size(dtype);
    json_t *shape = json_array();
    for (int i = 0; i < rank; i++) {
        bytes *= (uint64_t)dim[i];
        json_array_append_new(shape, json_integer(dim[i]));
    }
    json_t *entry =
        json_pack("{s:s, s:o, s:[I, I]}", "dtype", tensor_dtype_name(dtype), "shape", shape,
                  "data_offsets", (json_int_t)s->planned, (json_int_t)(s->planned + bytes));
    ZOE_ASSERT(entry != NULL);
    json_object_set_new(s->header, name, entry);
    s->planned += bytes;
}

static bool write_header(struct safetensors_stream *s, struct error *err)
{
    char *text = json_dumps(s->header, JSON_COMPACT);
    ZOE_ASSERT(text != NULL);
    /* Spaces after the header keep the data aligned to 8 bytes for readers that map it. */
    const size_t used = strlen(text), length = (used + 7) / 8 * 8;
    unsigned char start[LENGTH_BYTES];
    for (int i = 0; i < LENGTH_BYTES; i++)
        start[i] = (unsigned char)(length >> (8 * i) & 0xff);
    const bool ok = path_write_fd(s->fd, start, sizeof start, s->path, err) &&
                    path_write_fd(s->fd, text, used, s->path, err) &&
                    path_write_fd(s->fd, "       ", length - used, s->path, err);
    free(text);
    return ok;
}

bool safetensors_stream_begin(struct safetensors_stream *s, const char *path, struct error *err)
{
    s->path = xstrdup(path);
    s->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (s->fd >= 0) return write_header(s, err);
    const int problem = errno;
    s->ended = true; /* what is there was not made here */
    return error_set_errno(err, problem, "%s", path);
}

bool safetensors_stream_write(struct safetensors_stream *s, const void *data, size_t size_bytes,
                              struct error *err)
{
    s->written += size_bytes;
    ZOE_ASSERT(s->written <= s->planned);
    return path_write_fd(s->fd, data, size_bytes, s->path, err);
}

bool safetensors_stream_end(struct safetensors_stream *s, struct error *err)
{
    ZOE_ASSERT(s->written == s->planned);
    if (fsync(s->fd) != 0) return error_set_errno(err, errno, "%s", s->path);
    s->ended = true;
    return true;
}
