/* clip: one byte of a page for each video wanted. clip_set is the one door through which a clip
 * changes, so that page, counters and readiness cannot disagree (I3). */
#ifndef ZOE_COORDINATOR_CLIP_H
#define ZOE_COORDINATOR_CLIP_H

#include "coordinator/batch.h"

#define CLIP_NONE UINT32_MAX

/* A waiting clip of a canceled batch reads as canceled, though its byte stays. */
enum clip_state clip_state(const struct batch *b, uint32_t clip);
uint8_t clip_byte(const struct batch *b, uint32_t clip);
void clip_set(struct farm *f, struct batch *b, uint32_t clip, enum clip_state state);
void clip_set_published(struct farm *f, struct batch *b, uint32_t clip, bool suspect);

struct group *clip_group(const struct batch *b, uint32_t clip);
/* The group's first fresh waiting clip, or CLIP_NONE. Moves only the cursor. */
uint32_t clip_next_waiting(struct group *g);
/* The first clip >= from for which its state passes; CLIP_NONE. Pages of one value cost one look.
 */
uint32_t clip_search(const struct batch *b, uint32_t from,
                     bool (*passes)(enum clip_state state, const void *context),
                     const void *context);

/* For loading: counts the bytes in. False for bytes that no clip can have. */
bool clip_load_page(struct batch *b, uint32_t index, const uint8_t *states);
uint32_t clip_page_size(const struct batch *b, uint32_t index); /* 1 .. CLIPS_PER_PAGE */

#endif
