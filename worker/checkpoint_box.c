#include "worker/checkpoint_box.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "proto/chunk.h"
#include "proto/codec.h"
#include "worker/read_at.h"

#define RETRY_MS 50
#define OFFER_AGAIN_NS (30 * NS_PER_S)

struct copy { /* one checkpoint: an open file that has no name any more */
    int fd;   /* -1 = none */
    struct slot_saved saved;
};

struct entry { /* an attempt */
    struct attempt_name name;
    char *fingerprint;
    struct digest recipe_digest;
    struct copy now, newer; /* the one that is offered; the one that is to take its place */
    struct chunk_sender sender;
    int64_t offered_ns;  /* 0 = not in this session */
    bool leaving;        /* it will go with this one, and its offer says so */
    int64_t leave_by_ns; /* its slot has let go of it: it waits so long; 0 = not yet */
    struct entry *next;
};

struct checkpoint_box {
    struct checkpoint_box_options options;
    char *folder;
    uv_timer_t timer;
    struct entry *entries;
    uint8_t *piece; /* LIMIT_CHUNK_BYTES */
};

static void send_all(struct checkpoint_box *b);
static void on_timer(uv_timer_t *timer);

/* ---- files ---- */

char *checkpoint_box_path(const struct checkpoint_box *b, const struct attempt_name *name)
{
    char text[ATTEMPT_NAME_TEXT_SIZE];
    attempt_name_text(name, text);
    return xasprintf("%s/%s", b->folder, text);
}

/* The name goes at once: whatever happens, nothing is left behind. */
static int take_file(const struct checkpoint_box *b, const struct attempt_name *name)
{
    char *path = checkpoint_box_path(b, name);
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) log_warn("%s: %s", path, strerror(errno));
    (void)unlink(path);
    free(path);
    return fd;
}

static void drop_copy(struct copy *copy)
{
    if (copy->fd >= 0) (void)close(copy->fd);
    copy->fd = -1;
}

