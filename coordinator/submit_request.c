/* submit_request: see the header. */
#include "coordinator/submit_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/xalloc.h"

void submit_request_copy(struct submit_request *out, const struct submit_request *from)
{
    *out = *from;
    out->owner = xstrdup(from->owner);
    out->key = xstrdup(from->key);
    out->name = xstrdup(from->name);
    out->options = xstrdup(from->options);
}

void submit_request_free(struct submit_request *r)
{
    const char *texts[] = {r->owner, r->key, r->name, r->options};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        free((void *)(uintptr_t)texts[i]);
}

static void add_text(struct digest_stream *s, const char *text)
{
    digest_update(s, text, strlen(text) + 1);
}

struct digest submit_request_content(const struct submit_request *r)
{
    struct digest_stream s;
    char priority[16];
    snprintf(priority, sizeof priority, "%d", r->priority);
    digest_begin(&s);
    digest_update(&s, r->sha256.bytes, DIGEST_BYTES);
    add_text(&s, submit_format_name(r->format));
    add_text(&s, r->options);
    add_text(&s, r->name);
    add_text(&s, priority);
    if (r->dry_run) add_text(&s, "dry run"); /* what was submitted for good keeps its digest */
    return digest_end(&s);
}

char *submit_request_default_key(const struct submit_request *r, const struct digest *content)
{
    struct digest_stream s;
    char text[DIGEST_TEXT_SIZE];
    digest_begin(&s);
    digest_update(&s, content->bytes, DIGEST_BYTES);
    add_text(&s, r->owner);
    struct digest d = digest_end(&s);
    digest_text(&d, text);
    if (!r->again) return xasprintf("auto-%.40s", text);
    return xasprintf("auto-%.24s-%016llx", text, (unsigned long long)id_random_u64());
}
