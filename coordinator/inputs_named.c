/* Inputs that are here, and the batches that name them. */
#include <stdlib.h>

#include "coordinator/inputs.h"
#include "coordinator/reply.h"
#include "coordinator/shell.h"

/* A row whose file was lost is no answer: the bytes are asked for again. */
bool inputs_find(struct coordinator *c, const struct digest *sha256, struct input_record *out)
{
    char *path = NULL;
    if (!store_input(c->store, sha256, out, NULL)) return false;
    path = artifacts_path(c->artifacts, sha256);
    free(path);
    return path != NULL;
}

static bool check_file(struct coordinator *c, const struct submit_input_file *file,
                       struct error *err)
{
    struct input_record r;
    char hex[DIGEST_TEXT_SIZE];
    digest_text(&file->sha256, hex);
    if (!inputs_find(c, &file->sha256, &r))
        return error_set(err, ERROR_REFUSED,
                         "the file sha256:%s is not here: `zoe` sends files before it submits",
                         hex);
    if (!file->is_image || r.frames == 1) return true;
    return error_set(err, ERROR_REFUSED,
                     "init_image sha256:%.12s... is a video of %llu pictures: use init_video", hex,
                     (unsigned long long)r.frames);
}

bool inputs_check(struct coordinator *c, const struct submit_result *result, struct error *err)
{
    for (uint32_t i = 0; i < result->input_count; i++)
        if (!check_file(c, &result->inputs[i], err)) return false;
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
    (void)outbound_reply(&c->outbound, true, peer, request, FARM__ENVELOPE__BODY_INPUT_STORED,
                         &m.base, OUTBOUND_COMMITTED);
    reply_finish(&memory);
    shell_stir(c);
}
