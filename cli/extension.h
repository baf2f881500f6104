/* extension: the recipe of a clip that goes on from another. Pure. */
#ifndef ZOE_CLI_EXTENSION_H
#define ZOE_CLI_EXTENSION_H

#include <jansson.h>
#include <stdint.h>

/* The old clip's recipe with `more` frames behind: extend_frames says how many exist, noise is told
 * by the frame, and what the old clip started from (init_video, mask, loop, ..) is left out. A
 * `prompt` (NULL: none) is heard from the first new frame on. extend_video and extend_latents are
 * the caller's to set. New reference. */
json_t *extension_recipe(const json_t *old, int64_t more, const char *prompt);

#endif
