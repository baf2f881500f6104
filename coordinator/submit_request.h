/* submit_request: what a client asks with SubmitOpen, what makes two of them the same submission,
 * and the key of one that names none. */
#ifndef ZOE_COORDINATOR_SUBMIT_REQUEST_H
#define ZOE_COORDINATOR_SUBMIT_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "coordinator/submit_file.h"
#include "proto/keys.h"

struct submit_request { /* SubmitOpen and who sent it; borrowed */
    uint64_t client;    /* the caller's name for the session */
    uint64_t request;   /* and for the question; both come back in the answer */
    const char *owner;
    uint8_t opener[KEY_BYTES]; /* the sender's own key, of perhaps several of this owner */
    bool sees_all;             /* what others have sent, too */
    const char *key;           /* "" = default key */
    struct digest sha256;
    uint64_t size_bytes;
    enum submit_format format;
    const char *name;
    int priority;
    const char *options; /* JSON object text or "" */
    bool again;          /* match no earlier batch by a default key */
    bool dry_run;
};

/* A copy that owns its texts, for submit_request_free. */
void submit_request_copy(struct submit_request *out, const struct submit_request *from);
void submit_request_free(struct submit_request *r);
/* Of the file's bytes, the format, the options as sent, name and priority; a dry run has another
 * one, so that neither goes on with what was sent for the other. */
struct digest submit_request_content(const struct submit_request *r);
/* Of content and owner; with `again` one that nothing has yet. Caller frees. */
char *submit_request_default_key(const struct submit_request *r, const struct digest *content);

#endif
