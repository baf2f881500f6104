/* stitch_output: where stitched frames go: the writer of the file's kind, and the last look at what
 * it wrote. Internal to the room. One thread. */
#ifndef ZOE_MEDIA_STITCH_OUTPUT_H
#define ZOE_MEDIA_STITCH_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "media/stitch.h"

struct stitch_output;

/* ERROR_USAGE for a name that ends in no known extension. The job must outlive it. */
struct stitch_output *stitch_output_open(const struct stitch_job *job, struct error *err);
bool stitch_output_push(struct stitch_output *o, const uint8_t *rgb, struct error *err);
/* The file is complete and fsynced (not its folder). */
bool stitch_output_finish(struct stitch_output *o, struct error *err);
/* After that: reopens the file, decodes it, fills in what it is. `out->frames_sha256` is that of
 * the source frames already. ERROR_CORRUPT: other than was meant; then it is removed. */
bool stitch_output_verify(const struct stitch_output *o, struct stitch_result *out,
                          struct error *err);
/* Removes a file that was not finished; NULL is fine. */
void stitch_output_destroy(struct stitch_output *o);

#endif
