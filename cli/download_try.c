/* A try writes what it gets at once; what an answer's headers say is kept until its end. */
#include "cli/download_try.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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
#define DISK_RESERVE_BYTES (64 * UINT64_C(1024) * 1024)

/* ---- the part that is there ---- */

char *try_note_path(const struct try *t)
{
    return xasprintf("%s.etag", t->part);
}

/* The note beside a part: the address and the ETag that its bytes came with. */
static void read_note(struct try *t)
{
    struct buf note = BUF_INIT;
    char *path = try_note_path(t);
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
    char *path = try_note_path(t);
    char *note = xasprintf("%s\n%s", t->file->url, t->etag);
    bool ok = path_write_atomic(path, note, strlen(note), 0600, &t->err);
    free(note);
    free(path);
    return ok;
}

bool try_open_part(struct try *t, struct error *err)
{
    struct stat info;
    t->part = xasprintf("%s.part", t->file->to);
    t->fd = open(t->part, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
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

bool try_start_over(struct try *t)
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
    if (!path_free_bytes(t->part, &free_bytes, &total, NULL)) return true;
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
        if (!try_start_over(t)) return false;
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
        if (t->status == 416 && !try_start_over(t)) return error_wrap(&t->err, "start over");
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

bool try_follow(struct try *t, const char *start, struct error *err)
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
