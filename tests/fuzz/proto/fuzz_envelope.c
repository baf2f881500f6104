/* Bytes as an envelope from each kind of sender: what decodes must encode again, and decode again
 * when it was in canonical form (unknown fields may carry the number 0 in an overlong form, which
 * protobuf-c reads but does not read back). The first byte chooses the sender, the second the size
 * of the payload. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/xalloc.h"
#include "proto/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void encode_again(const struct message *m, enum message_from from, size_t size)
{
    struct buf packed = BUF_INIT;
    struct error err = {0};
    ZOE_ASSERT(codec_encode(m->envelope, from, &packed, &err));
    struct message *twin =
        packed.size != size
            ? NULL
            : codec_decode((struct bytes){packed.data, packed.size}, m->payload, from, &err);
    ZOE_ASSERT(packed.size != size || (twin != NULL && twin->kind == m->kind));
    message_free(twin);
    buf_finish(&packed);
}

/* What is read of a broken one, and what is shown of its text. */
static void look_at_the_rest(const uint8_t *data, size_t size)
{
    (void)codec_request_of((struct bytes){data, size});
    for (int keep_end = 0; keep_end < 2; keep_end++) {
        char *clean = codec_clean_text((const char *)data, size, 40, keep_end == 1);
        ZOE_ASSERT(strlen(clean) <= 40 && text_is_utf8(clean, strlen(clean)));
        free(clean);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum message_from senders[] = {MESSAGE_FROM_WORKER, MESSAGE_FROM_SUBMIT,
                                                MESSAGE_FROM_ADMIN, MESSAGE_TO_WORKER,
                                                MESSAGE_TO_CLIENT};
    static const uint8_t zeros[255];
    if (size < 2) return 0;
    look_at_the_rest(data + 2, size < 514 ? size - 2 : 512);
    enum message_from from = senders[data[0] % 5];
    struct bytes payload = {data[1] > 0 ? zeros : NULL, data[1]};
    struct error err = {0};
    struct message *m = codec_decode((struct bytes){data + 2, size - 2}, payload, from, &err);
    if (m == NULL) {
        ZOE_ASSERT(err.code != ERROR_NONE && err.message[0] != '\0');
        return 0;
    }
    encode_again(m, from, size - 2);
    message_free(m);
    return 0;
}
