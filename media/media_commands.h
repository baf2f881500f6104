/* media_commands: the subcommands of zoe-media. Each has one file, media_NAME.c, and one row in the
 * table of media_main.c. A command reads its options, does its work, and adds to the reply that
 * main prints as one line of JSON. */
#ifndef ZOE_MEDIA_MEDIA_COMMANDS_H
#define ZOE_MEDIA_MEDIA_COMMANDS_H

#include <jansson.h>
#include <stdbool.h>

#include "base/digest.h"
#include "base/error.h"
#include "media/frames.h"
#include "media/media_args.h"

struct media_call {
    const char *name, *words; /* of the command, for --help; words = what is no option */
    int argc;                 /* arguments after the command's name */
    char **argv;
    json_t *reply;   /* object, owned by main */
    json_t *details; /* of a failure: members for its line; NULL: none. Owned by main */
    bool help_shown; /* --help was asked and answered: nothing more to do or to print */
};

typedef bool (*media_command_run)(struct media_call *call, struct error *err);

bool media_check_run(struct media_call *call, struct error *err);
bool media_latents_run(struct media_call *call, struct error *err);
bool media_stitch_run(struct media_call *call, struct error *err);
bool media_concat_run(struct media_call *call, struct error *err);
bool media_hls_run(struct media_call *call, struct error *err);
bool media_probe_run(struct media_call *call, struct error *err);
bool media_sheet_run(struct media_call *call, struct error *err);
bool media_inspect_run(struct media_call *call, struct error *err);
bool media_frames_run(struct media_call *call, struct error *err);
bool media_versions_run(struct media_call *call, struct error *err);
bool media_page_run(struct media_call *call, struct error *err);

/* Options first; at least `words_least` and at most `words_most` other words may be left, counted
 * in call->argc. False with call->help_shown after --help. */
bool media_call_parse(struct media_call *call, const struct media_option *options, int words_least,
                      int words_most, struct error *err);

void media_reply_text(struct media_call *call, const char *key, const char *value);
void media_reply_int(struct media_call *call, const char *key, int64_t value);
void media_reply_real(struct media_call *call, const char *key, double value);
void media_reply_digest(struct media_call *call, const char *key, const struct digest *value);
/* "audio": {rate, channels, seconds} */
void media_reply_audio(struct media_call *call, int rate, int channels, int64_t samples);
void media_reply_rate(struct media_call *call, const char *key, struct frames_rate value);

#endif
