/* artifacts: see the header. An upload that is being sealed belongs to a pool thread for its
 * temporary, to the loop thread for everything else. */
#include "coordinator/artifacts.h"

#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/table.h"
#include "base/xalloc.h"
#include "coordinator/store.h"
#include "proto/limits.h"

struct artifacts {
    const struct artifact_backend *backend;
    void *self;
    struct store *store;
    uv_loop_t *loop;
    struct table open;   /* name -> struct artifact_upload */
    struct table held;   /* digest -> how often, as a pointer's number */
    struct digest swept; /* up to which digest; zero: from the beginning */
    int sealing;
    bool closed;
};

struct artifact_upload {
    struct artifacts *owner;
    char *name;
    struct digest digest;
    uint64_t size_bytes;
    uint64_t offset;
    /* while sealing: */
    uv_work_t work;
    artifact_done done; /* NULL: closed meanwhile */
    void *context;
    bool sealing;
    bool sealed_ok;
    struct digest found;
    uint64_t found_bytes;
    struct error err;
};

/* ---- life ---- */

struct artifacts *artifacts_open(const struct artifact_backend *backend, const char *place,
                                 struct store *store, uv_loop_t *loop, struct error *err)
{
    void *self = backend->open(place, err);
    if (self == NULL) return NULL;
    struct artifacts *a = xcalloc(1, sizeof *a);
    a->backend = backend;
    a->self = self;
    a->store = store;
    a->loop = loop;
    table_init(&a->open);
    table_init(&a->held);
    return a;
}

static void free_upload(struct artifact_upload *u)
{
    free(u->name);
    free(u);
}

static void free_if_done(struct artifacts *a)
{
    if (!a->closed || a->sealing > 0) return;
    table_finish(&a->open);
    table_finish(&a->held);
    a->backend->close(a->self);
    free(a);
}

void artifacts_close(struct artifacts *a)
{
    if (a == NULL) return;
    struct artifact_upload *u;
    for (size_t i = 0; (u = table_next(&a->open, &i, NULL, NULL)) != NULL;)
        artifact_upload_close(u, true);
    a->closed = true;
    free_if_done(a);
}

/* ---- uploads ---- */

struct artifact_upload *artifact_upload_open(struct artifacts *a, const char *name,
                                             const struct digest *digest, uint64_t size_bytes,
                                             struct error *err)
{
    uint64_t have;
    ZOE_ASSERT(table_get_text(&a->open, name) == NULL);
    if (size_bytes > LIMIT_SEGMENT_BYTES) {
        error_set(err, ERROR_REFUSED, "an artifact of %llu bytes is too large",
                  (unsigned long long)size_bytes);
        return NULL;
    }
    if (!a->backend->size(a->self, name, &have, err)) return NULL;
    if (have > size_bytes) {
        a->backend->discard(a->self, name);
        have = 0;
    }
    struct artifact_upload *u = xcalloc(1, sizeof *u);
    u->owner = a;
    u->name = xstrdup(name);
    u->digest = *digest;
    u->size_bytes = size_bytes;
    u->offset = have;
    table_set_text(&a->open, name, u);
    return u;
}

uint64_t artifact_upload_offset(const struct artifact_upload *u)
{
    return u->offset;
}

uint64_t artifact_upload_size(const struct artifact_upload *u)
{
    return u->size_bytes;
}

bool artifact_upload_write(struct artifact_upload *u, uint64_t offset, const void *data,
                           size_t size_bytes, struct error *err)
{
    struct artifacts *a = u->owner;
    ZOE_ASSERT(!u->sealing);
    if (offset > u->offset || size_bytes > u->size_bytes || offset > u->size_bytes - size_bytes)
        return error_set(err, ERROR_INVALID, "bytes %llu..+%zu do not belong at %llu of %llu",
                         (unsigned long long)offset, size_bytes, (unsigned long long)u->offset,
                         (unsigned long long)u->size_bytes);
    uint64_t end = offset + size_bytes;
    if (end <= u->offset) return true; /* a doubled chunk */
    size_t skip = (size_t)(u->offset - offset);
    if (!a->backend->write(a->self, u->name, u->offset, (const uint8_t *)data + skip,
                           size_bytes - skip, err))
        return false;
    u->offset = end;
    return true;
}

