/* What the coordinator says, a row each. */
#include "base/log.h"
#include "worker/report.h"
#include "worker/worker_parts.h"

static void take_assign(struct worker *w, const struct message *m)
{
    worker_assign(w, m->envelope->assign);
}

static void report_unknown(struct worker *w, const struct attempt_name *name)
{
    report_handed_back(name, FARM__HAND_BACK_REASON__HAND_BACK_UNKNOWN, "not held here",
                       worker_report, w);
}

/* A result that is finished may be wanted all the same: the coordinator did not know of it when it
 * said that. It is offered, and goes when the answer says so. */
static void take_cancel(struct worker *w, const struct message *m)
{
    struct attempt_name name = attempt_name_read(m->envelope->cancel->attempt);
    for (size_t i = 0; i < w->slot_count; i++)
        if (slot_cancel(w->slots[i], &name)) return;
    struct outbox_entry *finished = outbox_find(&w->outbox, &name);
    if (finished)
        upload_offer(w->upload, finished);
    else
        report_unknown(w, &name);
}

static void take_recall(struct worker *w, const struct message *m)
{
    struct attempt_name name = attempt_name_read(m->envelope->recall->attempt);
    for (size_t i = 0; i < w->slot_count; i++)
        if (slot_recall(w->slots[i], &name)) return;
    struct outbox_entry *finished = outbox_find(&w->outbox, &name);
    if (!finished) {
        report_unknown(w, &name);
        return;
    }
    report_started(&name, worker_report, w);
    upload_offer(w->upload, finished);
}

static void take_drain(struct worker *w, const struct message *m)
{
    int64_t grace_ms = (int64_t)m->envelope->drain->grace_ms;
    worker_drain(w, "the coordinator asks for it",
                 grace_ms > 0 ? clock_now_ns() + grace_ms * NS_PER_MS : INT64_MAX);
}

static void take_credit(struct worker *w, const struct message *m)
{
    const Farm__Credit *credit = m->envelope->credit;
    if (credit->output == CHECKPOINT_OUTPUT)
        checkpoint_box_credit(w->checkpoints, credit);
    else
        upload_credit(w->upload, credit);
}

static void take_checkpoint_seen(struct worker *w, const struct message *m)
{
    checkpoint_box_seen(w->checkpoints, m->envelope->checkpoint_seen);
    worker_look(w);
}

static void take_stored(struct worker *w, const struct message *m)
{
    upload_stored(w->upload, m->envelope->stored);
}

static void take_dropped(struct worker *w, const struct message *m)
{
    upload_dropped(w->upload, m->envelope->dropped);
}

static void take_model_files(struct worker *w, const struct message *m)
{
    model_fetch_files(w->fetch, m->envelope->model_files);
}

static void take_file_data(struct worker *w, const struct message *m)
{
    const Farm__FileData *data = m->envelope->file_data;
    if (data->input.len == 0)
        model_fetch_data(w->fetch, data, m->payload);
    else if (w->inputs)
        input_fetch_data(input_pool_fetch(w->inputs), data, m->payload);
}

static void take_problem(struct worker *w, const struct message *m)
{
    const Farm__Envelope *e = m->envelope;
    model_fetch_problem(w->fetch, e->request, e->problem);
    if (w->inputs) input_fetch_problem(input_pool_fetch(w->inputs), e->request, e->problem);
}

static const struct {
    Farm__Envelope__BodyCase body;
    void (*take)(struct worker *w, const struct message *m);
} handlers[] = {
    {FARM__ENVELOPE__BODY_ASSIGN, take_assign},
    {FARM__ENVELOPE__BODY_CANCEL, take_cancel},
    {FARM__ENVELOPE__BODY_RECALL, take_recall},
    {FARM__ENVELOPE__BODY_DRAIN, take_drain},
    {FARM__ENVELOPE__BODY_CREDIT, take_credit},
    {FARM__ENVELOPE__BODY_CHECKPOINT_SEEN, take_checkpoint_seen},
    {FARM__ENVELOPE__BODY_STORED, take_stored},
    {FARM__ENVELOPE__BODY_DROPPED, take_dropped},
    {FARM__ENVELOPE__BODY_MODEL_FILES, take_model_files},
    {FARM__ENVELOPE__BODY_FILE_DATA, take_file_data},
    {FARM__ENVELOPE__BODY_PROBLEM, take_problem},
};

void worker_take(void *context, const struct message *message)
{
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++)
        if (handlers[i].body == message->envelope->body_case) {
            handlers[i].take(context, message);
            return;
        }
    log_debug("%s is nothing for a worker", message->kind->name);
}
