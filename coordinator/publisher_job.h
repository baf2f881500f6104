/* publisher_job: a clip on its way to its place, as the files of the publisher share it: what is
 * known of it, its steps, and how a step ends. Room-internal. Loop thread. */
#ifndef ZOE_COORDINATOR_PUBLISHER_JOB_H
#define ZOE_COORDINATOR_PUBLISHER_JOB_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/table.h"
#include "coordinator/clip_facts.h"
#include "coordinator/effect.h"
#include "coordinator/farm.h"
#include "coordinator/media_child.h"
#include "coordinator/publish.h"
#include "coordinator/reread.h"

enum publish_step { PUBLISH_STITCH, PUBLISH_RENAME };

struct publish_job {
    struct publisher *owner;
    struct coordinator *c;
    char name[32]; /* batch/clip */
    enum publish_step step;
    struct effect_job wanted; /* no texts of it are used */
    bool heard;               /* false: cleared, nobody waits for its end */
    bool again;               /* asked for once more meanwhile: `next` */
    enum publish_step next_step;
    struct effect_job next;
    struct clip_facts facts;
    struct publish_target target; /* texts are facts' */
    struct digest sha256;         /* PUBLISH_RENAME: as committed */
    char *out;                    /* temporary file */
    bool has_manifest;            /* of the stitch */
    struct media_run *run;
    struct reread *reread; /* of the segments that it could not read */
    char *failure;         /* what it said */
    int64_t retry_at_ns;
    uv_work_t work;
    bool working;
    bool ok; /* of the pool thread */
    struct error err;
    struct publish_sealed sealed;
    struct publish_placed placed;
};

struct publisher {
    struct coordinator *c; /* NULL: destroyed, waiting for pool threads */
    uv_loop_t *loop;
    struct table jobs;       /* name -> struct publish_job */
    struct table removals;   /* batch -> struct removal: folders on their way out */
    struct table refused;    /* batch -> char *: removed, but its folder could not go */
    int64_t remove_again_ns; /* when those are tried once more */
};

/* Each step: what it needs to know, then the work. */
bool publish_stitch_fill(struct publish_job *j, struct error *err);
void publish_stitch_start(struct publish_job *j);
bool publish_rename_fill(struct publish_job *j, struct error *err);
void publish_rename_start(struct publish_job *j);

/* Ends the job; starts what was asked for meanwhile. */
void publish_job_end(struct publish_job *j);
/* Tells the core and ends the job. `tasks`: whose outputs are at fault. */
void publish_job_fail(struct publish_job *j, enum stitch_failure failure, const uint32_t *tasks,
                      uint32_t task_count, const char *message);
void publish_job_error(struct publish_job *j, const struct error *err);
void publish_job_work(struct publish_job *j, uv_work_cb work, uv_after_work_cb done);

/* NAME.EXTENSION of the finished file. */
#define PUBLISH_FILE_SIZE (PUBLISH_NAME_SIZE + 8)
void publish_job_file(const struct publish_job *j, const char *name, char out[PUBLISH_FILE_SIZE]);

/* Folders of removed batches that could not go, once it is time (publisher_folders.c). */
void publisher_remove_again(struct publisher *p, int64_t now_ns);

/* The publisher may be freed when the last thread is back. */
void publisher_free_if_done(struct publisher *p);

#endif
