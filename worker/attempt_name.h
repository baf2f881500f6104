/* attempt_name: what the coordinator calls an attempt: batch, clip, task and fence. A canary has an
 * empty batch and its number as fence. */
#ifndef ZOE_WORKER_ATTEMPT_NAME_H
#define ZOE_WORKER_ATTEMPT_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "farm.pb-c.h"

struct attempt_name {
    char batch[ID_BATCH_SIZE];
    uint32_t clip;
    uint32_t task;
    uint64_t fence;
};

/* "BATCH.CLIP.TASK.FENCE", or "canary.NUMBER": safe as a file name. */
#define ATTEMPT_NAME_TEXT_SIZE 72
void attempt_name_text(const struct attempt_name *name, char out[ATTEMPT_NAME_TEXT_SIZE]);
/* How many bytes at the beginning of a file's name are an attempt's in that form; 0 = it has none.
 */
size_t attempt_name_length(const char *file);
bool attempt_name_equal(const struct attempt_name *a, const struct attempt_name *b);

/* From and to the wire. The wire form borrows `name`. */
struct attempt_name attempt_name_read(const Farm__Attempt *attempt);
Farm__Attempt attempt_name_wire(struct attempt_name *name);

#endif
