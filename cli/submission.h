/* submission: prompts and options on their way to the coordinator: what `zoe submit` and `zoe
 * render` share. Implemented in cmd_submit.c. */
#ifndef ZOE_CLI_SUBMISSION_H
#define ZOE_CLI_SUBMISSION_H

#include <jansson.h>

#include "base/buf.h"
#include "cli/client.h"
#include "cli/command.h"

#define RECIPE_OPTIONS                                                                             \
    {"model", 0, "NAME", "model to render with (ZOE_MODEL; default shapes)"},                      \
        {"seed", 0, "S", "first seed, 0 to 2^63-1 (default 0)"},                                   \
        {"steps", 0, "N", "denoising steps"}, {"guidance", 0, "G", "guidance scale"},              \
        {"scheduler", 0, "NAME", "ddim or dpm++"}, {"eta", 0, "E", "DDIM's eta, 0 to 1"},          \
        {"frames", 0, "N", "frames a clip"}, {"fps", 0, "N", "frames a second"},                   \
        {"size", 0, "WxH", "size in pixels"}, {"negative", 0, "TEXT", "negative prompt"},          \
        {"guidance-by-step", 0, "JSON", "{\"0\": 12, \"10\": 6}, straight lines between"},         \
        {"guidance-interval", 0, "A,B", "guidance only from this to that fraction of the steps"},  \
        {"guidance-rescale", 0, "R", "tames burnt colours, 0 to 1"},                               \
        {"prompt-syntax", 0, "NAME", "plain, or a1111: weights (x:1.3), schedules [a:b:0.4]"},     \
        {"prompts-by-frame", 0, "JSON", "{\"0\": \"a cat\", \"8\": \"a dog\"}, blended between"},  \
        {"clip-skip", 0, "N", "last layers of the text encoder to leave out"},                     \
        {"tokenizer", 0, "NAME", "transformers or openclip: how ! is read"},                       \
        {"lora", 0, "NAME[:STRENGTH]...", "LoRA that changes the model; may be repeated"},         \
        {"name", 0, "TEXT", "name of the batch, for people"},                                      \
        {"key", 0, "KEY", "idempotency key: the same key and content is the same batch"},          \
        {"priority", 0, "N", "higher goes first (-1000 to 1000, default 0)"},                      \
    {                                                                                              \
        "again", 0, NULL, "a new batch even when the same was submitted before"                    \
    }

struct submission {
    const struct call *call;
    const char *file;   /* for messages */
    const char *format; /* NULL = guess */
    struct buf content;
    json_t *options;
    bool silent; /* print no words about acceptance */
    char *batch; /* out */
    int code;    /* out, when it failed */
};

/* Recipe flags, seeds and the model as one object. New reference or NULL. */
json_t *submission_options(const struct call *call, struct error *err);
/* True with s->batch set; false with s->code set, the reason printed. */
bool submission_send(struct zclient *client, struct submission *s);
void submission_finish(struct submission *s);

#endif
