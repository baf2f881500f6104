/* One file = tries; one try = requests along redirects; one request = one curl transfer. */
#include "cli/download.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/path.h"
#include "base/text.h"
#include "base/xalloc.h"

#define REDIRECTS_MAX 10
#define CONNECT_LIMIT_MS 15000L
#define PAUSE_MAX_NS (30 * NS_PER_S)
#define RETRY_AFTER_MAX_S 60
#define ETAG_MAX 256
#define DISK_RESERVE_BYTES (64 * UINT64_C(1024) * 1024)

struct download {
    struct download_options options;
    CURL *curl;
};

/* Where the bytes of a try go, and what its answers said. */
struct
try {
    struct download *d;
    const struct download_file *file; /* NULL: into `text` */
    struct buf *text;
    size_t text_limit;
    char *part;
    int fd;
    uint64_t have_bytes;      /* of the file, on disk */
    char have_etag[ETAG_MAX]; /* they were sent under */
    char etag[ETAG_MAX];      /* of this answer */
    struct digest linked;     /* the hub's word about the file behind a redirect */
    bool linked_known;
    uint64_t total_bytes; /* of the file, 0 = unknown */
    uint64_t range_from;
    bool ranged; /* the answer's Content-Range */
    long status;
    int64_t retry_after_s;
    bool begun;       /* the answer's first byte was looked at */
    bool transient;   /* trying again may help */
    char words[200];  /* of a server that refuses */
    struct error err; /* of a callback */
};

/* ---- the part that is there ---- */

static char *etag_path(const struct try *t)
{
    return xasprintf("%s.etag", t->part);
}

/* The note beside a part: the address and the ETag that its bytes came with. */
static void read_note(struct try *t)
{
    struct buf note = BUF_INIT;
    char *path = etag_path(t);
    size_t url = strlen(t->file->url);
    if (path_read(path, 8192, &note, NULL) && note.size > url + 1 &&
        memcmp(note.data, t->file->url, url) == 0 && note.data[url] == '\n')
        snprintf(t->have_etag, sizeof t->have_etag, "%.*s", (int)(note.size - url - 1),
                 (const char *)note.data + url + 1);
    buf_finish(&note);
    free(path);
}

static bool write_note(struct try *t)
{
    char *path = etag_path(t);
    char *note = xasprintf("%s\n%s", t->file->url, t->etag);
    bool ok = path_write_atomic(path, note, strlen(note), 0600, &t->err);
    free(note);
    free(path);
    return ok;
}

