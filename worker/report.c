#include "worker/report.h"

#include <stdlib.h>
#include <string.h>

#include "proto/codec.h"
#include "proto/limits.h"

static char *clean(const char *text, size_t limit_bytes)
{
    return codec_clean_text(text, strlen(text), limit_bytes, false);
}

void report_started(const struct attempt_name *name, report_send send, void *context)
{
    struct attempt_name copy = *name;
    Farm__Attempt attempt = attempt_name_wire(&copy);
    Farm__Started started = FARM__STARTED__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    started.attempt = &attempt;
    envelope.body_case = FARM__ENVELOPE__BODY_STARTED;
    envelope.started = &started;
    send(context, name, &envelope);
}

void report_progress(const struct attempt_name *name, const struct slot_place *place,
                     report_send send, void *context)
{
    struct attempt_name copy = *name;
    Farm__Attempt attempt = attempt_name_wire(&copy);
    Farm__Progress progress = FARM__PROGRESS__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    progress.attempt = &attempt;
    progress.phase = place->phase;
    progress.step = place->step;
    progress.steps = place->steps;
    progress.amount = place->amount;
    envelope.body_case = FARM__ENVELOPE__BODY_PROGRESS;
    envelope.progress = &progress;
    send(context, name, &envelope);
}

void report_handed_back(const struct attempt_name *name, Farm__HandBackReason reason,
                        const char *message, report_send send, void *context)
{
    struct attempt_name copy = *name;
    Farm__Attempt attempt = attempt_name_wire(&copy);
    Farm__HandedBack handed_back = FARM__HANDED_BACK__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    handed_back.attempt = &attempt;
    handed_back.reason = reason;
    handed_back.message = clean(message, LIMIT_TEXT_BYTES);
    envelope.body_case = FARM__ENVELOPE__BODY_HANDED_BACK;
    envelope.handed_back = &handed_back;
    send(context, name, &envelope);
    free(handed_back.message);
}

void report_ended(const struct attempt_name *name, Farm__EndKind kind, const char *message,
                  const char *log_tail, uint32_t steps, report_send send, void *context)
{
    struct attempt_name copy = *name;
    Farm__Attempt attempt = attempt_name_wire(&copy);
    Farm__Ended ended = FARM__ENDED__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    const char *log = log_tail ? log_tail : "";
    ended.attempt = &attempt;
    ended.kind = kind;
    ended.message = clean(message, LIMIT_TEXT_BYTES);
    ended.log_tail = codec_clean_text(log, strlen(log), LIMIT_LOG_TAIL_BYTES, true);
    ended.steps_computed = steps;
    envelope.body_case = FARM__ENVELOPE__BODY_ENDED;
    envelope.ended = &ended;
    send(context, name, &envelope);
    free(ended.message);
    free(ended.log_tail);
}

void report_canary(const struct attempt_name *name, const struct report_canary *answer,
                   report_send send, void *context)
{
    Farm__CanaryDone done = FARM__CANARY_DONE__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    done.number = name->fence;
    done.slot = answer->slot;
    if (answer->frames_sha256) done.frames_sha256 = codec_digest(answer->frames_sha256);
    if (answer->model) done.model_digest = codec_digest(answer->model);
    done.fingerprint = clean(answer->fingerprint, LIMIT_TEXT_BYTES);
    done.message = clean(answer->message, LIMIT_TEXT_BYTES);
    done.frames.data = (uint8_t *)(uintptr_t)answer->rgb.data;
    done.frames.len = answer->rgb.size;
    done.width = answer->width;
    done.height = answer->height;
    envelope.body_case = FARM__ENVELOPE__BODY_CANARY_DONE;
    envelope.canary_done = &done;
    send(context, name, &envelope);
    free(done.fingerprint);
    free(done.message);
}
