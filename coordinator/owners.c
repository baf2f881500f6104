/* Two tables, and a pointer from the second into the first. */
#include "coordinator/owners.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/xalloc.h"

struct published {
    struct owner_entry *owner;
    uint64_t bytes;
};

void owners_init(struct owners *o)
{
    table_init(&o->by_name);
    table_init(&o->published);
}

void owners_finish(struct owners *o)
{
    table_finish_all(&o->by_name);
    table_finish_all(&o->published);
}

struct owner_entry *owners_get(struct owners *o, const char *name)
{
    struct owner_entry *owner = table_get_text(&o->by_name, name);
    if (owner != NULL) return owner;
    owner = xcalloc(1, sizeof(*owner));
    (void)snprintf(owner->name, sizeof(owner->name), "%s", name);
    bucket_init(&owner->submits, SUBMITS_BURST, SUBMITS_PER_S, 0);
    bucket_init(&owner->changes, CHANGES_BURST, CHANGES_PER_S, 0);
    (void)table_set_text(&o->by_name, name, owner);
    return owner;
}

bool owners_has(const struct owners *o, const char *name)
{
    return table_get_text(&o->by_name, name) != NULL;
}

bool owners_are(const struct owners *o, const struct store_owner *row)
{
    const struct owner_entry *owner = table_get_text(&o->by_name, row->name);
    return owner != NULL && owner->share == row->share && owner->max_batches == row->max_batches &&
           owner->max_tasks == row->max_tasks && owner->max_bytes == row->max_bytes;
}

void owners_set(struct owners *o, const struct store_owner *row)
{
    struct owner_entry *owner = owners_get(o, row->name);
    owner->share = row->share;
    owner->max_batches = row->max_batches;
    owner->max_tasks = row->max_tasks;
    owner->max_bytes = row->max_bytes;
}

void owners_published(struct owners *o, const char *batch, const char *owner, uint64_t bytes)
{
    struct published *p = table_get_text(&o->published, batch);
    if (p == NULL) {
        p = xcalloc(1, sizeof(*p));
        p->owner = owners_get(o, owner);
        (void)table_set_text(&o->published, batch, p);
    }
    p->bytes += bytes;
    p->owner->bytes += bytes;
}

void owners_removed(struct owners *o, const char *batch)
{
    struct published *p = table_remove_text(&o->published, batch);
    if (p != NULL) p->owner->bytes -= p->bytes;
    free(p);
}

static void load_owner(void *context, const struct store_owner *row)
{
    owners_set(context, row);
}

static void load_published(void *context, const char *batch, const char *owner, uint64_t bytes)
{
    owners_published(context, batch, owner, bytes);
}

bool owners_load(struct owners *o, struct store *store, struct error *err)
{
    return store_each_owner(store, load_owner, o, err) &&
           store_each_published(store, load_published, o, err);
}