static uintptr_t holds(const struct artifacts *a, const struct digest *digest)
{
    return (uintptr_t)table_get(&a->held, digest->bytes, DIGEST_BYTES);
}

static void set_holds(struct artifacts *a, const struct digest *digest, uintptr_t count)
{
    if (count == 0) {
        (void)table_remove(&a->held, digest->bytes, DIGEST_BYTES);
    } else {
        (void)table_set(&a->held, digest->bytes, DIGEST_BYTES, (void *)count);
    }
}

static void seal(uv_work_t *work)
{
    struct artifact_upload *u = work->data;
    const struct artifacts *a = u->owner;
    u->sealed_ok = a->backend->seal(a->self, u->name, &u->found, &u->found_bytes, &u->err);
}

/* Loop thread: the sealed temporary becomes the artifact, or goes. */
static bool keep(struct artifact_upload *u)
{
    struct artifacts *a = u->owner;
    if (!u->sealed_ok) return false;
    if (!digest_equal(&u->found, &u->digest) || u->found_bytes != u->size_bytes) {
        a->backend->discard(a->self, u->name);
        return error_set(&u->err, ERROR_INVALID, "the bytes have another digest");
    }
    if (!a->backend->keep(a->self, u->name, &u->digest, &u->err)) return false;
    set_holds(a, &u->digest, holds(a, &u->digest) + 1);
    fault_point("artifact.renamed");
    return true;
}

static void on_sealed(uv_work_t *work, int status)
{
    struct artifact_upload *u = work->data;
    struct artifacts *a = u->owner;
    if (status != 0) u->sealed_ok = error_set(&u->err, ERROR_IO, "hashing was canceled");
    a->sealing--;
    if (u->done != NULL) {
        bool ok = keep(u);
        table_remove_text(&a->open, u->name);
        u->done(u->context, ok ? NULL : &u->err);
    }
    free_upload(u);
    free_if_done(a);
}

/* Nothing was ever written for an artifact without bytes. */
static bool make_empty(struct artifact_upload *u)
{
    struct artifacts *a = u->owner;
    return u->size_bytes > 0 || a->backend->write(a->self, u->name, 0, "", 0, &u->err);
}

void artifact_upload_finish(struct artifact_upload *u, artifact_done done, void *context)
{
    ZOE_ASSERT(u->offset == u->size_bytes && !u->sealing);
    u->done = done;
    u->context = context;
    u->sealing = true;
    u->work.data = u;
    u->owner->sealing++;
    (void)make_empty(u); /* a failure shows when it is sealed */
    int code = uv_queue_work(u->owner->loop, &u->work, seal, on_sealed);
    ZOE_ASSERT(code == 0); /* it fails for a missing callback only */
}

void artifact_upload_close(struct artifact_upload *u, bool keep_temporary)
{
    if (u == NULL) return;
    struct artifacts *a = u->owner;
    table_remove_text(&a->open, u->name);
    /* At once, even under the pool thread's hands: the name may be opened anew before it ends. */
    if (!keep_temporary) a->backend->discard(a->self, u->name);
    u->done = NULL;
    if (!u->sealing) free_upload(u);
}

void artifacts_discard(struct artifacts *a, const char *name)
{
    if (table_get_text(&a->open, name) == NULL) a->backend->discard(a->self, name);
}

/* ---- uses ---- */

struct digests {
    struct digest *items;
    size_t count, capacity;
};

static void add_digest(void *context, const struct digest *digest)
{
    struct digests *list = context;
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 16;
        list->items = xrealloc_array(list->items, list->capacity, sizeof *list->items);
    }
    list->items[list->count++] = *digest;
}

/* A file that cannot be unlinked stays in the store as unused and is tried again. */
static void remove_unused(struct artifacts *a, const struct digest *digest)
{
    struct error err;
    uint64_t uses;
    if (holds(a, digest) > 0) return;
    if (!store_artifact_uses(a->store, digest, &uses, &err) || uses > 0) return;
    if (a->backend->remove(a->self, digest, &err))
        store_artifact_forget(a->store, digest);
    else
        log_warn("an unused artifact stays: %s", err.message);
}

/* Unlinking a large file takes a millisecond on a disk that is busy. */
#define SWEEP_FILES 256

