/* report: messages about one attempt, from the worker to the coordinator. Each call fills one and
 * hands it to `send`, for which everything in it is borrowed. Texts are cut and cleaned to fit. */
#ifndef ZOE_WORKER_REPORT_H
#define ZOE_WORKER_REPORT_H

#include "base/buf.h"
#include "worker/slot_core.h"

typedef void (*report_send)(void *context, const struct attempt_name *name,
                            Farm__Envelope *envelope);

void report_started(const struct attempt_name *name, report_send send, void *context);
void report_progress(const struct attempt_name *name, const struct slot_place *place,
                     report_send send, void *context);
void report_handed_back(const struct attempt_name *name, Farm__HandBackReason reason,
                        const char *message, report_send send, void *context);
/* log_tail may be NULL. */
void report_ended(const struct attempt_name *name, Farm__EndKind kind, const char *message,
                  const char *log_tail, uint32_t steps, report_send send, void *context);
struct report_canary {
    uint32_t slot;
    const char *fingerprint;
    const struct digest *frames_sha256; /* NULL: it failed */
    const char *message;                /* why then */
    const struct digest *model;         /* of a model's own; NULL: `pattern` */
    struct bytes rgb;                   /* its frame, as far as it may ride along; else none */
    uint32_t width, height;             /* of that */
};
void report_canary(const struct attempt_name *name, const struct report_canary *answer,
                   report_send send, void *context);

#endif