static bool make_folder(const char *folder, struct error *err)
{
    char **names;
    size_t count;
    if (!path_make_folders(folder, 0700, err) || !path_list(folder, &names, &count, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        char *path = path_join(folder, names[i]);
        (void)unlink(path);
        free(path);
    }
    path_list_free(names, count);
    return true;
}

/* ---- entries ---- */

static struct entry *find(const struct checkpoint_box *b, const struct attempt_name *name)
{
    struct entry *e = b->entries;
    while (e && !attempt_name_equal(&e->name, name))
        e = e->next;
    return e;
}

static void free_entry(struct entry *e)
{
    drop_copy(&e->now);
    drop_copy(&e->newer);
    free(e->fingerprint);
    free(e);
}

static void remove_entry(struct checkpoint_box *b, struct entry *gone)
{
    struct entry **at = &b->entries;
    while (*at != gone)
        at = &(*at)->next;
    *at = gone->next;
    free_entry(gone);
}

static struct entry *entry_of(struct checkpoint_box *b, const struct slot_work *work,
                              const char *fingerprint)
{
    struct entry *e = find(b, &work->name);
    if (e) return e;
    e = xcalloc(1, sizeof *e);
    e->name = work->name;
    e->fingerprint = xstrdup(fingerprint);
    e->recipe_digest = work->recipe_digest;
    e->now.fd = e->newer.fd = -1;
    e->next = b->entries;
    b->entries = e;
    return e;
}

void checkpoint_box_drop(struct checkpoint_box *b, const struct attempt_name *name)
{
    struct entry *e = find(b, name);
    char *path = checkpoint_box_path(b, name);
    (void)unlink(path);
    free(path);
    if (e) remove_entry(b, e);
}

/* ---- offering ---- */

static void offer(struct checkpoint_box *b, struct entry *e)
{
    struct attempt_name name = e->name;
    Farm__Attempt attempt = attempt_name_wire(&name);
    Farm__Checkpoint checkpoint = FARM__CHECKPOINT__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    checkpoint.attempt = &attempt;
    checkpoint.step = e->now.saved.step;
    checkpoint.steps = e->now.saved.steps;
    checkpoint.sha256 = codec_digest(&e->now.saved.sha256);
    checkpoint.size_bytes = e->now.saved.size_bytes;
    checkpoint.fingerprint = e->fingerprint;
    checkpoint.recipe_digest = codec_digest(&e->recipe_digest);
    checkpoint.leaving = e->leaving;
    envelope.body_case = FARM__ENVELOPE__BODY_CHECKPOINT;
    envelope.checkpoint = &checkpoint;
    chunk_sender_init(&e->sender, e->now.saved.size_bytes);
    e->offered_ns = link_send(b->options.link, &envelope) ? clock_now_ns() : 0;
}

static void begin_newer(struct checkpoint_box *b, struct entry *e)
{
    drop_copy(&e->now);
    e->now = e->newer;
    e->newer.fd = -1;
    if (e->now.fd >= 0) offer(b, e);
}

/* The freshest there is. */
static void offer_freshest(struct checkpoint_box *b, struct entry *e)
{
    if (e->newer.fd >= 0)
        begin_newer(b, e);
    else if (e->now.fd >= 0)
        offer(b, e);
}

/* The coordinator knows of it: whoever took it back again and again would never be done. */
static bool is_offered(const struct entry *e)
{
    return e->now.fd >= 0 && e->offered_ns > 0;
}

void checkpoint_box_put(struct checkpoint_box *b, const struct slot_work *work,
                        const char *fingerprint, const struct slot_saved *saved)
{
    const int fd = take_file(b, &work->name);
    if (fd < 0) return;
    struct entry *e = entry_of(b, work, fingerprint);
    drop_copy(&e->newer);
    e->newer = (struct copy){fd, *saved};
    e->leaving = e->leaving || saved->last;
    if (e->leaving || !is_offered(e)) begin_newer(b, e);
    (void)uv_timer_start(&b->timer, on_timer, RETRY_MS, RETRY_MS);
}

/* ---- bytes ---- */

static enum zsock_result send_piece(struct checkpoint_box *b, struct entry *e, uint64_t offset,
                                    uint32_t size)
{
    struct attempt_name name = e->name;
    Farm__Attempt attempt = attempt_name_wire(&name);
    Farm__Chunk chunk = FARM__CHUNK__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    chunk.attempt = &attempt;
    chunk.output = CHECKPOINT_OUTPUT;
    chunk.offset = offset;
    envelope.body_case = FARM__ENVELOPE__BODY_CHUNK;
    envelope.chunk = &chunk;
    return bulk_send(b->options.bulk, &envelope, (struct bytes){b->piece, size});
}

/* False: the connection takes no more now. */
static bool send_credit(struct checkpoint_box *b, struct entry *e)
{
    struct error err = {0};
    uint64_t offset;
    uint32_t size;
    while (chunk_sender_next(&e->sender, &offset, &size)) {
        if (!read_at(e->now.fd, offset, b->piece, size, &err)) {
            log_warn("a checkpoint: %s", err.message);
            begin_newer(b, e);
            return true;
        }
        if (send_piece(b, e, offset, size) != ZSOCK_SENT) return false;
        chunk_sender_sent(&e->sender, size);
        e->offered_ns = clock_now_ns();
    }
    return true;
}

static bool may_send(const struct checkpoint_box *b, const struct entry *e)
{
    if (e->now.fd < 0) return false;
    return e->leaving || !b->options.results_flow(b->options.context);
}

static void send_all(struct checkpoint_box *b)
{
    if (!bulk_is_ready(b->options.bulk)) return; /* goes on when it is */
    for (struct entry *e = b->entries; e; e = e->next)
        if (may_send(b, e) && !send_credit(b, e)) return;
}

bool checkpoint_box_is_busy(const struct checkpoint_box *b)
{
    uint64_t offset;
    uint32_t size;
    for (const struct entry *e = b->entries; e; e = e->next)
        if (e->now.fd >= 0 && chunk_sender_next(&e->sender, &offset, &size)) return true;
    return false;
}

/* ---- leaving ---- */

bool checkpoint_box_leave(struct checkpoint_box *b, const struct attempt_name *name)
{
    struct entry *e = find(b, name);
    if (!e || e->now.fd < 0 || !link_is_joined(b->options.link)) return false;
    const bool told = e->leaving;
    e->leaving = true;
    e->leave_by_ns = clock_now_ns() + CHECKPOINT_LEAVE_NS;
    if (e->newer.fd >= 0)
        begin_newer(b, e);
    else if (!told)
        offer(b, e); /* again, as the last */
    return true;
}

static void leave_now(struct checkpoint_box *b, struct entry *e)
{
    const struct attempt_name name = e->name;
    remove_entry(b, e);
    b->options.left(b->options.context, &name);
}

static void let_go(struct checkpoint_box *b, int64_t now_ns)
{
    for (struct entry *e = b->entries, *next; e; e = next) {
        next = e->next;
        if (e->leave_by_ns > 0 && now_ns >= e->leave_by_ns) leave_now(b, e);
    }
}

void checkpoint_box_hurry(struct checkpoint_box *b)
{
    let_go(b, INT64_MAX);
}

bool checkpoint_box_next(const struct checkpoint_box *b, size_t *at, struct attempt_name *name,
                         struct slot_saved *saved)
{
    size_t place = 0;
    for (const struct entry *e = b->entries; e; e = e->next, place++) {
        if (place < *at || e->leave_by_ns == 0) continue;
        *at = place + 1;
        *name = e->name;
        *saved = e->now.saved;
        return true;
    }
    return false;
}

/* ---- answers ---- */

static struct entry *find_wire(const struct checkpoint_box *b, const Farm__Attempt *attempt)
{
    const struct attempt_name name = attempt_name_read(attempt);
    return find(b, &name);
}

void checkpoint_box_credit(struct checkpoint_box *b, const Farm__Credit *credit)
{
    struct entry *e = credit->attempt ? find_wire(b, credit->attempt) : NULL;
    if (!e || e->now.fd < 0 || credit->output != CHECKPOINT_OUTPUT) return;
    if (!chunk_sender_credit(&e->sender, credit->offset, credit->size_bytes)) return;
    e->offered_ns = clock_now_ns();
    bulk_need(b->options.bulk, link_session(b->options.link), link_version(b->options.link));
    send_all(b);
}

void checkpoint_box_seen(struct checkpoint_box *b, const Farm__CheckpointSeen *seen)
{
    struct entry *e = find_wire(b, seen->attempt);
    if (!e || e->now.fd < 0 || e->now.saved.step != seen->step) return;
    begin_newer(b, e);
    if (e->now.fd >= 0) return;
    if (e->leave_by_ns > 0)
        leave_now(b, e);
    else if (!e->leaving) /* else checkpoint_box_leave finds that it was answered */
        remove_entry(b, e);
}

void checkpoint_box_joined(struct checkpoint_box *b)
{
    for (struct entry *e = b->entries; e; e = e->next)
        offer_freshest(b, e);
}

void checkpoint_box_bulk_ready(struct checkpoint_box *b)
{
    send_all(b);
}

/* Pieces may be lost. */
void checkpoint_box_bulk_lost(struct checkpoint_box *b)
{
    for (struct entry *e = b->entries; e; e = e->next)
        if (e->sender.limit > 0) offer_freshest(b, e);
}

/* ---- time ---- */

static void offer_stale(struct checkpoint_box *b, int64_t now_ns)
{
    for (struct entry *e = b->entries; e; e = e->next)
        if (now_ns - e->offered_ns >= OFFER_AGAIN_NS) offer_freshest(b, e);
}

static void on_timer(uv_timer_t *timer)
{
    struct checkpoint_box *b = timer->data;
    const int64_t now_ns = clock_now_ns();
    let_go(b, now_ns);
    if (!b->entries) (void)uv_timer_stop(timer);
    if (link_is_joined(b->options.link)) offer_stale(b, now_ns);
    send_all(b);
}

/* ---- life ---- */

struct checkpoint_box *checkpoint_box_create(uv_loop_t *loop,
                                             const struct checkpoint_box_options *options,
                                             struct error *err)
{
    char *folder = path_join(options->state_folder, "checkpoints");
    if (!make_folder(folder, err)) {
        free(folder);
        return NULL;
    }
    struct checkpoint_box *b = xcalloc(1, sizeof *b);
    b->options = *options;
    b->folder = folder;
    b->piece = xmalloc(LIMIT_CHUNK_BYTES);
    ZOE_ASSERT(uv_timer_init(loop, &b->timer) == 0);
    b->timer.data = b;
    return b;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct checkpoint_box *b = handle->data;
    while (b->entries)
        remove_entry(b, b->entries);
    free(b->piece);
    free(b->folder);
    free(b);
}

void checkpoint_box_close(struct checkpoint_box *b)
{
    uv_close((uv_handle_t *)&b->timer, on_timer_closed);
}
