#include "engine/text/vocabulary.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "engine/text/unicode.h"

static bool prints(int byte)
{
    return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

uint32_t vocabulary_letter(int byte)
{
    uint32_t spare = 256;
    if (prints(byte)) return (uint32_t)byte;
    for (int i = 0; i < byte; i++)
        spare += !prints(i);
    return spare;
}

static bool read_json(const char *path, struct table *ids, int *size, struct error *err)
{
    json_t *vocab = json_parse_file(path, VOCABULARY_FILE_LIMIT_BYTES, err), *value;
    const char *symbol;
    bool ok = vocab != NULL;
    json_object_foreach(vocab, symbol, value)
    {
        const json_int_t id = json_is_integer(value) ? json_integer_value(value) : -1;
        ok = id >= 0 && id < INT32_MAX - 1;
        if (!ok) {
            error_set(err, ERROR_INVALID, "%s: \"%.40s\" has no id", path, symbol);
            break;
        }
        table_set_text(ids, symbol, (void *)(intptr_t)(id + 1));
        if (id >= *size) *size = (int)id + 1;
    }
    if (ok && *size == 0) ok = error_set(err, ERROR_INVALID, "%s: no vocabulary", path);
    json_decref(vocab);
    return ok;
}

/* ---- from the merges ---- */

static void add_symbol(struct table *ids, int *size, const char *symbol)
{
    table_set_text(ids, symbol, (void *)(intptr_t)(++*size));
}

/* Those that print come first. */
static void add_bytes(struct table *ids, int *size, const char *ending)
{
    struct buf symbol = BUF_INIT;
    for (int pass = 0; pass < 2; pass++)
        for (int byte = 0; byte < 256; byte++) {
            if (prints(byte) != (pass == 0)) continue;
            buf_clear(&symbol);
            unicode_append(&symbol, vocabulary_letter(byte));
            buf_append_text(&symbol, ending);
            add_symbol(ids, size, buf_text(&symbol));
        }
    buf_finish(&symbol);
}

/* The line is cut in place: "left right" becomes "leftright". */
static void add_merges(struct table *ids, int *size, char *text)
{
    char *rest = NULL;
    for (char *line = strtok_r(text, "\r\n", &rest); line != NULL;
         line = strtok_r(NULL, "\r\n", &rest)) {
        char *space = strchr(line, ' ');
        if (space == NULL || strncmp(line, "#version", 8) == 0) continue;
        memmove(space, space + 1, strlen(space));
        add_symbol(ids, size, line);
    }
}

static bool derive(const char *folder, struct table *ids, int *size, struct error *err)
{
    char *path = path_join(folder, "merges.txt");
    struct buf file = BUF_INIT;
    const bool ok = path_read(path, VOCABULARY_FILE_LIMIT_BYTES, &file, err);
    if (ok) {
        char *text = buf_take_text(&file);
        add_bytes(ids, size, "");
        add_bytes(ids, size, VOCABULARY_END_OF_WORD);
        add_merges(ids, size, text);
        add_symbol(ids, size, "<|startoftext|>");
        add_symbol(ids, size, "<|endoftext|>");
        free(text);
    }
    buf_finish(&file);
    free(path);
    return ok;
}

bool vocabulary_read(const char *folder, struct table *ids, int *size_out, struct error *err)
{
    char *path = path_join(folder, "vocab.json");
    *size_out = 0;
    const bool ok = path_exists(path) ? read_json(path, ids, size_out, err)
                                      : derive(folder, ids, size_out, err);
    free(path);
    return ok;
}
