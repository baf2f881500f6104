/* pipe: what a worker and its engine child say to each other (lifecycle E1): JSON objects behind a
 * 4-byte little-endian length, at most PIPE_MESSAGE_BYTES each. Every object has "v" (PIPE_VERSION)
 * and "type". The reader believes nothing: a length, a version or a type out of bounds ends the
 * conversation.
 *
 * worker -> child
 *   render   recipe (filled), model (folder), output (segment file to write), attempt; loras
 *            [{path, strength}] when the recipe has some; init, mask: files of raw pictures
 *            (worker/raw_images.h) when the recipe starts from some
 *   cancel   attempt                            stop politely
 * child -> worker
 *   hello    fingerprint, backend               once, first
 *   loading  attempt                            a model is being opened
 *   step     attempt, done, total               denoising steps done
 *   frame    attempt, done, total               frames decoded
 *   alive    attempt, fraction                  progress within a long step or frame
 *   warning  attempt, message                   what its owner should hear of; nothing stops
 *   done     attempt, sha256, size_bytes, frames_sha256, frames, width, height, steps, render_ms
 *   failed   attempt, code, message, steps      code: error_name(); "usage" = the recipe is
 *                                               impossible, "interrupted" = canceled
 */
#ifndef ZOE_WORKER_PIPE_H
#define ZOE_WORKER_PIPE_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"

#define PIPE_VERSION 1
#define PIPE_MESSAGE_BYTES (64 * 1024)
#define PIPE_HEAD_BYTES 4

/* Appends one framed message. Takes the reference of `fields` and adds v and type. */
void pipe_frame(struct buf *out, const char *type, json_t *fields);

/* Takes one message off the front of `in`. True with *message NULL when more bytes are needed;
 * false with ERROR_INVALID when the stream is broken for good. */
bool pipe_take(struct buf *in, json_t **message, struct error *err);
const char *pipe_type(const json_t *message); /* borrowed, never NULL after pipe_take */

/* Blocking forms for the child. pipe_read gives NULL with err->code ERROR_NONE at a clean end. */
bool pipe_write(int fd, const char *type, json_t *fields, struct error *err);
json_t *pipe_read(int fd, struct error *err);

#endif
