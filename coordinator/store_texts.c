/* store_texts: see the header. All are copied first, because the buffer may move while it grows. */
#include "coordinator/store_texts.h"

#include <string.h>

#include "base/xalloc.h"

void store_texts_keep(struct buf *keep, const char **texts[], int count)
{
    size_t at[STORE_TEXTS_MAX];
    ZOE_ASSERT(count <= STORE_TEXTS_MAX);
    buf_clear(keep);
    for (int i = 0; i < count; i++) {
        const char *text = *texts[i] ? *texts[i] : "";
        at[i] = keep->size;
        buf_append(keep, text, strlen(text) + 1);
    }
    for (int i = 0; i < count; i++)
        *texts[i] = (const char *)keep->data + at[i];
}
