#include "coordinator/subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/xalloc.h"
#include "proto/limits.h"

/* The part behind the slash. */
static bool parse_clip(char *text, struct subject *out)
{
    char *dot = strchr(text, '.');
    out->has_clip = true;
    out->has_task = dot != NULL;
    if (dot != NULL) *dot = '\0';
    return text_parse_i64(text, 0, LIMIT_SUBMIT_CLIPS - 1, &out->clip) &&
           (dot == NULL || text_parse_i64(dot + 1, 0, LIMIT_TASKS_PER_CLIP - 1, &out->task));
}

bool subject_parse(const char *text, struct subject *out)
{
    char *copy = xstrdup(text), *slash = strchr(copy, '/');
    *out = (struct subject){.clip = 0};
    if (slash != NULL) *slash = '\0';
    bool ok = id_is_batch_ref(copy) && (slash == NULL || parse_clip(slash + 1, out));
    if (ok) (void)snprintf(out->batch, sizeof(out->batch), "%s", copy);
    free(copy);
    return ok;
}
