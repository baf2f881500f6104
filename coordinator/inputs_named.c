/* Inputs that are here, and the batches that name them. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "coordinator/inputs.h"
#include "coordinator/reply.h"
#include "coordinator/shell.h"
#include "coordinator/store_access.h"

/* A row whose file was lost or cut is no answer: the bytes are asked for again. */
bool inputs_find(struct coordinator *c, const struct digest *sha256, struct input_record *out)
{
    return store_input(c->store, sha256, out, NULL) &&
           artifacts_has(c->artifacts, sha256, out->size_bytes);
}

/* ---- can it be what it shall be? ---- */

struct look {
    const struct submit_input_file *file;
    const struct input_record *r;
    char name[DIGEST_TEXT_SIZE];
    struct error *err;
};

static bool refuse(const struct look *l, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool refuse(const struct look *l, const char *format, ...)
{
    char why[256];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(why, sizeof(why), format, arguments);
    va_end(arguments);
    return error_set(l->err, ERROR_REFUSED, "the file sha256:%.12s... %s", l->name, why);
}

static bool check_image(const struct look *l)
{
    if (!l->file->is_image || l->r->frames == 1) return true;
    return refuse(l, "is init_image, and a video of %llu pictures: use init_video",
                  (unsigned long long)l->r->frames);
}

static bool check_pictures(const struct look *l)
{
    const bool wanted = l->file->is_pictures || l->file->is_video;
    if (!wanted || (l->r->kind == INPUT_MEDIA && l->r->frames > 0)) return true;
    return refuse(l, "holds no pictures to start from");
}

static bool check_sound(const struct look *l)
{
    if (!l->file->is_sound || l->r->audio_ms > 0) return true;
    return refuse(l, "is audio, and has no sound");
}

/* Published videos of odd sides are padded to even ones. */
static bool fits(int64_t wanted, uint32_t side)
{
    return side == wanted || (wanted > 0 && wanted % 2 == 1 && side == wanted + 1);
}

static bool check_video(const struct look *l)
{
    const struct submit_input_file *file = l->file;
    if (!file->is_video) return true;
    if ((int64_t)l->r->frames < file->frames)
        return refuse(l, "is extend_video, and has %llu of the %lld frames that exist already",
                      (unsigned long long)l->r->frames, (long long)file->frames);
    if (file->width < 0 || file->height < 0)
        return refuse(l, "is extend_video of clips of several sizes");
    if (fits(file->width, l->r->width) && fits(file->height, l->r->height)) return true;
    return refuse(l, "is extend_video, and %ux%u: the clip is %lldx%lld", l->r->width, l->r->height,
                  (long long)file->width, (long long)file->height);
}

/* They are of the clip's shape, so many times smaller; where that is not known the engine looks. */
static bool has_shape(const struct look *l)
{
    const int64_t width = l->r->width, height = l->r->height;
    if (width == 0 || height == 0) return true;
    return l->file->width % width == 0 && l->file->width * height == l->file->height * width;
}

static bool check_latents(const struct look *l)
{
    if (!l->file->is_latents) return true;
    if (l->r->kind != INPUT_LATENTS) return refuse(l, "is extend_latents, and holds none");
    if (l->file->width < 0 || l->file->height < 0 || !has_shape(l))
        return refuse(l, "is extend_latents of another size");
    if ((int64_t)l->r->frames >= l->file->latent_frames) return true;
    return refuse(l, "is extend_latents of %llu frames: %lld are held",
                  (unsigned long long)l->r->frames, (long long)l->file->latent_frames);
}

bool inputs_has(struct coordinator *c, const char *owner, const struct digest *sha256)
{
    return possessions_has(&c->possessions, owner, sha256) ||
           store_owner_uses(c->store, owner, sha256);
}

/* What was sent before a restart, and is named by nobody yet, may be anybody's: the sender was told
 * that it is here and goes on with it now. */
static bool is_orphan(struct coordinator *c, const struct input_record *r)
{
    const int64_t lived_ms = (clock_now_ns() - c->started_ns) / NS_PER_MS;
    return r->seen_ms < clock_wall_ms() - lived_ms && !store_input_is_named(c->store, &r->sha256);
}

static bool may_name(struct coordinator *c, const char *owner, const struct input_record *r)
{
    return owner[0] == '\0' || inputs_has(c, owner, &r->sha256) || is_orphan(c, r);
}

static bool check_file(struct coordinator *c, const char *owner,
                       const struct submit_input_file *file, struct error *err)
{
    static bool (*const checks[])(const struct look *l) = {check_pictures, check_image, check_sound,
                                                           check_video, check_latents};
    struct input_record r;
    struct look l = {.file = file, .r = &r, .err = err};
    digest_text(&file->sha256, l.name);
    if (!inputs_find(c, &file->sha256, &r) || !may_name(c, owner, &r))
        return error_set(err, ERROR_REFUSED,
                         "the file sha256:%s is not here: `zoe` sends files before it submits",
                         l.name);
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
        if (!checks[i](&l)) return false;
    return true;
}

bool inputs_check(struct coordinator *c, const char *owner, const struct submit_result *result,
                  struct error *err)
{
    for (uint32_t i = 0; i < result->input_count; i++)
        if (!check_file(c, owner, &result->inputs[i], err)) return false;
    return true;
}

void inputs_bind(struct coordinator *c, const char *batch, const struct submit_result *result)
{
    for (uint32_t i = 0; i < result->input_count; i++)
        store_batch_input_add(c->store, batch, &result->inputs[i].sha256);
}

void inputs_say_stored(struct coordinator *c, zsock_peer peer, uint64_t request,
                       const struct input_record *r, bool existed)
{
    struct reply memory;
    Farm__InputStored m = FARM__INPUT_STORED__INIT;
    reply_init(&memory);
    m.sha256 = reply_digest(&memory, &r->sha256);
    m.size_bytes = r->size_bytes;
    m.frames = r->frames;
    m.width = r->width;
    m.height = r->height;
    m.format = reply_name(&memory, r->format, LIMIT_NAME_BYTES);
    m.existed = existed;
    m.audio_ms = r->audio_ms;
    (void)outbound_reply(&c->outbound, true, peer, request, FARM__ENVELOPE__BODY_INPUT_STORED,
                         &m.base, OUTBOUND_COMMITTED);
    reply_finish(&memory);
    shell_stir(c);
}
