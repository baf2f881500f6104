#include "engine/file/pickle_machine.h"

#include "base/xalloc.h"

const char pickle_cut_off[] = "the pickle is cut off";
const char pickle_stack_empty[] = "the stack is empty";
const char pickle_too_many[] = "too many values";

/* ---- values ---- */

void pickle_list_add(struct pickle_list *list, struct pickle_value *value)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 4 : 2 * list->capacity;
        list->at = xrealloc_array(list->at, list->capacity, sizeof(struct pickle_value *));
    }
    list->at[list->count++] = value;
}

/* NULL when there are too many. */
struct pickle_value *pickle_make(struct pickle_machine *r, enum pickle_kind kind)
{
    if (r->pickle->values.count >= PICKLE_VALUES_MAX) return NULL;
    struct pickle_value *value = xcalloc(1, sizeof *value);
    value->kind = kind;
    pickle_list_add(&r->pickle->values, value);
    return value;
}

const char *pickle_push(struct pickle_machine *r, struct pickle_value *value)
{
    if (value == NULL) return pickle_too_many;
    pickle_list_add(&r->stack, value);
    return NULL;
}

/* Values below the last mark are out of reach. */
size_t pickle_floor(const struct pickle_machine *r)
{
    return r->mark_count > 0 ? r->marks[r->mark_count - 1] : 0;
}

struct pickle_value *pickle_pop(struct pickle_machine *r)
{
    return r->stack.count > pickle_floor(r) ? r->stack.at[--r->stack.count] : NULL;
}

struct pickle_value *pickle_top(const struct pickle_machine *r)
{
    return r->stack.count > pickle_floor(r) ? r->stack.at[r->stack.count - 1] : NULL;
}

/* ---- bytes ---- */

bool pickle_take(struct pickle_machine *r, size_t count, const unsigned char **out)
{
    if ((size_t)(r->end - r->at) < count) return false;
    *out = r->at;
    r->at += count;
    return true;
}

bool pickle_take_number(struct pickle_machine *r, int bytes, uint64_t *out)
{
    const unsigned char *p;
    if (!pickle_take(r, (size_t)bytes, &p)) return false;
    *out = 0;
    for (int i = bytes - 1; i >= 0; i--)
        *out = *out << 8 | p[i];
    return true;
}

/* The items since the last mark, which goes; they stay on the stack's memory until the next push.
 */
bool pickle_since_mark(struct pickle_machine *r, struct pickle_list *items)
{
    if (r->mark_count == 0) return false;
    const size_t from = r->marks[--r->mark_count];
    struct pickle_value **at = r->stack.at == NULL ? NULL : r->stack.at + from;
    *items = (struct pickle_list){at, r->stack.count - from, 0};
    r->stack.count = from;
    return true;
}
