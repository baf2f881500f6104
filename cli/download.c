/* One file = tries; one try = requests along redirects (download_try.c). */
#include "cli/download.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "cli/download_try.h"

#define PAUSE_MAX_NS (30 * NS_PER_S)
#define RETRY_AFTER_MAX_S 60

/* ---- tries ---- */

static bool is_interrupted(const struct download *d)
{
    return d->options.interrupted && d->options.interrupted();
}

static bool wait_ns(const struct download *d, int64_t pause_ns)
{
    int64_t end = clock_now_ns() + pause_ns;
    while (clock_now_ns() < end && !is_interrupted(d))
        poll(NULL, 0, 50);
    return !is_interrupted(d);
}

/* A chunked answer can end early without curl's noticing. */
static bool is_whole(struct try *t, struct error *err)
{
    uint64_t size = t->file->size_known ? t->file->size_bytes : t->total_bytes;
    if (!t->begun && !try_start_over(t)) return error_set(err, t->err.code, "%s", t->err.message);
    if (!size || t->have_bytes == size) return true;
    t->transient = true;
    return error_set(err, ERROR_UNREACHABLE,
                     "the answer ended after %" PRIu64 " of %" PRIu64 " bytes", t->have_bytes,
                     size);
}

static bool try_once(struct try *t, const char *url, struct error *err)
{
    return try_follow(t, url, err) && (!t->file || is_whole(t, err));
}

static bool try_often(struct try *t, const char *url, struct error *err)
{
    const struct download_options *o = &t->d->options;
    int64_t pause_ns = o->pause_ns;
    for (int left = o->tries;;) {
        uint64_t before = t->have_bytes;
        if (try_once(t, url, err)) return true;
        if (!t->transient) return false;
        if (t->have_bytes > before) {
            left = o->tries;
            pause_ns = o->pause_ns;
        }
        if (--left <= 0) return false;
        int64_t asked_s =
            t->retry_after_s < RETRY_AFTER_MAX_S ? t->retry_after_s : RETRY_AFTER_MAX_S;
        int64_t pause = asked_s * NS_PER_S > pause_ns ? asked_s * NS_PER_S : pause_ns;
        if (o->retrying) o->retrying(o->context, err->message, pause);
        if (!wait_ns(t->d, pause))
            return error_set(err, ERROR_INTERRUPTED,
                             "interrupted; the same command goes on from here");
        pause_ns = pause_ns * 2 < PAUSE_MAX_NS ? pause_ns * 2 : PAUSE_MAX_NS;
    }
}

/* ---- files ---- */

static bool digest_is_right(struct try *t, struct error *err)
{
    struct digest found;
    uint64_t size;
    char want[DIGEST_TEXT_SIZE], got[DIGEST_TEXT_SIZE];
    const struct digest *expected = t->file->digest_known ? &t->file->digest
                                    : t->linked_known     ? &t->linked
                                                          : NULL;
    if (!expected) return true;
    if (!digest_of_file(t->part, &found, &size, err)) return false;
    if (digest_equal(&found, expected)) return true;
    digest_text(expected, want);
    digest_text(&found, got);
    return error_set(err, ERROR_CORRUPT,
                     "the bytes are not those that were promised: SHA-256 %.16s... instead of "
                     "%.16s...",
                     got, want);
}

static bool finish_file(struct try *t, struct error *err)
{
    char *note = try_note_path(t);
    bool ok = path_fsync_fd(t->fd, t->part, err);
    if (!ok) unlink(t->part); /* its bytes come again: a second sync would prove nothing */
    ok = ok && path_rename_durable(t->part, t->file->to, err);
    if (ok) unlink(note);
    free(note);
    return ok;
}

/* Wrong bytes are thrown away once: a part from another time may have spoilt them. */
static bool fetch(struct try *t, struct error *err)
{
    for (int round = 0; round < 2; round++) {
        bool all = t->file->size_known && t->have_bytes == t->file->size_bytes;
        if (!all && !try_often(t, t->file->url, err)) return false;
        if (digest_is_right(t, err)) return finish_file(t, err);
        if (err->code != ERROR_CORRUPT || !try_start_over(t)) return false;
    }
    unlink(t->part);
    return false;
}

bool download_file(struct download *d, const struct download_file *file, struct error *err)
{
    struct try t = {.d = d, .file = file, .fd = -1};
    if (path_exists(file->to)) return true;
    bool ok = download_url_check(file->url, d->options.allow_http, err) && try_open_part(&t, err) &&
              fetch(&t, err);
    if (t.fd >= 0) close(t.fd);
    free(t.part);
    return ok || error_wrap(err, "%.200s", path_basename(file->to));
}

bool download_text(struct download *d, const char *url, size_t limit_bytes, struct buf *out,
                   struct error *err)
{
    struct try t = {.d = d, .text = out, .text_limit = limit_bytes, .fd = -1};
    if (!download_url_check(url, d->options.allow_http, err)) return false;
    return try_often(&t, url, err) || error_wrap(err, "%.200s", url);
}

struct download *download_create(const struct download_options *options, struct error *err)
{
    CURL *curl = curl_easy_init();
    if (!curl) {
        error_set(err, ERROR_NO_MEMORY, "libcurl does not start");
        return NULL;
    }
    struct download *d = xcalloc(1, sizeof *d);
    d->options = *options;
    d->curl = curl;
    return d;
}

void download_destroy(struct download *d)
{
    if (!d) return;
    curl_easy_cleanup(d->curl);
    free(d);
}
