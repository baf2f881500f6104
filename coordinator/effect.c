#include "coordinator/effect.h"

#include <stdlib.h>

#include "base/xalloc.h"

void effects_init(struct effects *list)
{
    *list = (struct effects){.turn = 1};
}

static void free_texts(struct effects *list)
{
    for (size_t i = 0; i < list->text_count; i++)
        free(list->texts[i]);
    list->text_count = 0;
}

void effects_finish(struct effects *list)
{
    free_texts(list);
    free(list->texts);
    free(list->items);
    effects_init(list);
}

void effects_clear(struct effects *list)
{
    free_texts(list);
    list->count = 0;
    list->turn++;
}

struct effect *effects_add(struct effects *list, enum effect_kind kind)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity > 0 ? list->capacity * 2 : 32;
        list->items = xrealloc_array(list->items, list->capacity, sizeof(list->items[0]));
    }
    struct effect *added = &list->items[list->count++];
    *added = (struct effect){.kind = kind};
    return added;
}

const char *effects_text(struct effects *list, const char *text)
{
    if (text == NULL || text[0] == '\0') return "";
    if (list->text_count == list->text_capacity) {
        list->text_capacity = list->text_capacity > 0 ? list->text_capacity * 2 : 32;
        list->texts = xrealloc_array(list->texts, list->text_capacity, sizeof(list->texts[0]));
    }
    list->texts[list->text_count] = xstrdup(text);
    return list->texts[list->text_count++];
}

bool effect_is_write(enum effect_kind kind)
{
    return kind <= EFFECT_EVENT;
}

bool effect_is_message(enum effect_kind kind)
{
    return kind >= EFFECT_WELCOME && kind <= EFFECT_CHECKPOINT_SEEN;
}

bool effect_is_job(enum effect_kind kind)
{
    return kind >= EFFECT_VERIFY && kind < EFFECT_KIND_COUNT;
}

const char *effect_name(enum effect_kind kind)
{
    static const char *const names[EFFECT_KIND_COUNT] = {
        [EFFECT_SAVE_BATCH] = "save_batch",
        [EFFECT_SAVE_PRIORITY] = "save_priority",
        [EFFECT_SAVE_PAGE] = "save_page",
        [EFFECT_REMOVE_BATCH] = "remove_batch",
        [EFFECT_SAVE_TASK] = "save_task",
        [EFFECT_SAVE_ATTEMPT] = "save_attempt",
        [EFFECT_END_ATTEMPT] = "end_attempt",
        [EFFECT_SAVE_OUTPUT] = "save_output",
        [EFFECT_DROP_OUTPUTS] = "drop_outputs",
        [EFFECT_DROP_CHECKPOINT] = "drop_checkpoint",
        [EFFECT_RETIRE_CLIP] = "retire_clip",
        [EFFECT_SAVE_CLIP] = "save_clip",
        [EFFECT_SAVE_WORKER] = "save_worker",
        [EFFECT_EVENT] = "event",
        [EFFECT_WELCOME] = "welcome",
        [EFFECT_CLOSE_SESSION] = "close_session",
        [EFFECT_ASSIGN] = "assign",
        [EFFECT_CANCEL] = "cancel",
        [EFFECT_RECALL] = "recall",
        [EFFECT_DRAIN] = "drain",
        [EFFECT_CREDIT] = "credit",
        [EFFECT_STORED] = "stored",
        [EFFECT_DROPPED] = "dropped",
        [EFFECT_CHECKPOINT_SEEN] = "checkpoint_seen",
        [EFFECT_VERIFY] = "verify",
        [EFFECT_VERIFY_CHECKPOINT] = "verify_checkpoint",
        [EFFECT_DISCARD_UPLOAD] = "discard_upload",
        [EFFECT_DISCARD_CHECKPOINT] = "discard_checkpoint",
        [EFFECT_STITCH] = "stitch",
        [EFFECT_RENAME] = "rename",
    };
    return (size_t)kind < EFFECT_KIND_COUNT ? names[kind] : "unknown";
}
