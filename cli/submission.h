/* submission: prompts and options on their way to the coordinator: what `zoe submit`, `zoe render`
 * and `zoe extend` share. */
#ifndef ZOE_CLI_SUBMISSION_H
#define ZOE_CLI_SUBMISSION_H

#include <jansson.h>

#include "base/buf.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/input_files.h"

#define SUBMISSION_OPTIONS                                                                         \
    {"name", 0, "TEXT", "name of the batch, for people"},                                          \
        {"key", 0, "KEY", "idempotency key: the same key and content is the same batch"},          \
        {"priority", 0, "N", "higher goes first (-1000 to 1000, default 0)"},                      \
        {"dry-run", 'n', NULL, "check all of it, tell how many clips and tasks; start nothing"},   \
    {                                                                                              \
        "again", 0, NULL, "a new batch even when the same was submitted before"                    \
    }

struct submission {
    const struct call *call;
    const char *file;   /* for messages */
    const char *format; /* NULL = guess */
    struct buf content;
    json_t *options;
    struct input_files inputs; /* whose digests stand in content and options */
    const char *key, *name;    /* NULL = what --key and --name say */
    bool silent;               /* print no words about acceptance */
    char *batch;               /* out; "" after a dry run */
    int code;                  /* out, when it failed */
};

/* Recipe flags, seeds and the model as one object; files that it names are noted in `inputs`. New
 * reference or NULL. */
json_t *submission_options(const struct call *call, struct input_files *inputs, struct error *err);
/* A file, or standard input for "-", into `out`. */
bool submission_load(const char *name, struct buf *out, struct error *err);
/* Paths in the content become digests; they count from where s->file stands. */
bool submission_replace_paths(struct submission *s, struct error *err);

/* Whether the content is a story (base/story.h), or a file that calls itself one. */
bool submission_is_story(const struct submission *s);
/* The story in the content, placed at its model's rate, which is asked for. Fields that flags say
 * too are taken out of story->fields, and the model goes into s->options. story_finish is right
 * afterwards in any case. */
struct story;
bool submission_read_story(struct submission *s, struct story *story, struct zclient *client,
                           int64_t *fps, struct error *err);
/* Makes one JSON line of it. Flags go before what it says itself. */
bool submission_tell(struct submission *s, struct zclient *client, struct error *err);

/* Files first; with --dry-run none. True with s->batch set; false with s->code set, the reason
 * printed. */
bool submission_send(struct zclient *client, struct submission *s);
void submission_finish(struct submission *s);

#endif
