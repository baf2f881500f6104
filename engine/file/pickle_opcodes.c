/* What each opcode does, and the table of them. */
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "engine/file/pickle_machine.h"
#include "engine/file/pickle_torch.h"

/* Module and name of a class: longer ones are nobody's. */
#define CLASS_NAME_MAX 255

static const char *push_text(struct pickle_machine *r, int length_bytes)
{
    uint64_t length;
    const unsigned char *bytes;
    if (!pickle_take_number(r, length_bytes, &length) || length > (size_t)(r->end - r->at) ||
        !pickle_take(r, (size_t)length, &bytes))
        return pickle_cut_off;
    struct pickle_value *value = pickle_make(r, PICKLE_TEXT);
    if (value != NULL) value->text = xstrndup((const char *)bytes, (size_t)length);
    return pickle_push(r, value);
}

static const char *push_integer(struct pickle_machine *r, int64_t integer)
{
    struct pickle_value *value = pickle_make(r, PICKLE_INT);
    if (value != NULL) value->integer = integer;
    return pickle_push(r, value);
}

static const char *push_number(struct pickle_machine *r, int bytes, bool is_signed)
{
    uint64_t raw;
    if (!pickle_take_number(r, bytes, &raw)) return pickle_cut_off;
    const int unused = 64 - 8 * bytes;
    if (is_signed && bytes > 0 && raw >> (8 * bytes - 1) != 0 && unused > 0)
        raw |= UINT64_MAX << (64 - unused);
    int64_t integer;
    memcpy(&integer, &raw, sizeof integer);
    return push_integer(r, integer);
}

/* ---- opcodes that push ---- */

static const char *op_protocol(struct pickle_machine *r)
{
    uint64_t version;
    if (!pickle_take_number(r, 1, &version)) return pickle_cut_off;
    return version <= 5 ? NULL : "a protocol that is not read";
}

static const char *op_frame(struct pickle_machine *r)
{
    uint64_t length;
    return pickle_take_number(r, 8, &length) ? NULL : pickle_cut_off;
}

static const char *op_none(struct pickle_machine *r)
{
    return pickle_push(r, pickle_make(r, PICKLE_NONE));
}

static const char *push_bool(struct pickle_machine *r, bool truth)
{
    struct pickle_value *value = pickle_make(r, PICKLE_BOOL);
    if (value != NULL) value->integer = truth;
    return pickle_push(r, value);
}

static const char *op_true(struct pickle_machine *r)
{
    return push_bool(r, true);
}

static const char *op_false(struct pickle_machine *r)
{
    return push_bool(r, false);
}

static const char *op_int1(struct pickle_machine *r)
{
    return push_number(r, 1, false);
}

static const char *op_int2(struct pickle_machine *r)
{
    return push_number(r, 2, false);
}

static const char *op_int4(struct pickle_machine *r)
{
    return push_number(r, 4, true);
}

/* Integers beyond 64 bits are nothing here. */
static const char *push_long(struct pickle_machine *r, int length_bytes)
{
    uint64_t length;
    const unsigned char *bytes;
    if (!pickle_take_number(r, length_bytes, &length)) return pickle_cut_off;
    if (length <= 8) return push_number(r, (int)length, true);
    if (length > (size_t)(r->end - r->at) || !pickle_take(r, (size_t)length, &bytes))
        return pickle_cut_off;
    struct pickle_value *value = pickle_make(r, PICKLE_INERT);
    if (value != NULL) value->text = "a very large integer";
    return pickle_push(r, value);
}

static const char *op_long1(struct pickle_machine *r)
{
    return push_long(r, 1);
}

static const char *op_long4(struct pickle_machine *r)
{
    return push_long(r, 4);
}

static const char *op_real(struct pickle_machine *r)
{
    const unsigned char *p;
    uint64_t bits = 0;
    if (!pickle_take(r, 8, &p)) return pickle_cut_off;
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | p[i];
    struct pickle_value *value = pickle_make(r, PICKLE_REAL);
    if (value != NULL) memcpy(&value->real, &bits, sizeof bits);
    return pickle_push(r, value);
}

