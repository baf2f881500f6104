/* pickle_machine: the stack machine that a pickle is a program for: values, stack, marks, memo, and
 * the bytes still to read. Internal to the pickle reader. */
#ifndef ZOE_ENGINE_FILE_PICKLE_MACHINE_H
#define ZOE_ENGINE_FILE_PICKLE_MACHINE_H

#include "base/table.h"
#include "engine/file/pickle.h"

struct pickle {
    struct pickle_list values; /* everything ever made, in order */
    struct pickle_value *root;
};

struct pickle_machine {
    const unsigned char *at, *end;
    struct pickle *pickle;
    struct pickle_list stack;
    size_t *marks; /* heights of the stack */
    size_t mark_count, mark_capacity;
    struct table memo; /* number -> value */
    uint64_t memo_next;
    size_t copied; /* items of lists that became dicts: a few bytes can copy one again and again */
    bool stopped;
};

/* An opcode's work: NULL, or what is wrong. */
typedef const char *pickle_opcode_fn(struct pickle_machine *r);

#define PICKLE_OPCODES 256
extern pickle_opcode_fn *const pickle_opcodes[PICKLE_OPCODES]; /* NULL: not read */

extern const char pickle_cut_off[], pickle_stack_empty[], pickle_too_many[];

void pickle_list_add(struct pickle_list *list, struct pickle_value *value);

/* NULL when there are too many; pushing NULL says so. */
struct pickle_value *pickle_make(struct pickle_machine *r, enum pickle_kind kind);
const char *pickle_push(struct pickle_machine *r, struct pickle_value *value);

/* Values below the last mark are out of reach: NULL. */
size_t pickle_floor(const struct pickle_machine *r);
struct pickle_value *pickle_pop(struct pickle_machine *r);
struct pickle_value *pickle_top(const struct pickle_machine *r);

/* The items since the last mark, which goes; they stay in the stack's memory until the next push.
 */
bool pickle_since_mark(struct pickle_machine *r, struct pickle_list *items);

bool pickle_take(struct pickle_machine *r, size_t count, const unsigned char **out);
bool pickle_take_number(struct pickle_machine *r, int bytes, uint64_t *out); /* little-endian */

#endif
