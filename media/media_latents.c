/* zoe-media latents: is a file the latents or the checkpoint of a task, as its worker said? */
#include "base/digest.h"
#include "media/latents_check.h"
#include "media/media_commands.h"

#define ABSENT INT64_C(-1)

static void reply(struct media_call *call, const struct latents_info *info)
{
    media_reply_text(call, "kind", info->kind);
    media_reply_int(call, "step", info->step);
    media_reply_int(call, "steps", info->steps);
    media_reply_int(call, "frames", info->frames);
    media_reply_int(call, "channels", info->channels);
    media_reply_int(call, "height", info->height);
    media_reply_int(call, "width", info->width);
    media_reply_text(call, "fingerprint", info->fingerprint);
}

static bool check_wanted(const struct latents_wanted *w, struct error *err)
{
    struct digest digest;
    const bool whole = w->task != ABSENT && w->first != ABSENT && w->frames != ABSENT;
    if (w->recipe != NULL ? !whole : w->task + w->first + w->frames != 3 * ABSENT)
        return error_set(err, ERROR_USAGE,
                         "--recipe, --task, --first and --frames say which latents: all or none");
    const int sides = (w->channels > 0) + (w->height > 0) + (w->width > 0);
    if (sides != 0 && sides != 3)
        return error_set(err, ERROR_USAGE,
                         "--channels, --height and --width say which shape: all or none");
    if (w->recipe != NULL && !digest_parse(w->recipe, &digest))
        return error_set(err, ERROR_USAGE, "--recipe: 64 hex digits are needed");
    return true;
}

bool media_latents_run(struct media_call *call, struct error *err)
{
    struct latents_wanted w = {
        .task = ABSENT, .first = ABSENT, .frames = ABSENT, .step = LATENTS_STEP_ANY};
    const struct media_option options[] = {
        media_args_text("recipe", false, &w.recipe, "HEX", "of the whole clip; any when absent"),
        media_args_int("task", false, 0, UINT32_MAX, &w.task, "N", "in its plan"),
        media_args_int("first", false, 0, UINT32_MAX, &w.first, "F", "first frame"),
        media_args_int("frames", false, 1, LATENTS_FRAMES_MAX, &w.frames, "N",
                       "frames of the task"),
        media_args_int("step", false, 0, LATENTS_STEPS_MAX, &w.step, "N", "steps done"),
        media_args_int("channels", false, 1, LATENTS_CHANNELS_MAX, &w.channels, "C",
                       "of the latents, as the model makes them"),
        media_args_int("height", false, 1, LATENTS_SIDE_MAX, &w.height, "H", "of the latents"),
        media_args_int("width", false, 1, LATENTS_SIDE_MAX, &w.width, "W", "of the latents"),
        {.name = NULL},
    };
    if (!media_call_parse(call, options, 1, 1, err)) return false;
    if (!check_wanted(&w, err)) return false;
    struct latents_info info;
    if (!latents_check(call->argv[0], &w, &info, err)) return false;
    reply(call, &info);
    return true;
}
