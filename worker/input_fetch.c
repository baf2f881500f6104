/* The first piece is asked for alone: its answer tells how large the file is. */
#include "worker/input_fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "proto/codec.h"
#include "proto/limits.h"

#define WINDOW_PIECES 8
#define LOOK_MS 1000
#define QUIET_NS (10 * NS_PER_S) /* then what is under way is asked for again */
#define TRIES 2
#define FIRST_REQUEST (UINT64_C(1) << 32) /* numbers that models' requests do not have */
static const char PATH_WORD[] = "input";

enum state { IDLE, PIECES, CHECKING };

struct input_fetch {
    struct input_fetch_host host;
    uv_loop_t *loop;
    uv_timer_t timer;
    uv_work_t work;
    enum state state;
    struct digest digest;
    char *path, *part;
    int fd;
    uint64_t size; /* 0 = not told yet */
    uint64_t have, asked;
    uint64_t request, first_request;
    int64_t heard_ns;
    int tries;
    bool check_ok;    /* written by the pool thread */
    atomic_bool stop; /* it looks at that */
    struct error check_error;
    bool closing;
    int open_parts;
};

static void advance(struct input_fetch *f);

/* ---- beginning and end ---- */

static void reset(struct input_fetch *f)
{
    if (f->fd >= 0) (void)close(f->fd);
    f->fd = -1;
    free(f->path);
    free(f->part);
    f->path = f->part = NULL;
    f->state = IDLE;
    f->size = f->have = f->asked = 0;
    f->tries = 0;
    (void)uv_timer_stop(&f->timer);
}

static void end(struct input_fetch *f, const struct error *err)
{
    struct error copy = {0};
    if (err != NULL) copy = *err;
    reset(f);
    f->host.done(f->host.context, err != NULL ? &copy : NULL);
}

