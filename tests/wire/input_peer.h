/* input_peer: peers that send inputs, name them in submissions and ask for them. */
#ifndef ZOE_TESTS_WIRE_INPUT_PEER_H
#define ZOE_TESTS_WIRE_INPUT_PEER_H

#include "wire/farm_peer.h"

#define CHUNK (256 * 1024)

static inline void open_input(struct peer *p, const struct digest *sha256, uint64_t size)
{
    Farm__InputOpen open = FARM__INPUT_OPEN__INIT;
    open.sha256 = codec_digest(sha256);
    open.size_bytes = size;
    PEER_SAY(p, INPUT_OPEN, input_open, &open);
}

static inline void send_chunk(struct peer *p, const struct digest *sha256, uint64_t offset,
                              struct bytes payload)
{
    Farm__Chunk chunk = FARM__CHUNK__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    chunk.input = codec_digest(sha256);
    chunk.offset = offset;
    envelope.request = p->request;
    envelope.body_case = FARM__ENVELOPE__BODY_CHUNK;
    envelope.chunk = &chunk;
    peer_send(p, &envelope, payload);
}

/* What is granted, and that it is for this input. */
static inline uint64_t expect_credit(struct peer *p, const struct digest *sha256, uint64_t offset)
{
    struct digest named;
    struct message *m = peer_expect(p, FARM__ENVELOPE__BODY_CREDIT);
    assert_true(codec_digest_get(&m->envelope->credit->input, &named));
    assert_true(digest_equal(&named, sha256));
    assert_int_equal(m->envelope->credit->offset, offset);
    uint64_t size = m->envelope->credit->size_bytes;
    message_free(m);
    return size;
}

static inline struct buf picture(void)
{
    struct buf bytes = BUF_INIT;
    assert_true(
        path_read(TEST_SOURCE "/tests/fuzz/corpus/fuzz_source/one.png", 1 << 20, &bytes, NULL));
    return bytes;
}

static inline void submit_options(char *options, struct peer *p)
{
    static const char line[] = "a red circle\n";
    struct digest sha256 = digest_of(line, sizeof(line) - 1);
    char format[] = "text";
    Farm__SubmitOpen open = FARM__SUBMIT_OPEN__INIT;
    open.sha256 = codec_digest(&sha256);
    open.size_bytes = sizeof(line) - 1;
    open.format = format;
    open.options = options;
    PEER_SAY(p, SUBMIT_OPEN, submit_open, &open);
    struct message *m = peer_expect(p, FARM__ENVELOPE__BODY_CREDIT);
    Farm__Chunk chunk = FARM__CHUNK__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    chunk.key = m->envelope->credit->key;
    envelope.request = p->request;
    envelope.body_case = FARM__ENVELOPE__BODY_CHUNK;
    envelope.chunk = &chunk;
    peer_send(p, &envelope, (struct bytes){(const uint8_t *)line, sizeof(line) - 1});
    message_free(m);
}

static inline void ask_for_input(struct peer *p, const struct digest *sha256, uint64_t offset)
{
    char path[] = "input";
    Farm__FileWanted wanted = FARM__FILE_WANTED__INIT;
    wanted.input = codec_digest(sha256);
    wanted.path = path;
    wanted.offset = offset;
    wanted.size_bytes = CHUNK;
    PEER_SAY(p, FILE_WANTED, file_wanted, &wanted);
}

#endif
