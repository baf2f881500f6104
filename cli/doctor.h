/* doctor: looks at this machine, a state folder on it and the farm that it can reach, and says what
 * to do about what is not well. One file for each family of checks, one row each in cmd_doctor.c.
 * Checks write nothing but a file of their own beside what they measure, and need no farm. */
#ifndef ZOE_CLI_DOCTOR_H
#define ZOE_CLI_DOCTOR_H

#include <jansson.h>
#include <stdint.h>

#include "base/finding.h"
#include "cli/command.h"

struct doctor {
    const struct call *call;
    struct findings findings;
    char *folder;      /* that of `zoe farm up`, a coordinator's or a worker's; may be absent */
    char *coordinator; /* a coordinator's state folder, or NULL */
    char *worker;      /* a worker's, or NULL; of several the first */
    char *bin;         /* where our binaries are */
};

/* `level`, topic, where, what to do (or NULL), words. */
#define DOCTOR_SAY(d, level, topic, where, fix, ...)                                               \
    findings_add(&(d)->findings, FINDING_##level, topic, where, fix, __VA_ARGS__)

void doctor_disk(struct doctor *d);     /* honesty about fsync, kind, options, room */
void doctor_clock(struct doctor *d);    /* set, and kept right */
void doctor_machine(struct doctor *d);  /* memory, descriptors, control group */
void doctor_programs(struct doctor *d); /* versions beside each other, BLAS, FFmpeg */
void doctor_models(struct doctor *d);   /* usable, with canaries */
void doctor_keys(struct doctor *d);     /* modes, owners */
void doctor_state(struct doctor *d);    /* locks, schema, leftovers */
void doctor_farm(struct doctor *d);     /* reached, its versions and health */

/* Runs PROGRAM beside our own with `arguments` (NULL at the end): the first line that it printed as
 * JSON, or NULL. New reference. */
json_t *doctor_ask(const struct doctor *d, const char *program, const char *const *arguments);
/* The same as text, without the newline; "" when it did not run. Caller frees. */
char *doctor_hear(const struct doctor *d, const char *program, const char *const *arguments);

/* Pure, for tests. The kind of a file system by its magic number; NULL when nothing is known. */
struct doctor_disk_kind {
    long magic;
    const char *name;
    enum finding_level level;
    const char *words, *fix;
};
const struct doctor_disk_kind *doctor_disk_kind(long magic);
/* What a sync of so many nanoseconds says of a disk that turns or does not. */
enum finding_level doctor_disk_judge(int64_t sync_ns, bool rotational, const char **words_out);
/* An option of a mount that breaks promises, or NULL. */
const char *doctor_disk_bad_option(const char *options);

#endif
