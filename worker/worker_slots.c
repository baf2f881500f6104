/* What slots say, and what comes of their attempts. */
#include <stdlib.h>

#include "base/log.h"
#include "base/path.h"
#include "worker/report.h"
#include "worker/worker_parts.h"

void worker_report(void *context, const struct attempt_name *name, Farm__Envelope *envelope)
{
    struct worker *w = context;
    if (w->link) link_report(w->link, name, envelope);
}

static void host_progress(void *context, Farm__Envelope *envelope)
{
    struct worker *w = context;
    if (w->link) (void)link_send(w->link, envelope);
}

static char *host_part_path(void *context, const struct attempt_name *name,
                            enum slot_output_kind kind)
{
    struct worker *w = context;
    return outbox_part_path(&w->outbox, name, kind);
}

static char *host_save_path(void *context, const struct attempt_name *name)
{
    struct worker *w = context;
    return checkpoint_box_path(w->checkpoints, name);
}

/* An engine may have opened what stands there now. */
static bool is_of_its_models(struct worker *w, const struct slot_work *work)
{
    char signature[DIGEST_TEXT_SIZE];
    return worker_sign_models(w, work, signature);
}

static void host_saved(void *context, struct slot *slot, const struct slot_work *work,
                       const struct slot_saved *saved)
{
    struct worker *w = context;
    if (w->checkpoints && is_of_its_models(w, work))
        checkpoint_box_put(w->checkpoints, work, slot_fingerprint(slot), saved);
}

static void forget(struct worker *w, const struct attempt_name *name)
{
    outbox_discard_parts(&w->outbox, name);
    if (w->checkpoints) checkpoint_box_drop(w->checkpoints, name);
    if (w->inputs) input_pool_release(w->inputs, name);
}

static void host_no_result(void *context, const struct attempt_name *name)
{
    forget(context, name);
}

void worker_left(void *context, const struct attempt_name *name)
{
    struct worker *w = context;
    report_handed_back(name, FARM__HAND_BACK_REASON__HAND_BACK_PREEMPTED, "the worker had to stop",
                       worker_report, w);
    forget(w, name);
}

static void host_preempted(void *context, const struct attempt_name *name, const char *message)
{
    struct worker *w = context;
    char text[ATTEMPT_NAME_TEXT_SIZE];
    attempt_name_text(name, text);
    log_info("%s stopped: %s", text, message);
    if (w->hurried || w->closing || !w->checkpoints || !checkpoint_box_leave(w->checkpoints, name))
        worker_left(w, name);
}

static uint32_t index_of(const struct worker *w, const struct slot *slot)
{
    uint32_t index = 0;
    while (w->slots[index] != slot)
        index++;
    return index;
}

/* What does not fit, or cannot be read again, is told by its digest alone. */
static void add_frame(struct worker *w, const struct slot_work *work,
                      const struct slot_output *frames, struct buf *rgb,
                      struct report_canary *answer)
{
    char *path = outbox_part_path(&w->outbox, &work->name, SLOT_FRAMES);
    const bool fits = frames->frames == 1 && frames->size_bytes <= LIMIT_CANARY_BYTES &&
                      frames->width <= CANARY_SIDE && frames->height <= CANARY_SIDE;
    if (fits && path_read(path, LIMIT_CANARY_BYTES, rgb, NULL)) {
        answer->rgb = (struct bytes){rgb->data, rgb->size};
        answer->width = frames->width;
        answer->height = frames->height;
    }
    free(path);
}

static void take_canary(struct worker *w, struct slot *slot, const struct slot_work *work,
                        const struct slot_result *result)
{
    const struct slot_output *made = &result->outputs[0];
    struct buf rgb = BUF_INIT;
    struct report_canary answer = {.slot = index_of(w, slot),
                                   .fingerprint = slot_fingerprint(slot),
                                   .frames_sha256 = &made->frames_sha256,
                                   .message = "",
                                   .model = work->own ? &work->parts[0].digest : NULL};
    if (work->own) add_frame(w, work, made, &rgb, &answer);
    outbox_discard_parts(&w->outbox, &work->name);
    report_canary(&work->name, &answer, worker_report, w);
    buf_finish(&rgb);
}

static void lose_result(struct worker *w, const struct slot_work *work, const struct error *err)
{
    log_error("a result cannot be kept: %s", err->message);
    if (err->code == ERROR_FULL)
        report_handed_back(&work->name, FARM__HAND_BACK_REASON__HAND_BACK_DISK, err->message,
                           worker_report, w);
    else
        report_ended(&work->name, FARM__END_KIND__END_FAILED, err->message, NULL, 0, worker_report,
                     w);
}

static void refuse_result(struct worker *w, const struct slot_work *work)
{
    static const char why[] = "its model was changed on this machine while it was rendered";
    log_warn("a result is thrown away: %s", why);
    outbox_discard_parts(&w->outbox, &work->name);
    report_handed_back(&work->name, FARM__HAND_BACK_REASON__HAND_BACK_RECALLED, why, worker_report,
                       w);
}

/* The next task of a chain may well run here. */
static void keep_result(struct worker *w, const struct slot_work *work, struct outbox_entry *e)
{
    for (size_t i = 0; w->inputs && i < e->result.output_count; i++) {
        const struct slot_output *out = &e->result.outputs[i];
        if (!work->keeps[out->kind]) continue;
        char *path = outbox_file(&w->outbox, e, i);
        input_pool_adopt(w->inputs, &out->sha256, path);
        free(path);
    }
    upload_offer(w->upload, e);
}

static void take_result(struct worker *w, struct slot *slot, const struct slot_work *work,
                        const struct slot_result *result)
{
    struct error err = {0};
    struct outbox_entry *e = outbox_add(&w->outbox, work, slot_fingerprint(slot), result, &err);
    if (e)
        keep_result(w, work, e);
    else
        lose_result(w, work, &err);
}

static void host_finished(void *context, struct slot *slot, struct slot_work *work,
                          const struct slot_result *result)
{
    struct worker *w = context;
    if (w->inputs) input_pool_release(w->inputs, &work->name);
    if (w->checkpoints) checkpoint_box_drop(w->checkpoints, &work->name);
    if (!is_of_its_models(w, work))
        refuse_result(w, work);
    else if (work->canary)
        take_canary(w, slot, work, result);
    else
        take_result(w, slot, work, result);
    slot_work_free(work);
}

static void host_changed(void *context, struct slot *slot)
{
    (void)slot;
    worker_ready(context);
    worker_look(context);
}

struct slot_host worker_slot_host(struct worker *w)
{
    return (struct slot_host){.context = w,
                              .report = worker_report,
                              .progress = host_progress,
                              .want_part = worker_want_part,
                              .sign_models = worker_sign_models,
                              .finished = host_finished,
                              .part_path = host_part_path,
                              .save_path = host_save_path,
                              .saved = host_saved,
                              .preempted = host_preempted,
                              .no_result = host_no_result,
                              .changed = host_changed};
}
