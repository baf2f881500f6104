/* What the coordinator wants of a slot, and the parts that its attempts wait for. */
#include "worker/slot_core_parts.h"

#include "base/xalloc.h"

/* ---- from the coordinator ---- */

bool slot_is_named(const struct slot_work *work, const struct attempt_name *name)
{
    return work && attempt_name_equal(&work->name, name);
}

bool slot_core_holds(const struct slot_core *s, const struct attempt_name *name)
{
    return slot_is_named(s->running, name) || slot_is_named(s->next, name);
}

static void want_parts(const struct slot_work *work, struct slot_actions *out)
{
    for (size_t i = 0; i < work->part_count; i++)
        if (!work->parts[i].path) slot_act(out, SLOT_WANT_PART, work)->part = work->parts[i].digest;
}

static const char *room_words(Farm__HandBackReason reason)
{
    return reason == FARM__HAND_BACK_REASON__HAND_BACK_DISK
               ? "no room for two results on this disk"
               : "no room on this disk beside what runs";
}

void slot_core_assign(struct slot_core *s, struct slot_work *work, Farm__HandBackReason reason,
                      int64_t now_ns, struct slot_actions *out)
{
    if (slot_core_holds(s, &work->name)) {
        slot_work_free(work);
        return;
    }
    if (s->draining || s->closed) {
        slot_hand_back(work, FARM__HAND_BACK_REASON__HAND_BACK_DRAINING, "the worker drains", out);
    } else if (reason != FARM__HAND_BACK_REASON__HAND_BACK_NONE) {
        slot_hand_back(work, reason, room_words(reason), out);
    } else if (s->next && (s->running || s->engine == SLOT_DYING)) {
        slot_hand_back(work, FARM__HAND_BACK_REASON__HAND_BACK_RECALLED, "the slot is taken", out);
    } else {
        want_parts(work, out);
        if (s->running || s->engine == SLOT_DYING)
            s->next = work;
        else
            slot_begin(s, work, now_ns);
    }
    slot_pump(s, now_ns, out);
}

static bool is_awaited(const struct slot_part *part, const struct digest *digest)
{
    return !part->path && !part->given_up && digest_equal(&part->digest, digest);
}

static bool waits_for(const struct slot_work *work, const struct digest *digest)
{
    for (size_t i = 0; work && i < work->part_count; i++)
        if (is_awaited(&work->parts[i], digest)) return true;
    return false;
}

static bool has_part(const struct slot_work *work, const struct digest *digest)
{
    for (size_t i = 0; work && i < work->part_count; i++)
        if (digest_equal(&work->parts[i].digest, digest)) return true;
    return false;
}

bool slot_core_needs(const struct slot_core *s, const struct digest *part)
{
    return has_part(s->running, part) || has_part(s->next, part);
}

static void set_path(struct slot_work *work, const struct digest *digest, const char *path)
{
    for (size_t i = 0; work && i < work->part_count; i++)
        if (is_awaited(&work->parts[i], digest)) work->parts[i].path = xstrdup(path);
}

/* One of several has come: the bytes of the next count on from here. */
static void note_arrival(struct slot_core *s, int64_t now_ns)
{
    if (slot_work_is_complete(s->running)) {
        slot_set_phase(s, FARM__PHASE__PHASE_LOADING, now_ns);
    } else {
        s->fetched_bytes = s->place.amount;
        s->sign_ns = now_ns;
    }
}

/* ---- parts that cannot be had ---- */

typedef void no_part_fn(struct slot_work *work, const char *message, struct slot_actions *out);

static void no_model(struct slot_work *work, const char *message, struct slot_actions *out)
{
    slot_refuse(work, FARM__HAND_BACK_REASON__HAND_BACK_MODEL, 0, message, out);
}

/* Nobody else will make better ones of the same file. */
static void no_pictures(struct slot_work *work, const char *message, struct slot_actions *out)
{
    slot_end(work, FARM__END_KIND__END_FAILED, message, 0, out);
}

/* The coordinator has them or makes them anew; nobody is to blame. */
static void no_result(struct slot_work *work, const char *message, struct slot_actions *out)
{
    slot_hand_back(work, FARM__HAND_BACK_REASON__HAND_BACK_RECALLED, message, out);
}

static void no_room(struct slot_work *work, const char *message, struct slot_actions *out)
{
    slot_hand_back(work, FARM__HAND_BACK_REASON__HAND_BACK_DISK, message, out);
}

