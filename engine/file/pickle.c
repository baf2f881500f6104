#include "engine/file/pickle.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "engine/file/pickle_machine.h"

static bool run(struct pickle_machine *r, const char *what, struct error *err)
{
    const unsigned char *const start = r->at;
    while (!r->stopped) {
        if (r->at == r->end) return error_set(err, ERROR_INVALID, "%s: %s", what, pickle_cut_off);
        const size_t at = (size_t)(r->at - start);
        const unsigned char code = *r->at++;
        pickle_opcode_fn *const opcode = pickle_opcodes[code];
        const char *problem = opcode == NULL ? "an opcode that is not read" : opcode(r);
        if (problem != NULL)
            return error_set(err, ERROR_INVALID, "%s: byte %zu of the pickle (opcode 0x%02x): %s",
                             what, at, code, problem);
    }
    return true;
}

struct pickle *pickle_read(const void *data, size_t size_bytes, const char *what, struct error *err)
{
    if (size_bytes > PICKLE_BYTES_MAX) {
        error_set(err, ERROR_INVALID, "%s: a pickle of %zu bytes is too large", what, size_bytes);
        return NULL;
    }
    struct pickle_machine r = {.at = data, .end = (const unsigned char *)data + size_bytes};
    r.pickle = xcalloc(1, sizeof *r.pickle);
    table_init(&r.memo);
    const bool ok = run(&r, what, err);
    table_finish(&r.memo);
    free(r.stack.at);
    free(r.marks);
    if (ok) return r.pickle;
    pickle_free(r.pickle);
    return NULL;
}

static void free_value(struct pickle_value *value)
{
    const enum pickle_kind kind = value->kind;
    if (kind == PICKLE_TEXT || kind == PICKLE_CLASS) free((void *)(uintptr_t)value->text);
    if (kind == PICKLE_TUPLE || kind == PICKLE_LIST || kind == PICKLE_DICT) free(value->items.at);
    free(value);
}

void pickle_free(struct pickle *p)
{
    if (p == NULL) return;
    for (size_t i = 0; i < p->values.count; i++)
        free_value(p->values.at[i]);
    free(p->values.at);
    free(p);
}

const struct pickle_value *pickle_root(const struct pickle *p)
{
    return p->root;
}

const struct pickle_value *pickle_get(const struct pickle_value *dict, const char *key)
{
    for (size_t i = dict->items.count; i >= 2; i -= 2) {
        const struct pickle_value *name = dict->items.at[i - 2];
        if (name->kind == PICKLE_TEXT && strcmp(name->text, key) == 0) return dict->items.at[i - 1];
    }
    return NULL;
}