static bool open_part(struct try *t, struct error *err)
{
    struct stat info;
    t->part = xasprintf("%s.part", t->file->to);
    t->fd = open(t->part, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (t->fd < 0 || fstat(t->fd, &info) != 0)
        return error_set_errno(err, errno, "cannot write %s", t->part);
    read_note(t);
    bool sure = t->have_etag[0] || t->file->digest_known;
    bool longer = t->file->size_known && (uint64_t)info.st_size > t->file->size_bytes;
    t->have_bytes = sure && !longer ? (uint64_t)info.st_size : 0;
    if (ftruncate(t->fd, (off_t)t->have_bytes) != 0)
        return error_set_errno(err, errno, "%s", t->part);
    return true;
}

static bool start_over(struct try *t)
{
    t->have_bytes = 0;
    t->have_etag[0] = 0;
    if (ftruncate(t->fd, 0) == 0) return true;
    return error_set_errno(&t->err, errno, "%s", t->part);
}

/* ---- headers ---- */

static bool is_header(const char *line, const char *name, const char **value)
{
    size_t size = strlen(name);
    if (strncasecmp(line, name, size) != 0 || line[size] != ':') return false;
    *value = line + size + 1;
    while (**value == ' ')
        (*value)++;
    return true;
}

static void take_range(struct try *t, const char *value)
{
    uint64_t from, to, total;
    t->ranged = sscanf(value, "bytes %" SCNu64 "-%" SCNu64 "/%" SCNu64, &from, &to, &total) == 3;
    if (!t->ranged) return;
    t->range_from = from;
    t->total_bytes = total;
}

static void take_linked(struct try *t, const char *value)
{
    char hex[DIGEST_TEXT_SIZE];
    size_t quote = value[0] == '"';
    if (strlen(value) < quote + 64) return;
    memcpy(hex, value + quote, 64);
    hex[64] = 0;
    if (digest_parse(hex, &t->linked)) t->linked_known = true;
}

static size_t on_header(char *data, size_t one, size_t size, void *context)
{
    struct try *t = context;
    char line[1024];
    const char *value;
    size_t n = size < sizeof line - 1 ? size : sizeof line - 1;
    memcpy(line, data, n);
    line[n] = 0;
    line[strcspn(line, "\r\n")] = 0;
    if (is_header(line, "etag", &value) && strncmp(value, "W/", 2) != 0)
        snprintf(t->etag, sizeof t->etag, "%.*s", ETAG_MAX - 1, value);
    else if (is_header(line, "content-range", &value))
        take_range(t, value);
    else if (is_header(line, "retry-after", &value))
        t->retry_after_s = strtol(value, NULL, 10);
    else if (is_header(line, "x-linked-etag", &value))
        take_linked(t, value);
    return size * one;
}

/* ---- bytes ---- */

static bool has_room(struct try *t, uint64_t more)
{
    uint64_t free_bytes, total;
    char need[32], have[32];
    if (!path_free_bytes(t->file->to, &free_bytes, &total, NULL)) {
        char *folder = path_dirname(t->file->to);
        bool known = path_free_bytes(folder, &free_bytes, &total, NULL);
        free(folder);
        if (!known) return true;
    }
    if (free_bytes >= more + DISK_RESERVE_BYTES) return true;
    text_size(more, need, sizeof need);
    text_size(free_bytes, have, sizeof have);
    return error_set(&t->err, ERROR_FULL, "%s more are needed and %s are free", need, have);
}

/* Before the first byte of a 200 or 206: is it the piece that was asked for, and is there room? */
static bool begin_file(struct try *t)
{
    curl_off_t length = -1;
    curl_easy_getinfo(t->d->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (t->status == 206 && (!t->ranged || t->range_from != t->have_bytes))
        return error_set(&t->err, ERROR_CORRUPT, "the server sends another piece than asked for");
    if (t->status == 200) {
        if (!start_over(t)) return false;
        t->total_bytes = length > 0 ? (uint64_t)length : 0;
    }
    if (t->file->size_known && t->total_bytes && t->total_bytes != t->file->size_bytes)
        return error_set(&t->err, ERROR_CORRUPT,
                         "the server's file has %" PRIu64 " bytes, %" PRIu64 " were promised",
                         t->total_bytes, t->file->size_bytes);
    if (length > 0 && !has_room(t, (uint64_t)length)) return false;
    if (lseek(t->fd, (off_t)t->have_bytes, SEEK_SET) < 0)
        return error_set_errno(&t->err, errno, "%s", t->part);
    memcpy(t->have_etag, t->etag, sizeof t->etag);
    return write_note(t);
}

static bool write_file(struct try *t, const void *data, size_t size)
{
    if (!t->begun && !begin_file(t)) return false;
    t->begun = true;
    if (t->file->size_known && t->have_bytes + size > t->file->size_bytes)
        return error_set(&t->err, ERROR_CORRUPT,
                         "the server sends more than the %" PRIu64 " bytes that were promised",
                         t->file->size_bytes);
    if (!path_write_fd(t->fd, data, size, t->part, &t->err)) return false;
    t->have_bytes += size;
    return true;
}

static bool write_text(struct try *t, const void *data, size_t size)
{
    if (t->text->size + size > t->text_limit)
        return error_set(&t->err, ERROR_REFUSED, "the answer is larger than %zu bytes",
                         t->text_limit);
    buf_append(t->text, data, size);
    return true;
}

static void keep_words(struct try *t, const char *data, size_t size)
{
    size_t have = strlen(t->words), room = sizeof t->words - 1 - have;
    size_t n = size < room ? size : room;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)data[i];
        t->words[have + i] = c >= 0x20 && c < 0x7f ? (char)c : ' ';
    }
    t->words[have + n] = 0;
}