bool artifacts_sweep(struct artifacts *a, bool anew)
{
    struct digests list = {0};
    struct error err;
    if (anew) a->swept = (struct digest){{0}};
    if (!store_each_unused(a->store, &a->swept, SWEEP_FILES, add_digest, &list, &err))
        log_warn("unused artifacts stay: %s", err.message);
    for (size_t i = 0; i < list.count; i++)
        remove_unused(a, &list.items[i]);
    const bool more = list.count == SWEEP_FILES;
    a->swept = more ? list.items[list.count - 1] : (struct digest){{0}};
    free(list.items);
    return more;
}

/* Its row, if it has one, is the next sweep's to forget. */
void artifacts_release(struct artifacts *a, const struct digest *digest)
{
    struct error err;
    uint64_t uses;
    uintptr_t count = holds(a, digest);
    ZOE_ASSERT(count > 0);
    set_holds(a, digest, count - 1);
    if (count > 1 || !store_artifact_uses(a->store, digest, &uses, &err) || uses > 0) return;
    if (!a->backend->remove(a->self, digest, &err))
        log_warn("an unused artifact stays: %s", err.message);
}

bool artifacts_remove_damaged(struct artifacts *a, const struct digest *digest, struct error *err)
{
    return holds(a, digest) > 0 || a->backend->remove(a->self, digest, err);
}

char *artifacts_path(struct artifacts *a, const struct digest *digest)
{
    return a->backend->path(a->self, digest);
}

bool artifacts_has(struct artifacts *a, const struct digest *digest, uint64_t size_bytes)
{
    struct stat info;
    char *path = artifacts_path(a, digest);
    const bool has = path != NULL && stat(path, &info) == 0 && info.st_size >= 0 &&
                     (uint64_t)info.st_size == size_bytes;
    free(path);
    return has;
}

/* ---- start ---- */

struct recovery {
    struct artifacts *a;
    const struct artifacts_claims *claims;
    int64_t old_ms;     /* files from before may go */
    struct table found; /* digest -> size + 1 */
    struct digests missing;
};

static void see_temporary(struct recovery *r, const char *upload, int64_t modified_ms)
{
    const struct artifacts_claims *claims = r->claims;
    bool claimed = claims->live == NULL || claims->live(claims->context, upload);
    if (claimed && modified_ms >= r->old_ms) return;
    artifacts_discard(r->a, upload);
}

static void see_file(void *context, const struct digest *digest, const char *upload,
                     uint64_t size_bytes, int64_t modified_ms)
{
    struct recovery *r = context;
    struct error err;
    uint64_t uses;
    if (digest == NULL) {
        see_temporary(r, upload, modified_ms);
        return;
    }
    if (!store_artifact_uses(r->a->store, digest, &uses, &err)) return;
    if (uses > 0)
        table_set(&r->found, digest->bytes, DIGEST_BYTES, (void *)(uintptr_t)(size_bytes + 1));
    else if (modified_ms < r->old_ms && !r->a->backend->remove(r->a->self, digest, &err))
        log_warn("an orphan stays: %s", err.message);
}

static void see_row(void *context, const struct digest *digest, uint64_t size_bytes, uint64_t uses)
{
    struct recovery *r = context;
    uintptr_t found = (uintptr_t)table_get(&r->found, digest->bytes, DIGEST_BYTES);
    if (uses > 0 && found != size_bytes + 1) add_digest(&r->missing, digest);
}

bool artifacts_recover(struct artifacts *a, int64_t wall_ms, const struct artifacts_claims *claims,
                       struct error *err)
{
    struct recovery r = {.a = a, .claims = claims, .old_ms = wall_ms - ARTIFACT_ORPHAN_MS};
    table_init(&r.found);
    while (artifacts_sweep(a, false))
        continue;
    bool ok = a->backend->list(a->self, see_file, &r, err) &&
              store_each_artifact(a->store, see_row, &r, err);
    for (size_t i = 0; ok && i < r.missing.count; i++)
        claims->missing(claims->context, &r.missing.items[i]);
    free(r.missing.items);
    table_finish(&r.found);
    return ok;
}

/* ---- disk ---- */

bool artifacts_free(struct artifacts *a, uint64_t *free_out, uint64_t *total_out, struct error *err)
{
    return a->backend->free_bytes(a->self, free_out, total_out, err);
}
