/* The pool thread has paths and digests of its own: artifacts may come and go meanwhile. */
#include "coordinator/reread.h"

#include <stdlib.h>

#include "base/xalloc.h"
#include "coordinator/artifacts.h"

struct reread {
    uv_work_t work;
    struct digest *digests;
    char **paths; /* NULL: it is not there */
    bool *damaged;
    uint32_t count;
    reread_done done; /* NULL: canceled */
    void *context;
};

static bool is_sound(const char *path, const struct digest *digest)
{
    struct digest seen;
    return path != NULL && digest_of_file(path, &seen, NULL, NULL) && digest_equal(&seen, digest);
}

static void read_all(uv_work_t *work)
{
    struct reread *r = work->data;
    for (uint32_t i = 0; i < r->count; i++)
        r->damaged[i] = !is_sound(r->paths[i], &r->digests[i]);
}

static void on_read(uv_work_t *work, int status)
{
    struct reread *r = work->data;
    (void)status; /* work that was called off has found nothing damaged */
    if (r->done != NULL) r->done(r->context, r->damaged);
    for (uint32_t i = 0; i < r->count; i++)
        free(r->paths[i]);
    free(r->paths);
    free(r->digests);
    free(r->damaged);
    free(r);
}

struct reread *reread_start(uv_loop_t *loop, struct artifacts *artifacts,
                            const struct digest *digests, uint32_t count, reread_done done,
                            void *context)
{
    struct reread *r = xcalloc(1, sizeof(*r));
    r->digests = xcalloc(count, sizeof(*r->digests));
    r->paths = xcalloc(count, sizeof(*r->paths));
    r->damaged = xcalloc(count, sizeof(*r->damaged));
    r->count = count;
    r->done = done;
    r->context = context;
    r->work.data = r;
    for (uint32_t i = 0; i < count; i++) {
        r->digests[i] = digests[i];
        r->paths[i] = artifacts_path(artifacts, &digests[i]);
    }
    int code = uv_queue_work(loop, &r->work, read_all, on_read);
    ZOE_ASSERT(code == 0); /* it fails for a missing callback only */
    return r;
}

void reread_cancel(struct reread *r)
{
    if (r != NULL) r->done = NULL;
}
