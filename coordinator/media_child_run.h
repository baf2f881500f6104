/* media_child_run: a run of zoe-media as those who ask for one make it. Room-internal:
 * media_requests.c and media_child.c. Loop thread. */
#ifndef ZOE_COORDINATOR_MEDIA_CHILD_RUN_H
#define ZOE_COORDINATOR_MEDIA_CHILD_RUN_H

#include "coordinator/media_child.h"

#define MEDIA_RUN_FILES 2

/* Queues. A person waits for a file, and may have made it so that it takes long; a result is one of
 * many. */
enum media_kind { MEDIA_VIDEO, MEDIA_FILE, MEDIA_RESULT, MEDIA_KINDS };

/* Queued behind those of its kind; `arguments` is NULL-terminated and becomes the run's. Nothing
 * starts before media_run_ready. */
struct media_run *media_run_add(struct media_children *c, enum media_kind kind, char **arguments,
                                media_done done, void *context);
/* Writes a file that is removed with the run. What cannot be written fails the run as FULL. */
void media_run_file(struct media_run *r, const char *path, const char *text);
void media_run_more_time(struct media_run *r, int64_t more_ms);
void media_run_ready(struct media_run *r);

#endif
