/* progress: the line that a person watches: name, bar, counts, ETA. On a terminal it redraws itself
 * on stderr; elsewhere it says a line when a tenth more is done. */
#ifndef ZOE_CLI_PROGRESS_H
#define ZOE_CLI_PROGRESS_H

#include <stdbool.h>

#include "base/buf.h"
#include "farm.pb-c.h"

struct progress {
    bool terminal;
    bool drawn;
    int tenths; /* last tenth announced where there is no terminal */
};

void progress_begin(struct progress *p);
/* `clips`: those of several tasks that are rendered now (clip_tasks.h); may be NULL. */
void progress_draw(struct progress *p, const Farm__Batch *batch, const Farm__Clips *clips);
void progress_clear(struct progress *p); /* before other words on stderr */
#define PROGRESS_BAR_CELLS 24
/* Only the bar, for other lines of this kind; part is 0 to 1. */
void progress_bar(struct buf *line, double part);

#endif
