#include "coordinator/namesake.h"

#include "coordinator/opinion.h"
#include "coordinator/retry.h"
#include "coordinator/worker_core.h"

/* ---- who is named ---- */

static bool was_lost_with(const struct hazard *h, const struct worker *w)
{
    for (uint32_t i = 0; i < h->worker_count; i++) {
        if (h->workers[i] == w) return true;
    }
    return h->host == w;
}

static bool has_spoken(const struct opinion *o, const struct worker *w)
{
    if (o == NULL) return false;
    for (uint32_t i = 0; i < o->view_count; i++) {
        if (o->views[i].by == w) return true;
    }
    return o->first == w;
}

/* What it made, too: it is taken back when its maker turns out to be wrong (W8), and who goes on
 * from another's checkpoint is not to blame for it (T6). */
static bool has_part_in(const struct task *t, const struct worker *w)
{
    return t->winner == w || t->checkpoint.worker == w || retry_is_blamed(t, w) ||
           was_lost_with(&t->hazard, w) || has_spoken(t->opinion, w);
}

static bool is_named_in(const struct batch *b, const struct worker *w)
{
    const struct task *t = NULL;
    for (size_t i = 0; (t = table_next(&b->tasks, &i, NULL, NULL)) != NULL;) {
        if (has_part_in(t, w)) return true;
    }
    return false;
}

static bool is_still_here(const struct worker *w)
{
    return w->session != 0 || !chain_is_empty(&w->attempts);
}

bool namesake_may_come(const struct farm *f, const char *name)
{
    const struct worker *before = worker_find(f, name);
    if (before == NULL) return true;
    if (before->quarantined || is_still_here(before)) return false;
    for (size_t i = 0; i < f->batches.count; i++) {
        if (is_named_in(f->order[i], before)) return false;
    }
    return true;
}

/* ---- coming ---- */

void namesake_comes(struct farm *f, const char *name)
{
    struct worker *w = worker_find(f, name);
    if (w == NULL) return;
    w->standing = (struct standing){.held = false};
    w->canary.wrong = 0;
    roster_touch(f, w); /* who is shaky gets nothing prefetched */
}