static const char *op_text1(struct pickle_machine *r)
{
    return push_text(r, 1);
}

static const char *op_text4(struct pickle_machine *r)
{
    return push_text(r, 4);
}

static const char *op_text8(struct pickle_machine *r)
{
    return push_text(r, 8);
}

static const char *op_empty_tuple(struct pickle_machine *r)
{
    return pickle_push(r, pickle_make(r, PICKLE_TUPLE));
}

static const char *op_empty_list(struct pickle_machine *r)
{
    return pickle_push(r, pickle_make(r, PICKLE_LIST));
}

static const char *op_empty_dict(struct pickle_machine *r)
{
    return pickle_push(r, pickle_make(r, PICKLE_DICT));
}

/* ---- containers ---- */

static const char *op_mark(struct pickle_machine *r)
{
    if (r->mark_count == r->mark_capacity) {
        r->mark_capacity = r->mark_capacity == 0 ? 16 : 2 * r->mark_capacity;
        r->marks = xrealloc_array(r->marks, r->mark_capacity, sizeof *r->marks);
    }
    r->marks[r->mark_count++] = r->stack.count;
    return NULL;
}

static const char *push_items(struct pickle_machine *r, enum pickle_kind kind)
{
    struct pickle_list items;
    if (!pickle_since_mark(r, &items)) return "no mark";
    if (kind == PICKLE_DICT && items.count % 2 != 0) return "a key without a value";
    struct pickle_value *value = pickle_make(r, kind);
    if (value == NULL) return pickle_too_many;
    for (size_t i = 0; i < items.count; i++)
        pickle_list_add(&value->items, items.at[i]);
    return pickle_push(r, value);
}

static const char *op_tuple(struct pickle_machine *r)
{
    return push_items(r, PICKLE_TUPLE);
}

static const char *op_list(struct pickle_machine *r)
{
    return push_items(r, PICKLE_LIST);
}

static const char *op_dict(struct pickle_machine *r)
{
    return push_items(r, PICKLE_DICT);
}

static const char *push_tuple(struct pickle_machine *r, size_t count)
{
    if (r->stack.count - pickle_floor(r) < count) return pickle_stack_empty;
    struct pickle_value *value = pickle_make(r, PICKLE_TUPLE);
    if (value == NULL) return pickle_too_many;
    r->stack.count -= count;
    for (size_t i = 0; i < count; i++)
        pickle_list_add(&value->items, r->stack.at[r->stack.count + i]);
    return pickle_push(r, value);
}

static const char *op_tuple1(struct pickle_machine *r)
{
    return push_tuple(r, 1);
}

static const char *op_tuple2(struct pickle_machine *r)
{
    return push_tuple(r, 2);
}

static const char *op_tuple3(struct pickle_machine *r)
{
    return push_tuple(r, 3);
}

/* Items for a list, or pairs for a dict; what is inert swallows them. */
static const char *put_into(struct pickle_machine *r, enum pickle_kind kind,
                            const struct pickle_list *items)
{
    struct pickle_value *target = pickle_top(r);
    if (target == NULL) return pickle_stack_empty;
    if (target->kind == PICKLE_INERT) return NULL;
    if (target->kind != kind) return "items for what is no such container";
    if (kind == PICKLE_DICT && items->count % 2 != 0) return "a key without a value";
    for (size_t i = 0; i < items->count; i++)
        pickle_list_add(&target->items, items->at[i]);
    return NULL;
}

static const char *put_last(struct pickle_machine *r, enum pickle_kind kind, size_t count)
{
    if (r->stack.count - pickle_floor(r) < count) return pickle_stack_empty;
    r->stack.count -= count;
    const struct pickle_list items = {r->stack.at + r->stack.count, count, 0};
    return put_into(r, kind, &items);
}

