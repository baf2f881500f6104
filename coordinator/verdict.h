/* verdict: what a media child, or whoever started it, says of files: of uploaded results and
 * checkpoints (farm_verdict, farm_checkpoint_verdict), and of a clip that could not be stitched
 * (farm_stitch_failed). A part of the core's facade (farm.h). */
#ifndef ZOE_COORDINATOR_VERDICT_H
#define ZOE_COORDINATOR_VERDICT_H

#include "coordinator/record.h"

enum verdict_kind {
    VERDICT_SOUND,        /* and every output stands under its digest's name, synced */
    VERDICT_REJECTED,     /* undecodable, wrong count or size */
    VERDICT_CHILD_DIED,   /* twice on one artifact = rejected (M1) */
    VERDICT_CHILD_FAILED, /* it said so, and the bytes are right: again in 5 s, thrice = rejected */
    VERDICT_UNREADABLE,   /* our disk's fault: again in 5 s, twice = given back without blame */
    VERDICT_DEFERRED      /* this machine's fault (no space, no child): asked again in 5 s */
};

struct farm_verdict {
    enum verdict_kind kind;
    enum suspect suspect;
    struct digest content; /* what was rendered, however packed; zero: nothing to compare */
    const char *message;
};

enum stitch_failure {
    STITCH_FULL,    /* no space: waits, asked again */
    STITCH_DIED,    /* twice: the clip fails, why `stitch`, its segments kept */
    STITCH_FAILED,  /* its child said so: again in 5 s, `doubted`; thrice: as after two deaths */
    STITCH_MISSING, /* stored outputs are missing or damaged: their tasks are reopened */
    STITCH_AGAIN    /* neither temporary nor final file stands: stitched again (B2) */
};

#endif
