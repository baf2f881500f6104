/* download_try: one try at a file or document: a request, and those that its redirects lead to.
 * Room-internal: download.c, which tries again and judges the whole. */
#ifndef ZOE_CLI_DOWNLOAD_TRY_H
#define ZOE_CLI_DOWNLOAD_TRY_H

#include <curl/curl.h>

#include "cli/download.h"

#define ETAG_MAX 256

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

/* Opens TO.part and keeps of it what may be gone on with. */
bool try_open_part(struct try *t, struct error *err);
/* Empties it; the reason why not is in t->err. */
bool try_start_over(struct try *t);
/* The address of the note beside it, for the caller to free. */
char *try_note_path(const struct try *t);
/* Asks `url` and follows redirects; false with err and t->transient. */
bool try_follow(struct try *t, const char *url, struct error *err);

#endif
