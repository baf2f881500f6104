/* download: files over HTTP(S), by libcurl, one at a time.
 *
 * A file is fetched into TO.part and renamed when it is whole and its digest is right. What is cut
 * off goes on where it stopped: in the same call after a pause that doubles, in a later one from
 * TO.part; the server says by ETag (If-Range) whether it is still the same file, and where it has
 * none the digest must be known. Redirects are followed by hand, at most ten: never from https to
 * http, and the token stays with the first server. Plain http is for this machine (loopback) unless
 * allowed. */
#ifndef ZOE_CLI_DOWNLOAD_H
#define ZOE_CLI_DOWNLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/error.h"

struct download_options {
    const char *token;  /* sent as a bearer token to the server of the URL, or NULL */
    bool allow_http;    /* to other machines too */
    int tries;          /* in a row without a byte more; then the last error stands */
    int64_t pause_ns;   /* before the second try; doubles, at most 30 s */
    int64_t silence_ns; /* no byte for so long ends a try */
    /* Bytes of the file so far; total 0 = unknown. May be NULL. */
    void (*progress)(void *context, uint64_t done_bytes, uint64_t total_bytes);
    void (*retrying)(void *context, const char *why, int64_t pause_ns); /* may be NULL */
    bool (*interrupted)(void);                                          /* may be NULL */
    void *context;
};

struct download_file {
    const char *url;
    const char *to; /* path; its folder exists */
    uint64_t size_bytes;
    bool size_known;
    struct digest digest;
    bool digest_known;
};

struct download; /* one connection, kept open between files */
struct download *download_create(const struct download_options *options, struct error *err);
void download_destroy(struct download *d);

/* A small document. ERROR_NOT_FOUND (404), ERROR_AUTH (401, 403), ERROR_REFUSED (too big, or an
 * address that may not be asked), ERROR_UNREACHABLE after all tries, ERROR_INTERRUPTED. */
bool download_text(struct download *d, const char *url, size_t limit_bytes, struct buf *out,
                   struct error *err);

/* As above; ERROR_CORRUPT when size or digest is wrong (after one new start), ERROR_FULL when there
 * is no room: asked before the first byte is written. An existing TO is not asked for again. */
bool download_file(struct download *d, const struct download_file *file, struct error *err);

/* Whether the URL may be asked: https, or http to loopback, or http and `allow_http`. */
bool download_url_check(const char *url, bool allow_http, struct error *err);
/* `base` with its last part replaced by the relative `path`, escaped. Caller frees. */
char *download_url_beside(const char *base, const char *path);
/* `text` with all but unreserved characters and '/' escaped. Caller frees. */
char *download_url_escape(const char *text);

#endif
