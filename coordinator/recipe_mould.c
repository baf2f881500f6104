#include "coordinator/recipe_mould.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"

/* What stands in the gaps while the text is made; found once each, or the mould is not used. */
#define PROMPT_GAP "\"the gap of the prompt 5f0c1c59a3\""
#define SEED_GAP "4099276460824344803"

/* Where `gap` is found when it is found once, and cuts it out. */
static bool cut(char *text, const char *gap, size_t *at_out)
{
    char *found = strstr(text, gap);
    const size_t size = strlen(gap);
    if (found == NULL || strstr(found + size, gap) != NULL) return false;
    memmove(found, found + size, strlen(found + size) + 1);
    *at_out = (size_t)(found - text);
    return true;
}

void recipe_mould_make(struct recipe_mould *m, const json_t *base)
{
    json_t *whole = json_copy((json_t *)(uintptr_t)base); /* shallow: only read */
    json_object_set_new(whole, "prompt", json_stringn(PROMPT_GAP + 1, sizeof PROMPT_GAP - 3));
    json_object_set_new(whole, "seed", json_integer(strtoll(SEED_GAP, NULL, 10)));
    m->text = json_canonical(whole);
    /* The later one first, so that the place of the other stays right. */
    m->usable = cut(m->text, SEED_GAP, &m->seed) && cut(m->text, PROMPT_GAP, &m->prompt) &&
                m->prompt < m->seed;
    if (m->usable) m->seed -= strlen(PROMPT_GAP);
    json_decref(whole);
}

void recipe_mould_finish(struct recipe_mould *m)
{
    free(m->text);
    *m = (struct recipe_mould){.text = NULL};
}

char *recipe_mould_fill(const struct recipe_mould *m, const char *prompt, size_t prompt_size,
                        int64_t seed)
{
    struct buf out = BUF_INIT;
    json_t *text = json_stringn(prompt, prompt_size);
    char *quoted = json_canonical(text);
    buf_reserve(&out, strlen(m->text) + strlen(quoted) + 32);
    buf_append(&out, m->text, m->prompt);
    buf_append_text(&out, quoted);
    buf_append(&out, m->text + m->prompt, m->seed - m->prompt);
    buf_printf(&out, "%" PRId64, seed);
    buf_append_text(&out, m->text + m->seed);
    free(quoted);
    json_decref(text);
    return buf_take_text(&out);
}
