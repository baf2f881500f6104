/* What the subcommands share. */
#include "media/media_commands.h"

#include <stdio.h>
#include <string.h>

#include "base/xalloc.h"

/* Only as the first word: later it may be the value of an option, a prompt even. */
static bool wants_help(const struct media_call *call)
{
    return call->argc > 0 && strcmp(call->argv[0], "--help") == 0;
}

bool media_call_parse(struct media_call *call, const struct media_option *options, int words_least,
                      int words_most, struct error *err)
{
    if (wants_help(call)) {
        (void)printf("zoe-media %s [options] %s\n", call->name, call->words);
        media_args_help(options);
        call->help_shown = true;
        return false;
    }
    int count;
    if (!media_args_parse(call->argc, call->argv, options, &count, err)) return false;
    if (count > words_most) {
        return error_set(err, ERROR_USAGE, "%s does not take the word %s", call->name,
                         call->argv[words_most]);
    }
    if (count < words_least) {
        return error_set(err, ERROR_USAGE, "%s needs %s", call->name, call->words);
    }
    call->argc = count;
    return true;
}

static void put(struct media_call *call, const char *key, json_t *value)
{
    ZOE_ASSERT(value != NULL && json_object_set_new(call->reply, key, value) == 0);
}

void media_reply_text(struct media_call *call, const char *key, const char *value)
{
    put(call, key, json_string(value));
}

void media_reply_int(struct media_call *call, const char *key, int64_t value)
{
    put(call, key, json_integer(value));
}

void media_reply_real(struct media_call *call, const char *key, double value)
{
    put(call, key, json_real(value));
}

void media_reply_digest(struct media_call *call, const char *key, const struct digest *value)
{
    char text[DIGEST_TEXT_SIZE];
    digest_text(value, text);
    media_reply_text(call, key, text);
}

void media_reply_audio(struct media_call *call, int rate, int channels, int64_t samples)
{
    put(call, "audio",
        json_pack("{s:i, s:i, s:f}", "rate", rate, "channels", channels, "seconds",
                  (double)samples / rate));
}

void media_reply_rate(struct media_call *call, const char *key, struct frames_rate value)
{
    if (value.den == 1) {
        media_reply_int(call, key, value.num);
    } else {
        media_reply_real(call, key, frames_rate_value(value));
    }
}
