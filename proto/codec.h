/* codec: envelopes to bytes and back. Decoding believes nothing: size before parsing, memory within
 * a budget, then every field against proto/validate_*.c. A message that comes out is complete and
 * in range: required sub-messages are not NULL, text is UTF-8 within its limit, digests have 32
 * bytes (or none where absence is legal), enums are known values. Thread-free. */
#ifndef ZOE_PROTO_CODEC_H
#define ZOE_PROTO_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/error.h"
#include "proto/message.h"

/* `from` is what the other end may say (for the coordinator: from the socket and the key's role).
 * NULL with ERROR_INVALID (broken, too large, a field out of bounds: the message names it) or
 * ERROR_AUTH (known, but not for this sender). The payload is borrowed. Caller frees with
 * message_free. */
struct message *codec_decode(struct bytes envelope, struct bytes payload, enum message_from from,
                             struct error *err);

/* The request number of an envelope that codec_decode refused, as far as it can be read; else 0.
 * For telling the sender. */
uint64_t codec_request_of(struct bytes envelope);

/* Appends the packed envelope to `out`. Checks it as the receiver will: false with ERROR_INTERNAL
 * naming the field when the caller filled it wrongly, and `out` is unchanged. envelope->version is
 * the caller's. */
bool codec_encode(const Farm__Envelope *envelope, enum message_from from, struct buf *out,
                  struct error *err);

/* Bytes of a digest field, borrowed: for filling `bytes` fields. */
ProtobufCBinaryData codec_digest(const struct digest *d);
/* From a validated digest field: false and all zero when it is empty. */
bool codec_digest_get(const ProtobufCBinaryData *field, struct digest *out);

/* A copy of `text` that passes for a text field of at most limit_bytes: broken UTF-8 and control
 * bytes (but newline and tab) replaced, cut at a character; with keep_end the end is kept, not the
 * beginning. Caller frees. */
char *codec_clean_text(const char *text, size_t size_bytes, size_t limit_bytes, bool keep_end);

/* A problem as the error it carries. */
bool codec_problem_error(const Farm__Problem *problem, struct error *err); /* always false */

/* A packed envelope, written for another coordinator, says this version from now on. */
void codec_restamp(struct buf *packed, unsigned version);

/* Range of protocol numbers of the other end against ours: the highest common one, or 0. */
unsigned codec_version_choose(unsigned version_min, unsigned version_max);
/* When there is none: both ranges and which side to upgrade. `who` is the other end ("worker");
 * always false, ERROR_VERSION. */
bool codec_version_refuse(const char *who, unsigned version_min, unsigned version_max,
                          struct error *err);

#endif
