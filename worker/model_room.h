/* model_room: the folder of fetched models, DIGEST each, DIGEST.part of those that are not whole
 * yet, and what of them goes when others need the room. When a folder was last used is its own time
 * of modification. What is named otherwise is not ours. Loop thread only. */
#ifndef ZOE_WORKER_MODEL_ROOM_H
#define ZOE_WORKER_MODEL_ROOM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"

#define MODEL_ROOM_PART_S (7 * 24 * 3600) /* so long a part waits for its fetch to go on */

typedef bool (*model_room_needs)(void *context, const struct digest *digest);

/* Removes parts that nobody went on with. */
void model_room_tidy(const char *folder);
/* Removes least recently used models and parts that are not needed, until they were of so many
 * bytes. False when all of them are not: then none is removed. */
bool model_room_make(const char *folder, uint64_t bytes, model_room_needs needs, void *context);

#endif
