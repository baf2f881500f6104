/* finish: from the last done task to a published clip, each step restartable (B2):
 * STITCH job, publishing(sha256) committed, RENAME job, published committed. */
#ifndef ZOE_COORDINATOR_FINISH_H
#define ZOE_COORDINATOR_FINISH_H

#include "coordinator/work.h"

void finish_init(struct work *w);
/* All outputs are stored; the clip is to be stitched. */
void finish_begin(struct farm *f, struct work *w);
/* The clip is a report, and it is stored: there is nothing to stitch. */
void finish_report(struct farm *f, struct work *w, const struct output *report);
/* Asks again for what is outstanding: after a start, or when there is space. */
void finish_resume(struct farm *f, struct work *w);
void finish_stitched(struct farm *f, struct work *w, const struct farm_video *video);
void finish_renamed(struct farm *f, struct work *w, const struct farm_video *video);
/* All failures but STITCH_MISSING, which reopens tasks (work_reopen). */
void finish_failed(struct farm *f, struct work *w, enum stitch_failure failure, const char *message,
                   int64_t now_ns);

#endif