static bool open_part(struct input_fetch *f, struct error *err)
{
    struct stat info;
    f->fd = open(f->part, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (f->fd < 0 || fstat(f->fd, &info) != 0) return error_set_errno(err, errno, "%s", f->part);
    f->have = f->asked = (uint64_t)info.st_size;
    return true;
}

/* ---- asking ---- */

static bool ask_piece(struct input_fetch *f, uint64_t offset, uint32_t size)
{
    Farm__FileWanted wanted = FARM__FILE_WANTED__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    char *word = xstrdup(PATH_WORD);
    wanted.input = codec_digest(&f->digest);
    wanted.path = word;
    wanted.offset = offset;
    wanted.size_bytes = size;
    envelope.request = ++f->request;
    envelope.body_case = FARM__ENVELOPE__BODY_FILE_WANTED;
    envelope.file_wanted = &wanted;
    bool ok = f->host.ask(f->host.context, &envelope);
    free(word);
    return ok;
}

static void ask_pieces(struct input_fetch *f)
{
    uint64_t end_at = f->have + (uint64_t)WINDOW_PIECES * LIMIT_CHUNK_BYTES;
    if (f->size == 0) {
        if (f->asked == f->have && ask_piece(f, f->have, LIMIT_CHUNK_BYTES))
            f->asked = f->have + LIMIT_CHUNK_BYTES;
        return;
    }
    if (f->asked > f->size) f->asked = f->size;
    while (f->asked < f->size && f->asked < end_at) {
        uint64_t left = f->size - f->asked;
        uint32_t piece = left > LIMIT_CHUNK_BYTES ? LIMIT_CHUNK_BYTES : (uint32_t)left;
        if (!ask_piece(f, f->asked, piece)) return;
        f->asked += piece;
    }
}

void input_fetch_ready(struct input_fetch *f)
{
    if (f->state != PIECES) return;
    f->asked = f->have;
    ask_pieces(f);
}

void input_fetch_lost(struct input_fetch *f)
{
    if (f->state == PIECES) f->asked = f->have;
}

static void on_timer(uv_timer_t *timer)
{
    struct input_fetch *f = timer->data;
    if (f->state != PIECES || clock_now_ns() - f->heard_ns < QUIET_NS) return;
    f->heard_ns = clock_now_ns();
    input_fetch_ready(f);
}

void input_fetch_start(struct input_fetch *f, const struct digest *digest, const char *path)
{
    struct error err = {0};
    ZOE_ASSERT(f->state == IDLE);
    f->digest = *digest;
    f->path = xstrdup(path);
    f->part = xasprintf("%s.part", path);
    f->state = PIECES;
    f->heard_ns = clock_now_ns();
    f->first_request = f->request + 1;
    (void)uv_timer_start(&f->timer, on_timer, LOOK_MS, LOOK_MS);
    if (open_part(f, &err))
        ask_pieces(f);
    else
        end(f, &err);
}

bool input_fetch_is_busy(const struct input_fetch *f)
{
    return f->state == PIECES;
}

/* ---- the bytes ---- */

static bool take_size(struct input_fetch *f, uint64_t size, struct error *err)
{
    uint64_t available, total;
    if (f->size != 0 || size == 0)
        return size == f->size || error_set(err, ERROR_INVALID, "the input changes its size");
    if (size > LIMIT_INPUT_BYTES)
        return error_set(err, ERROR_INVALID, "the input is larger than an input may be");
    f->size = size;
    if (!path_free_bytes(f->part, &available, &total, err)) return false;
    if (available >= size - f->have + f->host.spare_bytes(f->host.context)) return true;
    return error_set(err, ERROR_FULL, "no room for an input of %llu bytes",
                     (unsigned long long)size);
}

/* What stands in the part file is of something else: from the beginning. */
static bool start_over(struct input_fetch *f, struct error *err)
{
    f->have = f->asked = 0;
    if (ftruncate(f->fd, 0) == 0) return true;
    return error_set_errno(err, errno, "%s", f->part);
}

static bool write_piece(struct input_fetch *f, struct bytes payload, struct error *err)
{
    if (lseek(f->fd, (off_t)f->have, SEEK_SET) < 0)
        return error_set_errno(err, errno, "%s", f->part);
    if (!path_write_fd(f->fd, payload.data, payload.size, f->part, err)) return false;
    f->have += payload.size;
    if (f->asked < f->have) f->asked = f->have;
    return true;
}

static bool take_piece(struct input_fetch *f, const Farm__FileData *data, struct bytes payload,
                       struct error *err)
{
    if (!take_size(f, data->total_bytes, err)) return false;
    if (f->have > f->size) return start_over(f, err);
    if (data->offset != f->have || payload.size > f->size - f->have) return true;
    return write_piece(f, payload, err);
}

void input_fetch_data(struct input_fetch *f, const Farm__FileData *data, struct bytes payload)
{
    struct error err = {0};
    struct digest digest;
    if (f->state != PIECES || !codec_digest_get(&data->input, &digest) ||
        !digest_equal(&digest, &f->digest))
        return;
    f->heard_ns = clock_now_ns();
    if (!take_piece(f, data, payload, &err)) {
        end(f, &err);
        return;
    }
    f->host.progress(f->host.context, f->have);
    advance(f);
}

void input_fetch_problem(struct input_fetch *f, uint64_t request, const Farm__Problem *problem)
{
    struct error err = {0};
    if (f->state != PIECES || request < f->first_request || request > f->request) return;
    (void)codec_problem_error(problem, &err);
    end(f, &err);
}

/* ---- all there: is it right? ---- */

static void on_check(uv_work_t *work)
{
    struct input_fetch *f = work->data;
    struct digest seen;
    struct error *err = &f->check_error;
    error_clear(err);
    f->check_ok = digest_of_file_until(f->part, &f->stop, &seen, NULL, err);
    if (f->check_ok && !digest_equal(&seen, &f->digest))
        f->check_ok = error_set(err, ERROR_CORRUPT, "what the coordinator sent is not this input");
    f->check_ok =
        f->check_ok && path_fsync_file(f->part, err) && path_rename_durable(f->part, f->path, err);
}

static void on_part_closed(struct input_fetch *f)
{
    if (--f->open_parts > 0) return;
    free(f);
}

static void on_checked(uv_work_t *work, int status)
{
    struct input_fetch *f = work->data;
    (void)status;
    if (f->closing) {
        reset(f);
        on_part_closed(f);
    } else if (f->check_ok) {
        end(f, NULL);
    } else if (f->check_error.code == ERROR_CORRUPT && ++f->tries < TRIES &&
               start_over(f, &f->check_error)) {
        f->state = PIECES;
        ask_pieces(f);
    } else {
        (void)unlink(f->part); /* wrong, or not to be believed any more (path_fsync_file) */
        end(f, &f->check_error);
    }
}

static void advance(struct input_fetch *f)
{
    if (f->size == 0 || f->have < f->size) {
        ask_pieces(f);
        return;
    }
    f->state = CHECKING;
    f->work.data = f;
    ZOE_ASSERT(uv_queue_work(f->loop, &f->work, on_check, on_checked) == 0);
}

/* ---- life ---- */

struct input_fetch *input_fetch_create(uv_loop_t *loop, const struct input_fetch_host *host)
{
    struct input_fetch *f = xcalloc(1, sizeof *f);
    f->host = *host;
    f->loop = loop;
    f->fd = -1;
    f->request = FIRST_REQUEST;
    ZOE_ASSERT(uv_timer_init(loop, &f->timer) == 0);
    f->timer.data = f;
    return f;
}

static void on_timer_closed(uv_handle_t *handle)
{
    on_part_closed(handle->data);
}

void input_fetch_close(struct input_fetch *f)
{
    bool checking = f->state == CHECKING;
    f->closing = true;
    atomic_store(&f->stop, true);
    f->open_parts = checking ? 2 : 1;
    if (!checking) reset(f);
    uv_close((uv_handle_t *)&f->timer, on_timer_closed);
}
