/* By the names of owners. */
#include "coordinator/scope.h"

#include <stdio.h>
#include <string.h>

#include "coordinator/dispatch.h"
#include "coordinator/shell.h"
#include "coordinator/store_access.h"

bool scope_sees_all(const struct dispatch *d)
{
    return d->sender->role != MESSAGE_FROM_SUBMIT;
}

bool scope_sees(const struct dispatch *d, const char *owner)
{
    return scope_sees_all(d) || strcmp(owner, d->sender->name) == 0;
}

const char *scope_owner(const struct dispatch *d)
{
    return d->sender->role != MESSAGE_FROM_SUBMIT ? "" : d->sender->name;
}

/* Whose it is is nobody's business but the audit log's. */
static void hide(struct dispatch *d, const char *batch)
{
    d->hidden = true;
    (void)snprintf(d->subject, sizeof(d->subject), "%s", batch);
}

bool scope_sees_batch(struct dispatch *d, const char *batch, const char *owner)
{
    if (scope_sees(d, owner)) return true;
    hide(d, batch);
    return false;
}

/* The newest of the sender's own that begins so; counts them. */
static uint32_t find_own(struct dispatch *d, const char *text, struct batch_info *out)
{
    struct farm_totals totals;
    struct batch_info info;
    uint32_t hits = 0;
    const bool last = strcmp(text, "last") == 0;
    const size_t size = strlen(text);
    farm_totals(d->c->farm, &totals);
    for (uint64_t i = totals.batches; i-- > 0 && farm_batch_at(d->c->farm, i, &info);) {
        if (!last && strncmp(info.id, text, size) != 0) continue;
        if (!scope_sees(d, info.owner)) {
            if (strcmp(info.id, text) == 0) hide(d, info.id);
            continue;
        }
        if (hits++ == 0) *out = info;
        if (last) break;
    }
    return hits;
}

bool scope_find(struct dispatch *d, const char *text, struct batch_info *out, struct error *err)
{
    if (d->sender->role != MESSAGE_FROM_SUBMIT) return farm_batch_find(d->c->farm, text, out, err);
    uint32_t hits = 1;
    if (!farm_batch_info(d->c->farm, text, out) || !scope_sees(d, out->owner))
        hits = find_own(d, text, out);
    if (hits == 1) return true;
    if (hits > 1)
        return error_set(err, ERROR_USAGE, "%u batches begin with %s: give more of the id",
                         (unsigned)hits, text);
    return error_set(err, ERROR_NOT_FOUND, "no batch %s; see zoe batch list", text);
}

bool scope_sees_file(const struct dispatch *d, const struct digest *digest)
{
    if (d->sender->role != MESSAGE_FROM_SUBMIT) return true;
    return store_owner_uses(d->c->store, d->sender->name, digest);
}

uint32_t scope_filter(const struct dispatch *d, struct running_info *list, uint32_t count)
{
    struct batch_brief info;
    uint32_t kept = 0;
    if (d->sender->role != MESSAGE_FROM_SUBMIT) return count;
    for (uint32_t i = 0; i < count; i++) {
        if (!farm_batch_brief(d->c->farm, list[i].attempt.task.batch, &info)) continue;
        if (scope_sees(d, info.owner)) list[kept++] = list[i];
    }
    return kept;
}
