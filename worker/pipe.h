/* pipe: what a worker and its engine child say to each other (lifecycle E1): JSON objects behind a
 * 4-byte little-endian length, at most PIPE_MESSAGE_BYTES each. Every object has "v" (PIPE_VERSION)
 * and "type". The reader believes nothing: a length, a version or a type out of bounds ends the
 * conversation.
 *
 * worker -> child
 *   render      attempt, recipe (the clip's, filled), task (its number in the plan), model
 *               (folder), signature (changes when its files or its LoRAs' do: then they are opened
 *               anew), outputs {segment: file to write, latents: file to write}, those that the
 *               task makes; of a model's canary {frames: file to write}: its RGB.
 *               When there are some: loras [{path, strength}]; files of raw pictures
 *               (worker/raw_images.h): init, mask, before, base [in order]; files of latents:
 *               latents [in the order of the task's inputs], held; resume: a checkpoint's file
 *   checkpoint  attempt, path                      save after the step that is being computed
 *   cancel      attempt                            stop politely
 * child -> worker
 *   hello       fingerprint, backend               once, first
 *   loading     attempt                            a model is being opened
 *   begun       attempt, step, total               denoising begins; step > 0: after a checkpoint
 *   step        attempt, done, total               denoising steps done, of the task's
 *   frame       attempt, done, total               frames decoded, of those that it makes
 *   alive       attempt, fraction                  progress within a long step or frame
 *   saved       attempt, step, total, sha256, size_bytes, us (microseconds); without sha256 when it
 *               could not be saved. The answer to checkpoint, unless no step was left by then
 *   warning     attempt, message                   what its owner should hear of; nothing stops
 *   done        attempt, outputs [{kind, sha256, size_bytes; of a segment: frames_sha256, frames,
 *               width, height}], steps (computed by this child), render_ms
 *   failed      attempt, code, message, steps      code: error_name(); "usage" = the recipe is
 *                                                  impossible, "interrupted" = canceled
 */
#ifndef ZOE_WORKER_PIPE_H
#define ZOE_WORKER_PIPE_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"

#define PIPE_VERSION 2
#define PIPE_MESSAGE_BYTES (256 * 1024) /* a recipe, and 20 paths */
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