static const char *put_since_mark(struct pickle_machine *r, enum pickle_kind kind)
{
    struct pickle_list items;
    return pickle_since_mark(r, &items) ? put_into(r, kind, &items) : "no mark";
}

static const char *op_append(struct pickle_machine *r)
{
    return put_last(r, PICKLE_LIST, 1);
}

static const char *op_appends(struct pickle_machine *r)
{
    return put_since_mark(r, PICKLE_LIST);
}

static const char *op_set_item(struct pickle_machine *r)
{
    return put_last(r, PICKLE_DICT, 2);
}

static const char *op_set_items(struct pickle_machine *r)
{
    return put_since_mark(r, PICKLE_DICT);
}

/* ---- the stack and the memo ---- */

static const char *op_pop(struct pickle_machine *r)
{
    struct pickle_list items;
    if (r->mark_count > 0 && r->stack.count == pickle_floor(r))
        return pickle_since_mark(r, &items) ? NULL : "no mark";
    return pickle_pop(r) != NULL ? NULL : pickle_stack_empty;
}

static const char *op_pop_mark(struct pickle_machine *r)
{
    struct pickle_list items;
    return pickle_since_mark(r, &items) ? NULL : "no mark";
}

static const char *op_duplicate(struct pickle_machine *r)
{
    struct pickle_value *value = pickle_top(r);
    return value != NULL ? pickle_push(r, value) : pickle_stack_empty;
}

static const char *memo_put(struct pickle_machine *r, uint64_t number)
{
    struct pickle_value *value = pickle_top(r);
    if (value == NULL) return pickle_stack_empty;
    if (r->memo.count >= PICKLE_VALUES_MAX) return pickle_too_many;
    table_set_u64(&r->memo, number, value);
    return NULL;
}

static const char *memo_get(struct pickle_machine *r, int bytes)
{
    uint64_t number;
    if (!pickle_take_number(r, bytes, &number)) return pickle_cut_off;
    struct pickle_value *value = table_get_u64(&r->memo, number);
    return value != NULL ? pickle_push(r, value) : "a memo that was never made";
}

static const char *op_put1(struct pickle_machine *r)
{
    uint64_t number;
    return pickle_take_number(r, 1, &number) ? memo_put(r, number) : pickle_cut_off;
}

static const char *op_put4(struct pickle_machine *r)
{
    uint64_t number;
    return pickle_take_number(r, 4, &number) ? memo_put(r, number) : pickle_cut_off;
}

static const char *op_memoize(struct pickle_machine *r)
{
    return memo_put(r, r->memo_next++);
}

static const char *op_get1(struct pickle_machine *r)
{
    return memo_get(r, 1);
}

static const char *op_get4(struct pickle_machine *r)
{
    return memo_get(r, 4);
}

/* ---- classes and what is made of them ---- */

static const char *push_class(struct pickle_machine *r, const char *module, size_t module_size,
                              const char *name, size_t name_size)
{
    if (module_size > CLASS_NAME_MAX || name_size > CLASS_NAME_MAX)
        return "a class's name that is too long";
    struct pickle_value *value = pickle_make(r, PICKLE_CLASS);
    if (value != NULL)
        value->text = xasprintf("%.*s %.*s", (int)module_size, module, (int)name_size, name);
    return pickle_push(r, value);
}

static bool take_line(struct pickle_machine *r, const char **line, size_t *size)
{
    const unsigned char *end = memchr(r->at, '\n', (size_t)(r->end - r->at));
    if (end == NULL) return false;
    *line = (const char *)r->at;
    *size = (size_t)(end - r->at);
    r->at = end + 1;
    return true;
}

static const char *op_global(struct pickle_machine *r)
{
    const char *module, *name;
    size_t module_size, name_size;
    if (!take_line(r, &module, &module_size) || !take_line(r, &name, &name_size))
        return pickle_cut_off;
    return push_class(r, module, module_size, name, name_size);
}

