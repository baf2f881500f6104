/* clip_facts: everything that publishing a clip needs to know, gathered on the loop thread and then
 * used on any one thread: names, recipe, stored segments, history. */
#ifndef ZOE_COORDINATOR_CLIP_FACTS_H
#define ZOE_COORDINATOR_CLIP_FACTS_H

#include <stdbool.h>

#include "coordinator/clip_parts.h"
#include "coordinator/publish.h"
#include "coordinator/record.h"

struct coordinator;

struct clip_facts {
    char *folder; /* path of the batch's folder */
    char name[PUBLISH_NAME_SIZE];
    char *prompt;
    json_t *recipe;
    struct digest recipe_digest;
    struct shape shape;
    struct clip_parts parts;
    char *before; /* path of the video that it goes on from and begins with, or NULL */
    int64_t before_frames;
    char *audio;                  /* path of its sound, or NULL */
    enum output_kind kind;        /* of file */
    struct publish_record record; /* its texts are the ones above; published_ms is the caller's */
};

/* ERROR_NOT_FOUND: parts.missing tells which tasks have no stored segment, or the message what else
 * is gone. Call clip_facts_finish in each case. */
bool clip_facts_fill(struct clip_facts *f, struct coordinator *c, const struct task_key *task,
                     struct error *err);
void clip_facts_finish(struct clip_facts *f); /* may be called again */

/* Whether something is done to the frames, or put beside them, when they are stitched. */
bool clip_facts_has_output(const struct clip_facts *f);

#endif
