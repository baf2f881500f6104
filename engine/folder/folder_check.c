/* engine_check: every part's tensors read once, then the network opened, whose own checks of names
 * and shapes stand. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/xalloc.h"
#include "engine/engine.h"
#include "engine/folder/model_folder.h"
#include "engine/model/family.h"

#define CHECK_SCHEMA 1
#define CHUNK_ELEMENTS 65536
#define PROBLEMS_MAX 20

struct check {
    json_t *parts, *missing, *problems, *notes;
    void *chunk; /* CHUNK_ELEMENTS of the widest type */
};

/* Of a text that is not UTF-8 (a path may be anything) what is ASCII: a problem is never lost. */
static json_t *readable(const char *text)
{
    if (text_is_utf8(text, strlen(text))) return json_string(text);
    char *copy = xstrdup(text);
    for (char *c = copy; *c != '\0'; c++)
        if ((unsigned char)*c >= 0x80) *c = '?';
    json_t *string = json_string(copy);
    free(copy);
    return string;
}

static void add_text(json_t *list, const char *text)
{
    if (json_array_size(list) < PROBLEMS_MAX) json_array_append_new(list, readable(text));
}

/* ---- one tensor ---- */

static int64_t count_in_chunk(const struct check *c, const struct tensor_entry *e, int64_t count)
{
    const unsigned char *bytes = c->chunk;
    const size_t size = tensor_dtype_size(e->dtype);
    int64_t bad = 0;
    for (int64_t i = 0; i < count; i++)
        bad += tensor_find_not_finite(e->dtype, bytes + (size_t)i * size, 1) == 0;
    return bad;
}

/* How many are not finite; the first one's place. -1 with err when it cannot be read. */
static int64_t count_bad(const struct check *c, const struct tensor_entry *e, int64_t *first_out,
                         struct error *err)
{
    int64_t bad = 0;
    for (int64_t at = 0; at < e->count; at += CHUNK_ELEMENTS) {
        const int64_t count = e->count - at < CHUNK_ELEMENTS ? e->count - at : CHUNK_ELEMENTS;
        if (!tensor_entry_read(e, at, count, c->chunk, err)) return -1;
        const int64_t first = tensor_find_not_finite(e->dtype, c->chunk, count);
        if (first >= 0 && bad == 0) *first_out = at + first;
        if (first >= 0) bad += count_in_chunk(c, e, count);
    }
    return bad;
}

static void check_tensor(struct check *c, const char *file, const struct tensor_entry *e)
{
    struct error err = {0};
    int64_t first = 0;
    char *text = NULL;
    const int64_t bad = e->problem != NULL ? 0 : count_bad(c, e, &first, &err);
    if (e->problem != NULL)
        text = xasprintf("%s: tensor %s: %s", file, e->name, e->problem);
    else if (bad < 0)
        text = xasprintf("%s: tensor %s: %s", file, e->name, err.message);
    else if (bad > 0)
        text = xasprintf("%s: tensor %s: %lld of %lld values are not finite, the first at %lld",
                         file, e->name, (long long)bad, (long long)e->count, (long long)first);
    if (text != NULL) add_text(c->problems, text);
    tensor_entry_drop(e);
    free(text);
}

/* ---- one part ---- */

static void check_part(struct check *c, struct model_parts *parts, enum model_part part)
{
    struct error err = {0};
    struct tensor_file *f = model_parts_tensors(parts, part, &err);
    if (f == NULL) {
        char *text = xasprintf("%s: %s", model_part_name(part), err.message);
        add_text(err.code == ERROR_NOT_FOUND ? c->missing : c->problems, text);
        free(text);
        return;
    }
    const char *dtype = NULL;
    json_int_t bytes = 0;
    for (int i = 0; i < tensor_file_count(f); i++) {
        const struct tensor_entry *e = tensor_file_at(f, i);
        const char *name = tensor_dtype_name(e->dtype);
        bytes += (json_int_t)tensor_entry_bytes(e);
        dtype = dtype == NULL || strcmp(dtype, name) == 0 ? name : "mixed";
        check_tensor(c, tensor_file_path(f), e);
    }
    json_array_append_new(c->parts,
                          json_pack("{ss so si sI ss?}", "part", model_part_name(part), "file",
                                    readable(tensor_file_path(f)), "tensors", tensor_file_count(f),
                                    "bytes", bytes, "dtype", dtype));
}

static void check_parts(struct check *c, struct model_parts *parts)
{
    for (int part = 0; part < PART_WITH_TENSORS; part++)
        check_part(c, parts, (enum model_part)part);
    json_array_extend(c->notes, (json_t *)(uintptr_t)model_parts_notes(parts));
}

/* Opening compares each tensor with what the configuration asks for. */
static void check_opening(struct check *c, const char *path, int threads)
{
    struct error err = {0};
    const struct engine_options options = {.threads = threads};
    struct engine_model *model = engine_open(path, &options, &err);
    if (model == NULL) add_text(c->problems, err.message);
    engine_close(model);
}

/* ---- the report ---- */

static json_t *report(struct check *c, const char *form, const json_t *facts)
{
    return json_pack("{si ss? sO? sO? sO? so so so so}", "schema", CHECK_SCHEMA, "form", form,
                     "name", json_object_get(facts, "name"), "family",
                     json_object_get(facts, "family"), "licence", json_object_get(facts, "licence"),
                     "parts", c->parts, "missing", c->missing, "problems", c->problems, "notes",
                     c->notes);
}

/* The files are closed again before the model is opened: their pages would count twice. */
static char *check_files(struct check *c, const char *path, json_t **facts_out)
{
    struct error err = {0};
    struct model_folder m;
    char *form = NULL;
    if (!model_folder_open(&m, path, &err)) {
        add_text(c->problems, err.message);
        return NULL;
    }
    *facts_out = model_folder_facts(&m, &err);
    if (*facts_out == NULL) add_text(c->problems, err.message);
    if (m.parts != NULL) form = xstrdup(model_parts_form(m.parts));
    if (m.parts != NULL) check_parts(c, m.parts);
    model_folder_close(&m);
    return form;
}

json_t *engine_check(const char *path, int threads)
{
    struct check c = {json_array(), json_array(), json_array(), json_array(),
                      xcalloc(CHUNK_ELEMENTS, sizeof(double))};
    json_t *facts = NULL;
    char *form = check_files(&c, path, &facts);
    if (json_array_size(c.problems) + json_array_size(c.missing) == 0)
        check_opening(&c, path, threads);
    json_t *answer = report(&c, form, facts);
    json_decref(facts);
    free(form);
    free(c.chunk);
    return answer;
}