static const char *op_stack_global(struct pickle_machine *r)
{
    const struct pickle_value *name = pickle_pop(r), *module = pickle_pop(r);
    if (name == NULL || module == NULL) return pickle_stack_empty;
    if (name->kind != PICKLE_TEXT || module->kind != PICKLE_TEXT) return "a class without a name";
    return push_class(r, module->text, strlen(module->text), name->text, strlen(name->text));
}

/* Nothing is called: the few makers of torch's state are known by name, the rest is inert. */
static const char *apply(struct pickle_machine *r, const struct pickle_value *maker,
                         struct pickle_value *args)
{
    if (maker == NULL || args == NULL) return pickle_stack_empty;
    struct pickle_value *passed = pickle_torch_pass(maker, args);
    if (passed != NULL) return pickle_push(r, passed);
    struct pickle_value *value = pickle_make(r, PICKLE_INERT);
    if (value != NULL) pickle_torch_make(maker, args, value);
    if (value != NULL && value->kind == PICKLE_DICT) r->copied += value->items.count;
    return r->copied <= PICKLE_VALUES_MAX ? pickle_push(r, value) : pickle_too_many;
}

static const char *op_reduce(struct pickle_machine *r)
{
    struct pickle_value *args = pickle_pop(r);
    return apply(r, pickle_pop(r), args);
}

static const char *op_new_object_ex(struct pickle_machine *r)
{
    if (pickle_pop(r) == NULL) return pickle_stack_empty;
    return op_reduce(r);
}

static const char *op_persistent(struct pickle_machine *r)
{
    const struct pickle_value *id = pickle_pop(r);
    if (id == NULL) return pickle_stack_empty;
    struct pickle_value *value = pickle_make(r, PICKLE_INERT);
    if (value != NULL) pickle_torch_storage(id, value);
    return pickle_push(r, value);
}

/* The state of an object: an ordered dict's attributes, or an inert value's. */
static const char *op_build(struct pickle_machine *r)
{
    if (pickle_pop(r) == NULL || pickle_top(r) == NULL) return pickle_stack_empty;
    return NULL;
}

static const char *op_stop(struct pickle_machine *r)
{
    r->pickle->root = pickle_pop(r);
    r->stopped = true;
    return r->pickle->root != NULL ? NULL : pickle_stack_empty;
}

pickle_opcode_fn *const pickle_opcodes[PICKLE_OPCODES] = {
    [0x80] = op_protocol,   [0x95] = op_frame,     ['.'] = op_stop,
    ['N'] = op_none,        [0x88] = op_true,      [0x89] = op_false,
    ['K'] = op_int1,        ['M'] = op_int2,       ['J'] = op_int4,
    [0x8a] = op_long1,      [0x8b] = op_long4,     ['G'] = op_real,
    [0x8c] = op_text1,      ['X'] = op_text4,      [0x8d] = op_text8,
    ['U'] = op_text1,       ['T'] = op_text4,      ['C'] = op_text1,
    ['B'] = op_text4,       [0x8e] = op_text8,     [0x96] = op_text8,
    [')'] = op_empty_tuple, [']'] = op_empty_list, ['}'] = op_empty_dict,
    [0x8f] = op_empty_list, ['('] = op_mark,       ['t'] = op_tuple,
    ['l'] = op_list,        [0x91] = op_list,      ['d'] = op_dict,
    [0x85] = op_tuple1,     [0x86] = op_tuple2,    [0x87] = op_tuple3,
    ['a'] = op_append,      ['e'] = op_appends,    [0x90] = op_appends,
    ['s'] = op_set_item,    ['u'] = op_set_items,  ['0'] = op_pop,
    ['1'] = op_pop_mark,    ['2'] = op_duplicate,  ['q'] = op_put1,
    ['r'] = op_put4,        [0x94] = op_memoize,   ['h'] = op_get1,
    ['j'] = op_get4,        ['c'] = op_global,     [0x93] = op_stack_global,
    ['R'] = op_reduce,      [0x81] = op_reduce,    [0x92] = op_new_object_ex,
    ['Q'] = op_persistent,  ['b'] = op_build,
};
