/* safetensors_stream: a safetensors file written piece by piece, for data larger than memory.
 *
 * All tensors are planned first, then their bytes follow in the order of planning:
 *
 *     s = safetensors_stream_new();
 *     safetensors_stream_plan(s, "a", TENSOR_F16, 2, dim);      for each
 *     ok = safetensors_stream_begin(s, path, &err);
 *     ok = safetensors_stream_write(s, data, size, &err);       until all is there
 *     ok = safetensors_stream_end(s, &err);                     durable now
 *     safetensors_stream_free(s);                               before the end: the file goes */
#ifndef ZOE_ENGINE_FILE_SAFETENSORS_STREAM_H
#define ZOE_ENGINE_FILE_SAFETENSORS_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "engine/tensor.h"

struct safetensors_stream;

struct safetensors_stream *safetensors_stream_new(void);
void safetensors_stream_free(struct safetensors_stream *s); /* NULL is fine */

/* Sizes are known to be sound: they were an entry's of a tensor_file. */
void safetensors_stream_plan(struct safetensors_stream *s, const char *name,
                             enum tensor_dtype dtype, int rank, const int64_t *dim);
bool safetensors_stream_begin(struct safetensors_stream *s, const char *path, struct error *err);
bool safetensors_stream_write(struct safetensors_stream *s, const void *data, size_t size_bytes,
                              struct error *err);
bool safetensors_stream_end(struct safetensors_stream *s, struct error *err);

#endif
