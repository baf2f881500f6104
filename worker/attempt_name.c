#include "worker/attempt_name.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void attempt_name_text(const struct attempt_name *name, char out[ATTEMPT_NAME_TEXT_SIZE])
{
    if (name->batch[0] == '\0')
        snprintf(out, ATTEMPT_NAME_TEXT_SIZE, "canary.%" PRIu64, name->fence);
    else
        snprintf(out, ATTEMPT_NAME_TEXT_SIZE, "%s.%" PRIu32 ".%" PRIu32 ".%" PRIu64, name->batch,
                 name->clip, name->task, name->fence);
}

/* ".N", so often; NULL when it is something else. */
static const char *skip_numbers(const char *text, int count)
{
    for (int i = 0; i < count; i++) {
        size_t digits = *text == '.' ? strspn(text + 1, "0123456789") : 0;
        if (digits == 0) return NULL;
        text += 1 + digits;
    }
    return text;
}

size_t attempt_name_length(const char *file)
{
    char first[ID_BATCH_SIZE] = "";
    size_t size = strcspn(file, ".");
    if (size < sizeof first) memcpy(first, file, size);
    const bool canary = strcmp(first, "canary") == 0;
    if (!canary && !id_is_batch(first)) return 0;
    const char *end = skip_numbers(file + size, canary ? 1 : 3);
    return end ? (size_t)(end - file) : 0;
}

bool attempt_name_equal(const struct attempt_name *a, const struct attempt_name *b)
{
    return a->fence == b->fence && a->clip == b->clip && a->task == b->task &&
           strcmp(a->batch, b->batch) == 0;
}

struct attempt_name attempt_name_read(const Farm__Attempt *attempt)
{
    struct attempt_name name = {
        .clip = attempt->clip, .task = attempt->task, .fence = attempt->fence};
    snprintf(name.batch, sizeof name.batch, "%s", attempt->batch);
    return name;
}

Farm__Attempt attempt_name_wire(struct attempt_name *name)
{
    Farm__Attempt attempt = FARM__ATTEMPT__INIT;
    attempt.batch = name->batch;
    attempt.clip = name->clip;
    attempt.task = name->task;
    attempt.fence = name->fence;
    return attempt;
}
