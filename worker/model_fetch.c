#include "worker/model_fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/model_digest.h"
#include "base/path.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "proto/codec.h"
#include "proto/limits.h"

#define WINDOW_PIECES 8
#define LOOK_MS 1000
#define QUIET_NS (10 * NS_PER_S) /* then what is under way is asked for again */
#define TRIES 2
#define SPARE_BYTES (UINT64_C(64) << 20) /* that a file system may take beside the files */

enum state { IDLE, LISTING, PIECES, CHECKING };

struct wanted {
    struct digest digest;
    struct wanted *next;
};

struct model_fetch {
    struct model_fetch_host host;
    uv_loop_t *loop;
    uv_timer_t timer;
    uv_work_t work;
    enum state state;
    struct wanted *queue;   /* its first is the one that is fetched */
    uint64_t request;       /* last one used */
    uint64_t first_request; /* of this fetch */
    char *place;
    char *part;
    struct model_files files;
    size_t index;    /* file that flows */
    int fd;          /* of it; -1 = none */
    uint64_t have;   /* bytes of it that are written */
    uint64_t asked;  /* end of what was asked for */
    uint64_t before; /* bytes of the files before it */
    int64_t heard_ns;
    int tries;
    bool check_ok;    /* written by the pool thread */
    atomic_bool stop; /* it looks at that */
    struct error check_error;
    bool closing;
    int open_parts;
    void (*on_closed)(void *context);
    void *closed_context;
};

static void advance(struct model_fetch *f);

/* ---- beginning and end of one fetch ---- */

static void close_file(struct model_fetch *f)
{
    if (f->fd >= 0) (void)close(f->fd);
    f->fd = -1;
}

static void reset(struct model_fetch *f)
{
    close_file(f);
    model_digest_finish(&f->files);
    free(f->place);
    free(f->part);
    f->place = f->part = NULL;
    f->state = IDLE;
    f->index = 0;
    f->have = f->asked = f->before = 0;
    f->tries = 0;
    (void)uv_timer_stop(&f->timer);
}

static void begin_next(struct model_fetch *f);

/* The digest leaves the queue before anybody hears of it: who hears may want it again. */
static void end_fetch(struct model_fetch *f, const struct error *err)
{
    struct wanted *first = f->queue;
    struct digest digest = first->digest;
    char *place = f->place;
    f->place = NULL;
    f->queue = first->next;
    free(first);
    reset(f);
    if (err) log_error("model: %s", err->message);
    f->host.done(f->host.context, &digest, err ? NULL : place, err);
    free(place);
    if (f->state == IDLE) begin_next(f);
}

/* ---- asking ---- */

static bool ask_list(struct model_fetch *f)
{
    Farm__ModelWanted wanted = FARM__MODEL_WANTED__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    wanted.digest = codec_digest(&f->queue->digest);
    envelope.request = ++f->request;
    envelope.body_case = FARM__ENVELOPE__BODY_MODEL_WANTED;
    envelope.model_wanted = &wanted;
    return f->host.ask(f->host.context, &envelope);
}

static bool ask_piece(struct model_fetch *f, uint64_t offset, uint32_t size)
{
    Farm__FileWanted wanted = FARM__FILE_WANTED__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    wanted.model_digest = codec_digest(&f->queue->digest);
    wanted.path = f->files.items[f->index].path;
    wanted.offset = offset;
    wanted.size_bytes = size;
    envelope.request = ++f->request;
    envelope.body_case = FARM__ENVELOPE__BODY_FILE_WANTED;
    envelope.file_wanted = &wanted;
    return f->host.ask(f->host.context, &envelope);
}

