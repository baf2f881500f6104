/* The words are for people; codes are for programs and stay. A line follows upon "SUBJECT is
 * STATE", and does not say the state once more. */
#include "coordinator/farm_explain.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "coordinator/attempt.h"
#include "coordinator/clip.h"
#include "coordinator/opinion.h"
#include "coordinator/pin.h"
#include "coordinator/reasons.h"
#include "coordinator/refusal.h"
#include "coordinator/shortage.h"

#define AGE_BYTES 64
#define QUARANTINED "quarantined"

/* ---- the line ---- */

static void say(struct explanation *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* One more piece at the end; what does not fit is cut. */
static void say(struct explanation *out, const char *format, ...)
{
    size_t used = strlen(out->line);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(out->line + used, sizeof(out->line) - used, format, args);
    va_end(args);
}

/* What stands between the line so far and one more piece. */
static const char *after(const struct explanation *out, const char *between)
{
    return out->line[0] != '\0' ? between : "";
}

static void say_reason(struct explanation *out, const struct reason_info *r)
{
    out->code = r->code;
    say(out, "%s%s", after(out, "waits: "), r->message);
}

static const char *age_text(int64_t ns, char text[AGE_BYTES])
{
    clock_duration_text(ns > 0 ? ns : 0, text, AGE_BYTES);
    return text;
}

/* ---- attempts ---- */

static const char *phase_words(enum attempt_phase phase)
{
    static const char *const words[PHASE_COUNT] = {
        [PHASE_NONE] = "begins",
        [PHASE_PREFETCHED] = "is next in line",
        [PHASE_FETCHING] = "is waiting for its model to arrive",
        [PHASE_LOADING] = "is waiting for its model to load",
        [PHASE_RENDERING] = "renders",
        [PHASE_DECODING] = "decodes its frames",
        [PHASE_UPLOADING] = "brings its result",
    };
    return phase < PHASE_COUNT ? words[phase] : words[PHASE_NONE];
}

static void say_upload(struct explanation *out, const struct attempt *a)
{
    const struct upload *u = a->upload;
    const char *worker = a->worker->name;
    if (u->complete) {
        out->code = "checking";
        say(out, "its result from %s is being checked", worker);
        return;
    }
    out->code = "uploading";
    say(out, "its result is on its way from %s: %llu of %llu bytes", worker,
        (unsigned long long)u->received[u->current],
        (unsigned long long)u->outputs[u->current].size_bytes);
}

static void say_attempt(struct explanation *out, const struct attempt *a, int64_t now_ns)
{
    char age[AGE_BYTES];
    if (a->upload != NULL) {
        say_upload(out, a);
        return;
    }
    out->code = a->place == ATTEMPT_NEXT ? "prefetched" : "running";
    say(out, "%s on %s, slot %u",
        a->place == ATTEMPT_NEXT ? "is next in line" : phase_words(a->phase), a->worker->name,
        (unsigned)a->slot);
    if (a->steps > 0 && a->step > 0)
        say(out, ", step %u of %u", (unsigned)a->step, (unsigned)a->steps);
    if (a->place == ATTEMPT_RUNNING) say(out, ", for %s", age_text(now_ns - a->begun_ns, age));
    if (a->worker->presence == WORKER_SILENT) {
        out->code = "worker_silent";
        say(out, "; the worker is not heard");
    }
}

/* ---- tasks ---- */

static void say_history(struct explanation *out, const struct task *t)
{
    if (t->attempts == 0 || t->last_end == END_LIVE) return;
    say(out, "; %u tries so far, the last that counted: %s", (unsigned)t->attempts,
        attempt_end_name(t->last_end));
    if (t->last_message != NULL && t->last_message[0] != '\0')
        say(out, " (%.200s)", t->last_message);
}

/* T9, W8 */
static void say_opinion(struct explanation *out, const struct task *t)
{
    const struct opinion *o = t->opinion;
    if (o == NULL) return;
    if (o->suspect == SUSPECT_NONE)
        say(out, "; it is rendered more than once, to compare");
    else
        say(out, "; it is rendered once more, because what %s made was %s", o->first->name,
            suspect_name(o->suspect));
}

static void say_retry(struct explanation *out, const struct farm *f, const struct task *t,
                      int64_t now_ns)
{
    char age[AGE_BYTES];
    const int64_t left_ns = t->again.node.deadline_ns + f->timers.stretched_ns - now_ns;
    out->code = "retry_wait";
    say(out, "%sfor its next try in %s", after(out, "waits "), age_text(left_ns, age));
    if (t->returns > 0)
        say(out, "; it came back %u times before it could begin, the last: %.200s",
            (unsigned)t->returns, t->return_message);
}

static bool say_missing_input(struct explanation *out, const struct work *w, uint32_t number)
{
    struct plan_task task;
    plan_task(&w->group->shape.plan, number, &task);
    for (uint32_t i = 0; i < task.input_count; i++) {
        const struct task *t = task_find(w->batch, w->clip, task.inputs[i].task);
        if (t != NULL && t->state == TASK_DONE) continue;
        out->code = "inputs";
        say(out, "%sfor task %u, which %s", after(out, "waits "), (unsigned)task.inputs[i].task,
            t != NULL && t->state == TASK_LEASED ? "is being rendered" : "waits itself");
        return true;
    }
    return false;
}

static void say_waiting(struct explanation *out, const struct farm *f, const struct work *w,
                        const struct task *t, uint32_t number, int64_t now_ns)
{
    struct reason_info held;
    if (reason_of_batch(f, w->batch, &held)) {
        say_reason(out, &held);
    } else if (t != NULL && deadline_is_set(&t->again)) {
        say_retry(out, f, t, now_ns);
    } else if (!say_missing_input(out, w, number)) {
        held = reason_of_work(f, w);
        say_reason(out, &held);
    }
    if (t != NULL) say_history(out, t);
}

static void explain_open(struct explanation *out, const struct farm *f, const struct work *w,
                         uint32_t number, int64_t now_ns)
{
    const struct task *t = task_find(w->batch, w->clip, number);
    out->state = task_state_name(t != NULL ? t->state : TASK_WAITING);
    if (t != NULL && t->state == TASK_LEASED) {
        const struct attempt *a = CHAIN_OWNER(t->live.next, struct attempt, of_task);
        say_attempt(out, a, now_ns);
        if (t->live.next != t->live.prev) say(out, "; a second copy runs elsewhere");
    } else if (t != NULL && t->state == TASK_DONE) {
        out->code = "stored";
        say(out, "%sits result is stored", after(out, "is done: "));
    } else {
        say_waiting(out, f, w, t, number, now_ns);
    }
    if (t != NULL) say_opinion(out, t);
}

/* ---- clips ---- */

struct words {
    const char *code, *line;
};

static struct words clip_words(enum clip_state state)
{
    static const struct words all[CLIP_STATE_COUNT] = {
        [CLIP_STITCHING] = {"stitching", "its video is being made"},
        [CLIP_PUBLISHING] = {"publishing", "its video gets its name"},
        [CLIP_PUBLISHED] = {"published", ""},
        [CLIP_FAILED] = {"failed", ""},
        [CLIP_CANCELED] = {"canceled", "with its batch"},
    };
    const char *name = clip_state_name(state);
    return all[state].code != NULL ? all[state] : (struct words){name, name};
}

/* Nothing of it was ever started. */
static void explain_fresh(struct explanation *out, const struct farm *f, struct batch *b,
                          uint32_t clip)
{
    struct reason_info held;
    if (!reason_of_batch(f, b, &held)) held = reason_of_fresh(f, clip_group(b, clip));
    out->state = task_state_name(TASK_WAITING);
    say_reason(out, &held);
}

/* The first task of it that something can be said of: one that runs, or else one that waits. */
static uint32_t telling_task(const struct work *w)
{
    uint32_t waiting = 0;
    bool found = false;
    CHAIN_EACH(link, &w->tasks)
    {
        const struct task *t = CHAIN_OWNER(link, struct task, of_work);
        if (t->state == TASK_LEASED) return t->number;
        if (t->state == TASK_WAITING && !found) {
            waiting = t->number;
            found = true;
        }
    }
    return waiting;
}

static bool explain_part(const struct farm *f, const char *batch, uint32_t clip,
                         const uint32_t *task, int64_t now_ns, struct explanation *out)
{
    struct batch *b = batch_find(f, batch);
    if (b == NULL || clip >= b->clips) return false;
    const struct group *g = clip_group(b, clip);
    if (task != NULL && *task >= g->tasks) return false;
    const enum clip_state state = clip_state(b, clip);
    const struct work *w = work_find(b, clip);
    *out = (struct explanation){.kind = task != NULL ? "task" : "clip", .code = ""};
    if (state == CLIP_WAITING) {
        explain_fresh(out, f, b, clip);
    } else if (state >= CLIP_STITCHING || w == NULL) {
        const struct words words = clip_words(state);
        out->state = clip_state_name(state);
        out->code = words.code;
        say(out, "%s", words.line);
        out->forgotten = state == CLIP_PUBLISHED || state == CLIP_FAILED;
    } else {
        const uint32_t number = task != NULL ? *task : telling_task(w);
        if (task == NULL && g->tasks > 1)
            say(out, "%u of %u tasks are done; task %u ", (unsigned)w->done, (unsigned)g->tasks,
                (unsigned)number);
        explain_open(out, f, w, number, now_ns);
    }
    return true;
}

bool farm_explain_task(const struct farm *f, const struct task_key *key, int64_t now_ns,
                       struct explanation *out)
{
    return explain_part(f, key->batch, key->clip, &key->task, now_ns, out);
}

bool farm_explain_clip(const struct farm *f, const char *batch, uint32_t clip, int64_t now_ns,
                       struct explanation *out)
{
    return explain_part(f, batch, clip, NULL, now_ns, out);
}

/* ---- batches ---- */

static void say_counts(struct explanation *out, const struct batch *b)
{
    const uint64_t *n = b->counts.by_state;
    say(out, "%llu of %u clips published", (unsigned long long)n[CLIP_PUBLISHED],
        (unsigned)b->clips);
    if (n[CLIP_LEASED] > 0) say(out, ", %llu running", (unsigned long long)n[CLIP_LEASED]);
    if (n[CLIP_FAILED] > 0)
        say(out, ", %llu failed (`zoe batch retry %s` tries them again)",
            (unsigned long long)n[CLIP_FAILED], b->id);
}

bool farm_explain_batch(const struct farm *f, const char *batch, int64_t now_ns,
                        struct explanation *out)
{
    const struct batch *b = batch_find(f, batch);
    if (b == NULL) return false;
    const char *state = batch_state_name(b->state);
    *out = (struct explanation){.kind = "batch", .state = state, .code = state};
    say_counts(out, b);
    out->reason_count = farm_batch_reasons(f, batch, now_ns, out->reasons);
    if (out->reason_count == 0) return true;
    out->code = out->reasons[0].code;
    say(out, "; %llu wait: %s", (unsigned long long)out->reasons[0].count, out->reasons[0].message);
    return true;
}

/* ---- workers ---- */

static const struct words *words_of(enum worker_state state)
{
    static const struct words all[WORKER_STATE_COUNT] = {
        [WORKER_JOINING] = {"joining", "it has just joined and will render a canary first"},
        [WORKER_CANARY] = {"canary", "it renders a canary, whose answer is known, to show that it "
                                     "works"},
        [WORKER_IDLE] = {"", ""},
        [WORKER_BUSY] = {"", ""},
        [WORKER_DRAINING] = {"draining", "it takes no new work and finishes what it holds"},
        [WORKER_DRAINED] = {"drained", "it has left"},
        [WORKER_UNREACHABLE] = {"unreachable", "it is not heard; what it holds is given to others "
                                               "when that lasts"},
        [WORKER_QUARANTINED] = {QUARANTINED, ""},
        [WORKER_OFFLINE] = {"offline", "it is not connected"},
    };
    return &all[state];
}

static void say_refusals(struct explanation *out, const struct worker *w)
{
    const unsigned count = refusal_count(w);
    if (count == 0) return;
    if (out->code[0] == '\0') out->code = "refuses";
    say(out, "%sit refused %u kinds of work for want of memory or of a model", after(out, "; "),
        count);
}

static void say_shortages(struct explanation *out, const struct worker *w)
{
    const unsigned count = shortage_count(w);
    if (count > 0) say(out, "%sits disk had no room for %u kinds of work", after(out, "; "), count);
}

static void say_what_it_holds(struct explanation *out, const struct worker *w)
{
    uint32_t running = 0, next = 0;
    for (uint32_t i = 0; i < w->slot_count; i++) {
        running += w->slots[i].running != NULL;
        next += w->slots[i].next != NULL;
    }
    if (running + next == 0) return;
    say(out, "%s%u of %u slots run, %u tasks are next in line", after(out, ": "), (unsigned)running,
        (unsigned)w->slot_count, (unsigned)next);
}

static void say_guest(struct explanation *out, const struct worker *w, const char *owner)
{
    if (w->guest == NULL) return;
    const struct batch *b = w->guest->batch;
    out->code = "hazard";
    say(out, "%sit does nothing else beside ", after(out, "; "));
    if (owner[0] == '\0' || strcmp(owner, b->owner) == 0)
        say(out, "%s/%u, which may kill its worker", b->id, (unsigned)w->guest->clip);
    else
        say(out, "a task that may kill its worker");
}

/* Why somebody who could work does not. */
static void say_idleness(struct explanation *out, const struct farm *f, const struct worker *w)
{
    if (w->state != WORKER_IDLE) return;
    if (w->disk_low) {
        out->code = "worker_disk";
        say(out, "its disk has no room for two results");
    } else if (w->crowded) {
        out->code = "crowded";
        say(out, "it has not yet let go of what was canceled");
    } else if (f->disk_low) {
        out->code = "disk_low";
        say(out, "the coordinator's disk is nearly full");
    } else {
        out->code = chain_is_empty(&f->ready) ? "no_work" : "nothing_fits";
        say(out, "%s",
            chain_is_empty(&f->ready) ? "nothing waits" : "nothing that waits is for it");
    }
}

/* One that is away would get nothing here either. */
static void say_quarantine(struct explanation *out, const struct worker *w)
{
    out->code = QUARANTINED;
    if (w->state != WORKER_QUARANTINED)
        say(out, "%sit is in quarantine all the same, ", after(out, "; "));
    if (w->standing.held)
        say(out, "kept from work by %s until `zoe worker readmit %s`: %.200s", w->by, w->name,
            w->reason);
    else
        say(out,
            "kept from work until a canary comes out right, or `zoe worker readmit %s`: %.200s",
            w->name, w->reason);
}

static void say_why(struct explanation *out, const struct worker *w)
{
    if (w->quarantined)
        say_quarantine(out, w);
    else if (w->reason[0] != '\0')
        say(out, out->line[0] != '\0' ? " (%.200s)" : "%.200s", w->reason);
}

bool farm_explain_worker(const struct farm *f, const char *worker, const char *owner,
                         int64_t now_ns, struct explanation *out)
{
    const struct worker *w = worker_find(f, worker);
    (void)now_ns;
    if (w == NULL) return false;
    const struct words *words = words_of(w->state);
    *out = (struct explanation){
        .kind = "worker", .state = worker_state_name(w->state), .code = words->code};
    say(out, "%s", words->line);
    say_what_it_holds(out, w);
    say_idleness(out, f, w);
    say_guest(out, w, owner);
    say_why(out, w);
    say_refusals(out, w);
    say_shortages(out, w);
    if (out->code[0] == '\0') out->code = out->state;
    if (out->line[0] == '\0') say(out, "it works");
    return true;
}
