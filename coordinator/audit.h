/* audit: who did what with batches that exist, workers, keys, tokens, owners and backups, which
 * keys joined, were refused or forgotten, and every refusal for want of a role. Submissions are
 * events. An entry is written in the transaction of the change, so that neither is there without
 * the other; what was so already is no change. Refusals are written at a bounded pace: what is left
 * out is counted in the next one. Loop thread.
 */
#ifndef ZOE_COORDINATOR_AUDIT_H
#define ZOE_COORDINATOR_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bucket.h"

struct coordinator;
struct dispatch;

struct audit {
    struct bucket refusals;
    uint64_t left_out;
};

struct audit_note { /* texts are borrowed, and cut where they are too long */
    const char *by, *role, *action, *subject, *detail;
    bool allowed;
};

void audit_init(struct audit *a);
void audit_note(struct coordinator *c, const struct audit_note *note);
/* Whether it is one of the messages that change something and are written down. */
bool audit_counts(const struct dispatch *d);
/* After a client's message was handled: notes it if it is one of those that count, and went well or
 * was refused for want of a role. */
void audit_request(struct dispatch *d);
bool audit_prune(struct coordinator *c); /* true: there may be more */

#endif