static void ask_pieces(struct model_fetch *f)
{
    uint64_t size = f->files.items[f->index].size_bytes;
    uint64_t end = f->have + (uint64_t)WINDOW_PIECES * LIMIT_CHUNK_BYTES;
    while (f->asked < size && f->asked < end) {
        uint64_t left = size - f->asked;
        uint32_t piece = left > LIMIT_CHUNK_BYTES ? LIMIT_CHUNK_BYTES : (uint32_t)left;
        if (!ask_piece(f, f->asked, piece)) return;
        f->asked += piece;
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct model_fetch *f = timer->data;
    if (f->state != LISTING && f->state != PIECES) return;
    if (clock_now_ns() - f->heard_ns < QUIET_NS) return;
    f->heard_ns = clock_now_ns();
    model_fetch_ready(f);
}

static void begin_next(struct model_fetch *f)
{
    if (!f->queue || f->closing) return;
    f->state = LISTING;
    f->place = f->host.place(f->host.context, &f->queue->digest);
    f->part = xasprintf("%s.part", f->place);
    f->heard_ns = clock_now_ns();
    f->first_request = f->request + 1;
    (void)uv_timer_start(&f->timer, on_timer, LOOK_MS, LOOK_MS);
    (void)ask_list(f);
}

void model_fetch_want(struct model_fetch *f, const struct digest *digest)
{
    struct wanted **end = &f->queue;
    for (; *end; end = &(*end)->next)
        if (digest_equal(&(*end)->digest, digest)) return;
    *end = xcalloc(1, sizeof **end);
    (*end)->digest = *digest;
    if (f->state == IDLE) begin_next(f);
}

void model_fetch_ready(struct model_fetch *f)
{
    if (f->state == LISTING) {
        f->first_request = f->request + 1;
        (void)ask_list(f);
    } else if (f->state == PIECES) {
        f->asked = f->have;
        ask_pieces(f);
    }
}

void model_fetch_lost(struct model_fetch *f)
{
    if (f->state == PIECES) f->asked = f->have;
}

/* ---- the list ---- */

static bool copy_list(struct model_fetch *f, const Farm__ModelFiles *m, struct error *err)
{
    f->files.items = xcalloc(m->n_files + 1, sizeof *f->files.items);
    for (size_t i = 0; i < m->n_files; i++) {
        struct model_file *file = &f->files.items[f->files.count++];
        file->path = xstrdup(m->files[i]->path);
        file->size_bytes = m->files[i]->size_bytes;
        (void)codec_digest_get(&m->files[i]->sha256, &file->digest);
        if (file->size_bytes > UINT64_MAX / 2 - f->files.total_bytes)
            return error_set(err, ERROR_INVALID, "the coordinator's list of files is impossible");
        f->files.total_bytes += file->size_bytes;
    }
    return true;
}

static bool check_list(struct model_fetch *f, struct error *err)
{
    struct digest digest = model_digest_of(&f->files);
    if (f->files.count == 0)
        return error_set(err, ERROR_NOT_FOUND, "the coordinator does not have this model");
    if (digest_equal(&digest, &f->queue->digest)) return true;
    return error_set(err, ERROR_INVALID, "the coordinator's list of files is of another model");
}

/* What an earlier fetch left. */
static uint64_t bytes_there(const struct model_fetch *f)
{
    uint64_t sum = 0;
    struct stat about;
    for (size_t i = 0; i < f->files.count; i++) {
        const struct model_file *file = &f->files.items[i];
        char *path = path_join(f->part, file->path);
        const uint64_t size = stat(path, &about) == 0 ? (uint64_t)about.st_size : 0;
        sum += size < file->size_bytes ? size : file->size_bytes;
        free(path);
    }
    return sum;
}

static bool has_room(struct model_fetch *f, struct error *err)
{
    uint64_t available, total;
    const uint64_t needed =
        f->files.total_bytes - bytes_there(f) + SPARE_BYTES + f->host.spare_bytes(f->host.context);
    if (!path_make_folders(f->part, 0700, err) ||
        !path_free_bytes(f->part, &available, &total, err))
        return false;
    path_touch(f->part);
    if (available >= needed || f->host.make_room(f->host.context, needed - available)) return true;
    char text[32];
    text_size(f->files.total_bytes, text, sizeof text);
    return error_set(err, ERROR_FULL, "no room for a model of %s", text);
}

void model_fetch_files(struct model_fetch *f, const Farm__ModelFiles *files)
{
    struct error err = {0};
    struct digest digest;
    if (f->state != LISTING || !codec_digest_get(&files->digest, &digest) ||
        !digest_equal(&digest, &f->queue->digest))
        return;
    if (!copy_list(f, files, &err) || !check_list(f, &err) || !has_room(f, &err)) {
        end_fetch(f, &err);
        return;
    }
    log_info("model %s: fetching %zu files", files->name, f->files.count);
    f->state = PIECES;
    f->heard_ns = clock_now_ns();
    advance(f);
}

/* ---- the files ---- */

static bool open_file(struct model_fetch *f, struct error *err)
{
    const struct model_file *file = &f->files.items[f->index];
    struct stat info;
    char *path = path_join(f->part, file->path);
    char *folder = path_dirname(path);
    bool ok = path_make_folders(folder, 0700, err);
    if (ok) f->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (ok && (f->fd < 0 || fstat(f->fd, &info) != 0)) ok = error_set_errno(err, errno, "%s", path);
    if (ok && (uint64_t)info.st_size > file->size_bytes) {
        info.st_size = 0;
        if (ftruncate(f->fd, 0) != 0) ok = error_set_errno(err, errno, "%s", path);
    }
    f->have = f->asked = ok ? (uint64_t)info.st_size : 0;
    free(folder);
    free(path);
    return ok;
}

static void next_file(struct model_fetch *f)
{
    close_file(f);
    f->before += f->files.items[f->index].size_bytes;
    f->index++;
}

static void start_check(struct model_fetch *f);

/* Goes on to the first file that is not complete, and asks for it. */
static void advance(struct model_fetch *f)
{
    struct error err = {0};
    while (f->index < f->files.count) {
        if (f->fd < 0 && !open_file(f, &err)) {
            end_fetch(f, &err);
            return;
        }
        if (f->have < f->files.items[f->index].size_bytes) {
            ask_pieces(f);
            return;
        }
        next_file(f);
    }
    start_check(f);
}

static bool write_piece(struct model_fetch *f, struct bytes payload, struct error *err)
{
    if (!path_write_at(f->fd, f->have, payload.data, payload.size, "cannot write a model's file",
                       err))
        return false;
    f->have += payload.size;
    return true;
}

/* Only what was asked for next of the file that flows: the rest was asked for twice. */
static bool is_next(const struct model_fetch *f, const Farm__FileData *data)
{
    struct digest digest;
    if (f->state != PIECES || f->fd < 0) return false;
    const struct model_file *file = &f->files.items[f->index];
    return codec_digest_get(&data->model_digest, &digest) &&
           digest_equal(&digest, &f->queue->digest) && strcmp(data->path, file->path) == 0 &&
           data->offset == f->have;
}

/* No bytes are the end of the file. */
static bool is_as_listed(const struct model_fetch *f, struct bytes payload, struct error *err)
{
    const struct model_file *file = &f->files.items[f->index];
    if (payload.size > 0 && payload.size <= file->size_bytes - f->have) return true;
    return error_set(err, ERROR_INVALID, "the coordinator's file %s is %s than it says", file->path,
                     payload.size == 0 ? "shorter" : "longer");
}

void model_fetch_data(struct model_fetch *f, const Farm__FileData *data, struct bytes payload)
{
    struct error err = {0};
    if (!is_next(f, data)) return;
    f->heard_ns = clock_now_ns();
    if (!is_as_listed(f, payload, &err) || !write_piece(f, payload, &err)) {
        end_fetch(f, &err);
        return;
    }
    if (f->asked < f->have) f->asked = f->have;
    f->host.progress(f->host.context, &f->queue->digest, f->before + f->have);
    advance(f);
}

void model_fetch_problem(struct model_fetch *f, uint64_t request, const Farm__Problem *problem)
{
    struct error err = {0};
    if (f->state != LISTING && f->state != PIECES) return;
    if (request < f->first_request || request > f->request) return;
    (void)codec_problem_error(problem, &err);
    end_fetch(f, &err);
}

/* ---- all there: is it right? ---- */

static void remove_wrong(const struct model_fetch *f, const struct model_files *seen)
{
    for (size_t i = 0; i < seen->count; i++) {
        bool right = false;
        for (size_t k = 0; k < f->files.count && !right; k++)
            right = strcmp(seen->items[i].path, f->files.items[k].path) == 0 &&
                    digest_equal(&seen->items[i].digest, &f->files.items[k].digest);
        char *path = path_join(f->part, seen->items[i].path);
        if (!right && unlink(path) != 0) log_warn("%s: %s", path, strerror(errno));
        free(path);
    }
}

static bool sync_files(const struct model_fetch *f, struct error *err)
{
    bool ok = true;
    for (size_t i = 0; ok && i < f->files.count; i++) {
        if (atomic_load(&f->stop)) return error_set(err, ERROR_INTERRUPTED, "nobody waits for it");
        char *path = path_join(f->part, f->files.items[i].path);
        char *folder = path_dirname(path);
        ok = path_fsync_file(path, err);
        if (!ok) (void)unlink(path); /* fetched again, not synced again */
        ok = ok && path_fsync_folder(folder, err);
        free(folder);
        free(path);
    }
    return ok;
}

static void on_check(uv_work_t *work)
{
    struct model_fetch *f = work->data;
    struct error *err = &f->check_error;
    struct model_files seen;
    f->check_ok = false;
    error_clear(err);
    if (!model_digest_list_until(f->part, &f->stop, &seen, err)) return;
    struct digest digest = model_digest_of(&seen);
    if (!digest_equal(&digest, &f->queue->digest)) {
        remove_wrong(f, &seen);
        error_set(err, ERROR_CORRUPT, "what the coordinator sent is not this model");
    } else {
        f->check_ok = sync_files(f, err) && path_remove_tree(f->place, err) &&
                      path_rename_durable(f->part, f->place, err);
    }
    model_digest_finish(&seen);
}

static void on_part_closed(struct model_fetch *f)
{
    if (--f->open_parts > 0) return;
    while (f->queue) {
        struct wanted *next = f->queue->next;
        free(f->queue);
        f->queue = next;
    }
    if (f->on_closed) f->on_closed(f->closed_context);
    free(f);
}

static void on_checked(uv_work_t *work, int status)
{
    struct model_fetch *f = work->data;
    (void)status;
    if (f->closing) {
        reset(f);
        on_part_closed(f);
        return;
    }
    if (f->check_ok) {
        end_fetch(f, NULL);
    } else if (f->check_error.code == ERROR_CORRUPT && ++f->tries < TRIES) {
        log_warn("model: %s; once more", f->check_error.message);
        f->state = PIECES;
        f->index = 0;
        f->before = 0;
        advance(f);
    } else {
        end_fetch(f, &f->check_error);
    }
}

static void start_check(struct model_fetch *f)
{
    f->state = CHECKING;
    f->work.data = f;
    ZOE_ASSERT(uv_queue_work(f->loop, &f->work, on_check, on_checked) == 0);
}

bool model_fetch_is_busy(const struct model_fetch *f)
{
    return f->state == LISTING || f->state == PIECES;
}

bool model_fetch_wants(const struct model_fetch *f, const struct digest *digest)
{
    for (const struct wanted *one = f->queue; one; one = one->next)
        if (digest_equal(&one->digest, digest)) return true;
    return false;
}

/* ---- life ---- */

struct model_fetch *model_fetch_create(uv_loop_t *loop, const struct model_fetch_host *host)
{
    struct model_fetch *f = xcalloc(1, sizeof *f);
    f->host = *host;
    f->loop = loop;
    f->fd = -1;
    ZOE_ASSERT(uv_timer_init(loop, &f->timer) == 0);
    f->timer.data = f;
    return f;
}

static void on_timer_closed(uv_handle_t *handle)
{
    on_part_closed(handle->data);
}

void model_fetch_close(struct model_fetch *f, void (*on_closed)(void *context), void *context)
{
    bool checking = f->state == CHECKING;
    f->on_closed = on_closed;
    f->closed_context = context;
    f->closing = true;
    atomic_store(&f->stop, true);
    f->open_parts = checking ? 2 : 1;
    if (!checking) reset(f);
    uv_close((uv_handle_t *)&f->timer, on_timer_closed);
}
