/* finish: from a done task to a published clip, each step restartable (B2):
 * STITCH job, publishing(sha256) committed, RENAME job, published committed. */
#ifndef ZOE_COORDINATOR_FINISH_H
#define ZOE_COORDINATOR_FINISH_H

#include "coordinator/task.h"

/* The task's outputs are stored; its clip is to be stitched. */
void finish_begin(struct farm *f, struct task *t);
/* Asks again for what is outstanding: after a start, and for a clip that failed in stitching. */
void finish_resume(struct farm *f, struct task *t);
void finish_stitched(struct farm *f, struct task *t, const struct farm_video *video);
void finish_renamed(struct farm *f, struct task *t, const struct farm_video *video);
void finish_failed(struct farm *f, struct task *t, enum stitch_failure failure, const char *message,
                   int64_t now_ns);

#endif
