/* store_shape: the shapes of a batch's groups as the JSON that stands in their row. A shape without
 * a plan is of a clip that is one task; numbers and names are checked, a damaged text is NULL.
 * Room-internal: store_batch.c. */
#ifndef ZOE_COORDINATOR_STORE_SHAPE_H
#define ZOE_COORDINATOR_STORE_SHAPE_H

#include "coordinator/record.h"

/* Caller frees. */
char *store_shapes_pack(const struct shape *shapes, uint32_t count);
/* Caller frees; NULL when it is damaged. */
struct shape *store_shapes_unpack(const char *text, uint32_t *count_out);

#endif