/* NULL: it goes without. */
static no_part_fn *const refusals[PART_KIND_COUNT] = {
    [PART_MODEL] = no_model,     [PART_LORA] = no_model,     [PART_INIT] = no_pictures,
    [PART_MASK] = no_pictures,   [PART_LATENTS] = no_result, [PART_HELD] = no_pictures,
    [PART_BEFORE] = no_pictures, [PART_BASE] = no_result,
};

/* A file that could not be had is no bad file. */
static no_part_fn *refusal_of(enum slot_part_kind kind, const struct error *err)
{
    no_part_fn *refuse = refusals[kind];
    if (refuse && err->code == ERROR_FULL) return no_room;
    return refuse == no_pictures && err->code != ERROR_INVALID ? no_result : refuse;
}

/* What refuses the work, or NULL when it can go without. */
static no_part_fn *give_up(struct slot_work *work, const struct digest *digest,
                           const struct error *err)
{
    for (size_t i = 0; i < work->part_count; i++) {
        struct slot_part *part = &work->parts[i];
        if (!is_awaited(part, digest)) continue;
        no_part_fn *refuse = refusal_of(part->kind, err);
        if (refuse) return refuse;
        part->given_up = true;
    }
    return NULL;
}

static void lose_of_running(struct slot_core *s, const struct digest *digest,
                            const struct error *err, int64_t now_ns, struct slot_actions *out)
{
    no_part_fn *refuse = give_up(s->running, digest, err);
    if (refuse)
        refuse(slot_take_running(s), err->message, out);
    else
        note_arrival(s, now_ns);
}

static void lose_of_next(struct slot_core *s, const struct digest *digest, const struct error *err,
                         struct slot_actions *out)
{
    no_part_fn *refuse = give_up(s->next, digest, err);
    if (!refuse) return;
    refuse(s->next, err->message, out);
    s->next = NULL;
}

void slot_core_part(struct slot_core *s, const struct digest *part, const char *path,
                    const struct error *err, int64_t now_ns, struct slot_actions *out)
{
    const bool running = waits_for(s->running, part), next = waits_for(s->next, part);
    if (path) {
        set_path(s->running, part, path);
        set_path(s->next, part, path);
        if (running) note_arrival(s, now_ns);
    } else {
        if (running) lose_of_running(s, part, err, now_ns, out);
        if (next) lose_of_next(s, part, err, out);
    }
    slot_pump(s, now_ns, out);
}

void slot_core_fetched(struct slot_core *s, const struct digest *part, uint64_t bytes,
                       int64_t now_ns, struct slot_actions *out)
{
    if (!waits_for(s->running, part) || s->fetched_bytes + bytes <= s->place.amount) return;
    s->place.amount = s->fetched_bytes + bytes;
    s->sign_ns = now_ns;
    slot_say_progress(s, now_ns, out);
}

/* ---- cancel and recall ---- */

static void cancel_running(struct slot_core *s, int64_t now_ns, struct slot_actions *out)
{
    if (s->engine == SLOT_DYING && s->intent != SLOT_NO_INTENT) {
        s->intent = SLOT_INTENT_CANCEL; /* nobody wants to know how it would have ended */
    } else if (s->engine != SLOT_BUSY) {
        slot_end(slot_take_running(s), FARM__END_KIND__END_CANCELED, "canceled", 0, out);
    } else if (s->intent == SLOT_NO_INTENT) {
        s->intent = SLOT_INTENT_CANCEL;
        s->stop_by_ns = now_ns + SLOT_CANCEL_NS;
        slot_act(out, SLOT_STOP, s->running);
    }
}

bool slot_core_cancel(struct slot_core *s, const struct attempt_name *name, int64_t now_ns,
                      struct slot_actions *out)
{
    if (slot_is_named(s->next, name)) {
        slot_end(s->next, FARM__END_KIND__END_CANCELED, "canceled", 0, out);
        s->next = NULL;
    } else if (slot_is_named(s->running, name)) {
        cancel_running(s, now_ns, out);
    } else {
        return false;
    }
    slot_pump(s, now_ns, out);
    return true;
}

bool slot_core_recall(struct slot_core *s, const struct attempt_name *name, int64_t now_ns,
                      struct slot_actions *out)
{
    (void)now_ns;
    if (slot_is_named(s->next, name)) {
        slot_hand_back(s->next, FARM__HAND_BACK_REASON__HAND_BACK_RECALLED, "recalled", out);
        s->next = NULL;
        return true;
    }
    if (!slot_is_named(s->running, name)) return false;
    slot_act(out, SLOT_STARTED, s->running);
    return true;
}