static size_t on_bytes(char *data, size_t one, size_t size, void *context)
{
    struct try *t = context;
    size_t n = one * size;
    curl_easy_getinfo(t->d->curl, CURLINFO_RESPONSE_CODE, &t->status);
    bool ok = true;
    if (t->status != 200 && t->status != 206)
        keep_words(t, data, n);
    else
        ok = t->file ? write_file(t, data, n) : write_text(t, data, n);
    return ok ? n : 0;
}

static int on_progress(void *context, curl_off_t total, curl_off_t now, curl_off_t up_total,
                       curl_off_t up)
{
    struct try *t = context;
    const struct download_options *o = &t->d->options;
    (void)total, (void)now, (void)up_total, (void)up;
    if (o->progress && t->file) {
        uint64_t size = t->file->size_known ? t->file->size_bytes : t->total_bytes;
        o->progress(o->context, t->have_bytes, size);
    }
    return o->interrupted && o->interrupted();
}

/* ---- one request ---- */

static struct curl_slist *add_header(struct curl_slist *list, char *text)
{
    struct curl_slist *longer = curl_slist_append(list, text);
    free(text);
    return longer ? longer : list;
}

static struct curl_slist *make_headers(const struct try *t, bool with_token)
{
    const char *token = t->d->options.token;
    struct curl_slist *list = NULL;
    if (with_token && token && *token)
        list = add_header(list, xasprintf("Authorization: Bearer %s", token));
    if (t->file && t->have_bytes) {
        list = add_header(list, xasprintf("Range: bytes=%" PRIu64 "-", t->have_bytes));
        if (t->have_etag[0]) list = add_header(list, xasprintf("If-Range: %s", t->have_etag));
    }
    return list;
}

static void set_up(struct try *t, const char *url, struct curl_slist *headers, char *why)
{
    CURL *c = t->d->curl;
    curl_easy_reset(c);
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "zoe/" ZOE_VERSION);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_LIMIT_MS);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(
        c, CURLOPT_LOW_SPEED_TIME,
        (long)(t->d->options.silence_ns / NS_PER_S > 0 ? t->d->options.silence_ns / NS_PER_S : 1));
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, t);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why);
}

/* curl's verdict as ours; true = an answer came. */
static bool judge_transfer(struct try *t, CURLcode code, const char *why, struct error *err)
{
    if (code == CURLE_OK) return true;
    if (t->err.code) {
        *err = t->err;
        return false;
    }
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return error_set(err, ERROR_INTERRUPTED, "interrupted; the same command goes on from here");
    t->transient = code != CURLE_PEER_FAILED_VERIFICATION && code != CURLE_SSL_CACERT_BADFILE &&
                   code != CURLE_URL_MALFORMAT && code != CURLE_UNSUPPORTED_PROTOCOL;
    return error_set(err, ERROR_UNREACHABLE, "%s", *why ? why : curl_easy_strerror(code));
}

static bool request(struct try *t, const char *url, bool with_token, struct error *err)
{
    char why[CURL_ERROR_SIZE] = "";
    t->etag[0] = 0;
    t->ranged = t->begun = t->transient = false;
    t->status = 0;
    t->retry_after_s = 0;
    t->words[0] = 0;
    error_clear(&t->err);
    if (t->text) buf_clear(t->text);
    struct curl_slist *headers = make_headers(t, with_token);
    set_up(t, url, headers, why);
    CURLcode code = curl_easy_perform(t->d->curl);
    curl_easy_getinfo(t->d->curl, CURLINFO_RESPONSE_CODE, &t->status);
    curl_slist_free_all(headers);
    return judge_transfer(t, code, why, err);
}

/* ---- one try: redirects, then what the status means ---- */

