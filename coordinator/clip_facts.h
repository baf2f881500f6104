/* clip_facts: everything that publishing a clip needs to know, gathered on the loop thread and then
 * used on any one thread: names, recipe, stored output, history. */
#ifndef ZOE_COORDINATOR_CLIP_FACTS_H
#define ZOE_COORDINATOR_CLIP_FACTS_H

#include <stdbool.h>

#include "coordinator/publish.h"
#include "coordinator/record.h"

struct coordinator;

struct clip_facts {
    char *folder; /* path of the batch's folder */
    char name[PUBLISH_NAME_SIZE];
    char *prompt;
    char *worker;
    char *fingerprint;
    char *model;
    json_t *recipe;
    struct output output;
    enum output_kind kind;        /* of file */
    struct publish_record record; /* its texts are the ones above; published_ms is the caller's */
};

/* ERROR_NOT_FOUND: its stored output is unknown. Call clip_facts_finish in each case. */
bool clip_facts_fill(struct clip_facts *f, struct coordinator *c, const struct task_key *task,
                     struct error *err);
void clip_facts_finish(struct clip_facts *f); /* may be called again */

#endif
