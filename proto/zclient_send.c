/* Conversations in which a client sends a file: the file as it is, in credited chunks, all under
 * the number of the request that opened it. */
#include "base/xalloc.h"
#include "proto/chunk.h"
#include "proto/zclient.h"

struct sending {
    struct zclient *client;
    uint64_t request;
    struct bytes content;
    struct chunk_sender sender;
    zclient_progress progress;
    void *progress_context;
};

/* A chunk names what the credit named. One that cannot be handed over now is granted again after
 * the reconnect. */
static bool send_credited(struct sending *s, const Farm__Credit *credit)
{
    uint64_t offset = 0;
    uint32_t size = 0;
    (void)chunk_sender_credit(&s->sender, credit->offset, credit->size_bytes);
    while (chunk_sender_next(&s->sender, &offset, &size)) {
        Farm__Chunk chunk = FARM__CHUNK__INIT;
        Farm__Envelope envelope = FARM__ENVELOPE__INIT;
        chunk.key = credit->key;
        chunk.input = credit->input;
        chunk.offset = offset;
        envelope.body_case = FARM__ENVELOPE__BODY_CHUNK;
        envelope.chunk = &chunk;
        struct bytes payload = {s->content.data + offset, size};
        if (!zclient_send_part(s->client, s->request, &envelope, payload, NULL)) return false;
        chunk_sender_sent(&s->sender, size);
    }
    if (s->progress != NULL) s->progress(s->progress_context, s->sender.next, s->content.size);
    return true;
}

static struct message *converse(struct sending *s, Farm__Envelope__BodyCase expected,
                                int64_t timeout_ns, struct message **problem_out, struct error *err)
{
    for (;;) {
        struct message *m = zclient_receive(s->client, s->request, timeout_ns, problem_out, err);
        if (m == NULL || m->envelope->body_case == expected) return m;
        if (m->envelope->body_case != FARM__ENVELOPE__BODY_CREDIT) {
            error_set(err, ERROR_INVALID, "the coordinator answered with %s", m->kind->name);
            message_free(m);
            return NULL;
        }
        (void)send_credited(s, m->envelope->credit);
        message_free(m);
    }
}

static struct message *send_file(struct sending *s, Farm__Envelope *open,
                                 Farm__Envelope__BodyCase expected, int64_t timeout_ns,
                                 struct message **problem_out, struct error *err)
{
    if (problem_out != NULL) *problem_out = NULL;
    chunk_sender_init(&s->sender, s->content.size);
    s->request = zclient_send(s->client, open, err);
    if (s->request == 0) return NULL;
    struct message *m = converse(s, expected, timeout_ns, problem_out, err);
    zclient_forget(s->client, s->request);
    return m;
}

struct message *zclient_submit(struct zclient *c, const Farm__SubmitOpen *open,
                               struct bytes content, int64_t timeout_ns, zclient_progress progress,
                               void *context, struct message **problem_out, struct error *err)
{
    Farm__SubmitOpen copy = *open; /* packing borrows; the envelope wants it writable */
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    envelope.body_case = FARM__ENVELOPE__BODY_SUBMIT_OPEN;
    envelope.submit_open = &copy;
    struct sending s = {
        .client = c, .content = content, .progress = progress, .progress_context = context};
    return send_file(&s, &envelope, FARM__ENVELOPE__BODY_ACCEPTED, timeout_ns, problem_out, err);
}

struct message *zclient_send_input(struct zclient *c, const struct digest *sha256,
                                   struct bytes content, int64_t timeout_ns,
                                   zclient_progress progress, void *context, struct error *err)
{
    Farm__InputOpen open = FARM__INPUT_OPEN__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    open.sha256 = codec_digest(sha256);
    open.size_bytes = content.size;
    envelope.body_case = FARM__ENVELOPE__BODY_INPUT_OPEN;
    envelope.input_open = &open;
    struct sending s = {
        .client = c, .content = content, .progress = progress, .progress_context = context};
    return send_file(&s, &envelope, FARM__ENVELOPE__BODY_INPUT_STORED, timeout_ns, NULL, err);
}
