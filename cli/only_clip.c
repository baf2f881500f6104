#include "cli/only_clip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/xalloc.h"
#include "cli/fetch.h"
#include "cli/follow.h"
#include "cli/output.h"

/* The coordinator says it, and may say anything. */
char *only_clip_name(const char *file)
{
    const char *name = path_basename(file), *slug = strchr(name, '_');
    if (slug != NULL && slug[1] != '\0' && slug[1] != '.') name = slug + 1;
    return name[0] != '\0' && name[0] != '.' ? xstrdup(name) : NULL;
}

static char *where_to(const char *target, const char *file, struct error *err)
{
    char *name = target != NULL ? xstrdup(target) : only_clip_name(file);
    if (name == NULL)
        error_set(err, ERROR_INVALID, "the coordinator calls the clip \"%s\": name a file (-o)",
                  file);
    return name;
}

bool only_clip_fetch(struct zclient *client, const char *batch, const char *target, char **file_out,
                     struct error *err)
{
    char *id = xstrdup(batch);
    Farm__ClipsWanted body = FARM__CLIPS_WANTED__INIT;
    body.batch = id;
    body.limit = 1;
    Farm__Envelope request = FARM__ENVELOPE__INIT;
    request.body_case = FARM__ENVELOPE__BODY_CLIPS_WANTED;
    request.clips_wanted = &body;
    struct message *answer = client_ask(client, &request, FARM__ENVELOPE__BODY_CLIPS, err);
    free(id);
    if (!answer) return false;
    const Farm__Clips *clips = answer->envelope->clips;
    bool ok = clips->n_clips == 1 || error_set(err, ERROR_INTERNAL, "the batch has no clip");
    const Farm__Clip *clip = ok ? clips->clips[0] : NULL;
    if (ok && strcmp(clip->state, "published") != 0)
        ok = error_set(err, ERROR_FAILED, "the clip %s: %s", clip->state, clip->message);
    if (ok) *file_out = where_to(target, clip->file, err);
    ok = ok && *file_out != NULL &&
         fetch_file(client, batch, clip->file, *file_out, &clip->sha256, err);
    message_free(answer);
    return ok;
}

int only_clip_bring(struct zclient *client, struct submission *s, const char *target)
{
    struct error err = {0};
    struct follow_options options = {.quiet = s->call->quiet || s->call->json};
    char *state = NULL, *file = NULL;
    if (!call_duration(s->call, "timeout", &options.limit_ns, &err) ||
        !follow_batch(client, s->batch, &options, &state, &err))
        return call_fail(s->call, &err);
    free(state);
    bool ok = only_clip_fetch(client, s->batch, target, &file, &err);
    if (ok && s->call->json)
        output_print(json_pack("{ssss}", "batch", s->batch, "file", file), "zoe.render.v1");
    else if (ok)
        puts(file);
    free(file);
    return ok ? 0 : call_fail(s->call, &err);
}