static const struct {
    long status;
    enum error_code code;
    bool transient;
    const char *words;
} STATUSES[] = {
    {401, ERROR_AUTH, false, "the server wants a token: set HF_TOKEN"},
    {403, ERROR_AUTH, false,
     "the server forbids it: HF_TOKEN lacks the right, or the model's terms must be accepted on "
     "its page first"},
    {404, ERROR_NOT_FOUND, false, "there is no such file or repository"},
    {408, ERROR_UNREACHABLE, true, "the server gave up waiting"},
    {410, ERROR_NOT_FOUND, false, "the file is gone"},
    {416, ERROR_UNREACHABLE, true, "the server has fewer bytes than were fetched before"},
    {429, ERROR_UNREACHABLE, true, "the server is asked too often"},
    {451, ERROR_REFUSED, false, "the file may not be served there"},
    {500, ERROR_UNREACHABLE, true, "the server failed"},
    {502, ERROR_UNREACHABLE, true, "the server failed"},
    {503, ERROR_UNREACHABLE, true, "the server is busy"},
    {504, ERROR_UNREACHABLE, true, "the server failed"},
};

static bool judge_status(struct try *t, struct error *err)
{
    if (t->status == 200 || t->status == 206) return true;
    for (size_t i = 0; i < sizeof STATUSES / sizeof *STATUSES; i++) {
        if (STATUSES[i].status != t->status) continue;
        t->transient = STATUSES[i].transient;
        if (t->status == 416 && !start_over(t)) return error_wrap(&t->err, "start over");
        return error_set(err, STATUSES[i].code, "%s (HTTP %ld)%s%s", STATUSES[i].words, t->status,
                         t->words[0] ? ": " : "", t->words);
    }
    return error_set(err, ERROR_REFUSED, "HTTP %ld%s%s", t->status, t->words[0] ? ": " : "",
                     t->words);
}

/* Scheme, host and port are the same. */
static bool same_server(const char *a, const char *b)
{
    const char *one = strstr(a, "://"), *two = strstr(b, "://");
    if (!one || !two) return false;
    size_t size = (size_t)(one - a) + 3 + strcspn(one + 3, "/?#");
    return strncasecmp(a, b, size) == 0 && strchr("/?#", b[size]);
}

static bool may_follow(const struct try *t, const char *from, const char *to, struct error *err)
{
    if (strncasecmp(from, "https:", 6) == 0 && strncasecmp(to, "https:", 6) != 0)
        return error_set(err, ERROR_REFUSED, "the server redirects from https to %.200s", to);
    return download_url_check(to, t->d->options.allow_http, err) || error_wrap(err, "redirect");
}

static bool follow(struct try *t, const char *start, struct error *err)
{
    char *url = xstrdup(start);
    bool ok = false;
    for (int hop = 0; hop <= REDIRECTS_MAX; hop++) {
        char *next = NULL;
        if (!request(t, url, same_server(start, url), err)) break;
        curl_easy_getinfo(t->d->curl, CURLINFO_REDIRECT_URL, &next);
        if (!next || t->status < 300 || t->status > 399) {
            ok = judge_status(t, err);
            break;
        }
        if (hop == REDIRECTS_MAX) {
            error_set(err, ERROR_REFUSED, "more than %d redirects", REDIRECTS_MAX);
            break;
        }
        if (!may_follow(t, url, next, err)) break;
        next = xstrdup(next);
        free(url);
        url = next;
    }
    free(url);
    return ok;
}

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
    if (!t->begun && !start_over(t)) return error_set(err, t->err.code, "%s", t->err.message);
    if (!size || t->have_bytes == size) return true;
    t->transient = true;
    return error_set(err, ERROR_UNREACHABLE,
                     "the answer ended after %" PRIu64 " of %" PRIu64 " bytes", t->have_bytes,
                     size);
}

static bool try_once(struct try *t, const char *url, struct error *err)
{
    return follow(t, url, err) && (!t->file || is_whole(t, err));
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
    char *note = etag_path(t);
    bool ok = fsync(t->fd) == 0 || error_set_errno(err, errno, "fsync %s", t->part);
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
        if (err->code != ERROR_CORRUPT || !start_over(t)) return false;
    }
    unlink(t->part);
    return false;
}

bool download_file(struct download *d, const struct download_file *file, struct error *err)
{
    struct try t = {.d = d, .file = file, .fd = -1};
    if (path_exists(file->to)) return true;
    bool ok = download_url_check(file->url, d->options.allow_http, err) && open_part(&t, err) &&
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
