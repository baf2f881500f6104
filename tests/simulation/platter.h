/* platter: the stored files of a simulated farm: what was synced, what a power cut takes, and which
 * file a row of the store claims (I10). */
#ifndef ZOE_TESTS_SIMULATION_PLATTER_H
#define ZOE_TESTS_SIMULATION_PLATTER_H

#include "simulation/chance.h"
#include "simulation/ledger.h"

struct disk_file { /* under its digest's name */
    struct digest sha256;
    bool content_synced, name_synced;
    bool had_row;
    bool there;
};

struct disk {
    struct disk_file *files;
    size_t count;
};

static inline struct disk_file *disk_file(const struct disk *d, const struct digest *sha256)
{
    for (size_t i = 0; i < d->count; i++) {
        bool same = memcmp(&d->files[i].sha256, sha256, sizeof(*sha256)) == 0;
        if (d->files[i].there && same) return &d->files[i];
    }
    return NULL;
}

static inline struct disk_file *disk_put(struct disk *d, const struct digest *sha256)
{
    struct disk_file *f = disk_file(d, sha256);
    for (size_t i = 0; i < d->count && f == NULL; i++) {
        if (!d->files[i].there) f = &d->files[i];
    }
    if (f == NULL) {
        d->files = ledger_grow(d->files, &d->count, sizeof(*d->files));
        f = &d->files[d->count - 1];
    }
    if (!f->there) *f = (struct disk_file){.sha256 = *sha256, .there = true};
    return f;
}

static inline bool disk_is_claimed(const struct ledger *l, const struct digest *sha256)
{
    for (size_t i = 0; i < l->output_count; i++) {
        if (memcmp(&l->outputs[i].output.sha256, sha256, sizeof(*sha256)) == 0) return true;
    }
    return false;
}

/* What no row claims any more goes; with `all` also what none ever claimed, as at a start. */
static inline void disk_sweep(struct disk *d, const struct ledger *l, bool all)
{
    for (size_t i = 0; i < d->count; i++) {
        struct disk_file *f = &d->files[i];
        if (f->there && (all || f->had_row) && !disk_is_claimed(l, &f->sha256)) f->there = false;
    }
}

/* What was not synced may be gone. */
static inline void disk_cut(struct disk *d, struct chance *how)
{
    for (size_t i = 0; i < d->count; i++) {
        struct disk_file *f = &d->files[i];
        bool safe = f->content_synced && f->name_synced;
        if (f->there && !safe) f->there = !chance_one_in(how, 2);
        f->content_synced = f->name_synced = f->there;
    }
}

/* I10: each row's file exists. */
static inline bool disk_check(const struct disk *d, const struct ledger *l, struct error *err)
{
    for (size_t i = 0; i < l->output_count; i++) {
        const struct task_key *key = &l->outputs[i].task;
        if (disk_file(d, &l->outputs[i].output.sha256) == NULL)
            return error_set(err, ERROR_INTERNAL, "I10: a row without its file (%s/%u.%u)",
                             key->batch, (unsigned)key->clip, (unsigned)key->task);
    }
    return true;
}

#endif
