/* submit_file: see the header. Lines are taken one by one; the first problem ends the writing, not
 * the looking. */
#include "coordinator/submit_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/recipe.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "coordinator/prompts.h"
#include "coordinator/submit_setting.h"

struct parse {
    const struct submit_input *input;
    struct submit_result *result;
    struct submit_settings settings;
    json_t *options; /* recipe fields of the options, checked */
    struct prompts_writer *writer;
    uint64_t line;  /* being read, 1-based */
    int64_t *seeds; /* of the line */
    size_t seed_capacity;
    struct error failure; /* not the submission's fault; code ERROR_NONE = none */
};

static const char *const format_names[] = {"text", "jsonl"};

bool submit_format_parse(const char *name, enum submit_format *out)
{
    for (size_t i = 0; i < sizeof format_names / sizeof format_names[0]; i++) {
        if (strcmp(name, format_names[i]) != 0) continue;
        *out = (enum submit_format)i;
        return true;
    }
    return false;
}

const char *submit_format_name(enum submit_format format)
{
    return format_names[format];
}

/* ---- problems ---- */

static void problem(struct parse *p, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Cuts between characters: the text goes on to JSON. */
static void cut(char *text, size_t room)
{
    size_t size = strlen(text);
    if (size + 1 < room) return;
    while (size > 0 && !text_is_utf8(text, size))
        size--;
    text[size] = '\0';
}

static void problem(struct parse *p, const char *field, const char *format, ...)
{
    struct submit_result *r = p->result;
    prompts_writer_abandon(p->writer);
    p->writer = NULL;
    r->problems_total++;
    if (r->problem_count == LIMIT_INPUT_PROBLEMS) return;
    struct submit_problem *it = &r->problems[r->problem_count++];
    it->line = p->line;
    snprintf(it->field, sizeof it->field, "%s", field);
    cut(it->field, sizeof it->field);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(it->message, sizeof it->message, format, arguments);
    va_end(arguments);
    cut(it->message, sizeof it->message);
}

static void fail(struct parse *p, const struct error *err)
{
    if (p->failure.code == ERROR_NONE) p->failure = *err;
    prompts_writer_abandon(p->writer);
    p->writer = NULL;
}

/* ---- one prompt ---- */

static uint64_t seeds_of(const struct parse *p, uint32_t own)
{
    return own ? own : p->result->seeds;
}

static void write_line(struct parse *p, const struct submit_setting *setting, const char *prompt,
                       size_t size, uint32_t seed_count)
{
    struct error err;
    struct prompts_line line = {.text = prompt,
                                .text_size = size,
                                .group = setting->group,
                                .differs = setting->differs,
                                .seeds = p->seeds,
                                .seed_count = seed_count};
    if (p->writer != NULL && !prompts_writer_add(p->writer, &line, &err)) fail(p, &err);
}

static void take_prompt(struct parse *p, json_t *fields, const char *prompt, size_t size,
                        uint32_t seed_count)
{
    struct submit_result *r = p->result;
    struct error err;
    char field[SUBMIT_FIELD_SIZE];
    const struct submit_setting *setting = submit_settings_of(&p->settings, fields, field, &err);
    if (setting == NULL) {
        problem(p, field, "%s", err.message);
        return;
    }
    struct submit_group *group = &r->groups[setting->group];
    if (group->clips == 0) group->first_clip = r->clips;
    group->clips += seeds_of(p, seed_count);
    r->clips += seeds_of(p, seed_count);
    r->prompts++;
    submit_words_look(&setting->model->words, prompt, size);
    write_line(p, setting, prompt, size, seed_count);
}

/* ---- text ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

static void trim(const char **text, size_t *size)
{
    while (*size > 0 && is_space(**text)) {
        (*text)++;
        (*size)--;
    }
    while (*size > 0 && is_space((*text)[*size - 1]))
        (*size)--;
}

static void take_text(struct parse *p, const char *text, size_t size)
{
    if (text[0] == '#') return;
    trim(&text, &size);
    if (size > RECIPE_PROMPT_MAX_BYTES)
        problem(p, "prompt", "has %zu bytes; at most %d fit", size, RECIPE_PROMPT_MAX_BYTES);
    else if (!text_is_utf8(text, size))
        problem(p, "prompt", "is not UTF-8 text");
    else
        take_prompt(p, NULL, text, size, 0);
}

/* ---- JSONL ---- */

static bool take_seed(struct parse *p, const json_t *value, size_t at)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        problem(p, "seed", "must be an integer from 0 to %" PRId64 ", or a list of such",
                (int64_t)RECIPE_SEED_MAX);
        return false;
    }
    p->seeds[at] = json_integer_value(value);
    return true;
}

static bool take_seeds(struct parse *p, const json_t *value, uint32_t *count_out)
{
    *count_out = 0;
    if (value == NULL) return true;
    size_t count = json_is_array(value) ? json_array_size(value) : 1;
    if (count == 0 || count > LIMIT_SEEDS) {
        problem(p, "seed", "the list has %zu seeds; from 1 to %d are allowed", count, LIMIT_SEEDS);
        return false;
    }
    if (count > p->seed_capacity) {
        p->seeds = xrealloc_array(p->seeds, count, sizeof *p->seeds);
        p->seed_capacity = count;
    }
    for (size_t i = 0; i < count; i++)
        if (!take_seed(p, json_is_array(value) ? json_array_get(value, i) : value, i)) return false;
    *count_out = (uint32_t)count;
    return true;
}

static void unknown_field(struct parse *p, const char *key)
{
    const char *nearest = recipe_field_nearest(key);
    problem(p, key, "unknown field%s%s%s", nearest ? "; did you mean '" : "",
            nearest ? nearest : "", nearest ? "'?" : "");
}

/* Every member by itself, so that each gets its own line in the answer. */
static bool check_members(struct parse *p, json_t *object)
{
    uint64_t before = p->result->problems_total;
    const char *key;
    json_t *value;
    struct error err;
    json_object_foreach(object, key, value)
    {
        const struct recipe_field *field = recipe_field_find(key);
        if (strcmp(key, "seed") == 0 || strcmp(key, "size") == 0) continue; /* looked at apart */
        if (field == NULL)
            unknown_field(p, key);
        else if (!recipe_check_value(field, value, &err))
            problem(p, key, "%s", err.message);
    }
    return p->result->problems_total == before;
}

/* Aliases, size, numbers: what concerns the object as a whole. */
static bool check_object(struct parse *p, json_t *object)
{
    struct error err;
    if (!check_members(p, object)) return false;
    if (recipe_check(object, &err)) return true;
    problem(p, json_object_get(object, "size") ? "size" : "", "%s", err.message);
    return false;
}

static void take_object(struct parse *p, json_t *object)
{
    uint32_t seed_count;
    json_t *prompt = json_incref(json_object_get(object, "prompt"));
    json_t *seed = json_incref(json_object_get(object, "seed"));
    json_object_del(object, "seed");
    if (prompt == NULL)
        problem(p, "prompt", "is missing");
    else if (take_seeds(p, seed, &seed_count) & check_object(p, object)) {
        json_object_del(object, "prompt");
        take_prompt(p, object, json_string_value(prompt), json_string_length(prompt), seed_count);
    }
    json_decref(prompt);
    json_decref(seed);
}

static void take_json(struct parse *p, const char *text, size_t size)
{
    json_error_t where;
    trim(&text, &size);
    json_t *object = json_loadb(text, size, JSON_REJECT_DUPLICATES, &where);
    if (object == NULL)
        problem(p, "", "is not JSON: %s (column %d)", where.text, where.column);
    else if (!json_is_object(object))
        problem(p, "", "is not a JSON object");
    else
        take_object(p, object);
    json_decref(object);
}

/* ---- lines ---- */

static bool is_blank(const char *text, size_t size)
{
    trim(&text, &size);
    return size == 0;
}

static void take_line(struct parse *p, const char *text, size_t size)
{
    if (size > LIMIT_SUBMIT_LINE_BYTES)
        problem(p, "", "the line has %zu bytes; at most %d fit", size, LIMIT_SUBMIT_LINE_BYTES);
    else if (is_blank(text, size))
        return;
    else if (p->input->format == SUBMIT_TEXT)
        take_text(p, text, size);
    else
        take_json(p, text, size);
}

static bool within_limits(struct parse *p)
{
    const struct submit_result *r = p->result;
    if (r->prompts > LIMIT_SUBMIT_PROMPTS)
        problem(p, "", "more than %d prompts: split the file", LIMIT_SUBMIT_PROMPTS);
    else if (r->clips > LIMIT_SUBMIT_CLIPS)
        problem(p, "", "more than %d clips: split the file", LIMIT_SUBMIT_CLIPS);
    else
        return true;
    return false;
}

static void take_lines(struct parse *p)
{
    const char *at = p->input->data;
    const char *end = at + p->input->size_bytes;
    if (p->input->size_bytes >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0) at += 3;
    while (at < end && p->failure.code == ERROR_NONE && within_limits(p)) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (stop == NULL) stop = end;
        p->line++;
        take_line(p, at, (size_t)(stop - at));
        at = stop < end ? stop + 1 : end;
    }
    if (at >= end) (void)within_limits(p);
}

/* ---- options ---- */

static bool take_count(struct parse *p, json_t *options, const char *key, int64_t fallback,
                       int64_t min, int64_t max, int64_t *out)
{
    const json_t *value = json_object_get(options, key);
    *out = value ? json_integer_value(value) : fallback;
    bool ok = value == NULL || (json_is_integer(value) && *out >= min && *out <= max);
    if (!ok) problem(p, key, "must be an integer from %" PRId64 " to %" PRId64, min, max);
    json_object_del(options, key);
    return ok;
}

static bool take_options(struct parse *p)
{
    int64_t seed, seeds;
    struct error err;
    const char *text = p->input->options;
    if (text == NULL || text[0] == '\0') text = "{}";
    p->options = json_parse(text, strlen(text), "options", &err);
    if (!json_is_object(p->options)) {
        problem(p, "", "the options are no JSON object");
        return false;
    }
    bool ok = take_count(p, p->options, "seed", 0, 0, RECIPE_SEED_MAX, &seed) &
              take_count(p, p->options, "seeds", 1, 1, LIMIT_SEEDS, &seeds);
    if (ok && seed > RECIPE_SEED_MAX - (seeds - 1)) {
        problem(p, "seeds", "the last seed would be above %" PRId64, (int64_t)RECIPE_SEED_MAX);
        ok = false;
    }
    if (json_object_get(p->options, "prompt") != NULL) {
        problem(p, "prompt", "is for lines, not for options");
        return false;
    }
    p->result->seed = seed;
    p->result->seeds = ok ? (uint32_t)seeds : 1;
    return check_object(p, p->options) && ok;
}

/* ---- the whole ---- */

static void warn(struct parse *p)
{
    struct submit_result *r = p->result;
    struct submit_model *m;
    for (size_t i = 0; (m = table_next(&p->settings.models, &i, NULL, NULL)) != NULL;) {
        char *text = submit_words_warning(&m->words, m->model->name);
        if (text == NULL) continue;
        if (r->warning_count < SUBMIT_WARNINGS)
            r->warnings[r->warning_count++] = text;
        else
            free(text);
    }
}

static void end_writing(struct parse *p)
{
    struct error err;
    if (p->writer == NULL) return;
    json_t *groups = json_array();
    for (uint32_t i = 0; i < p->result->group_count; i++)
        json_array_append(groups, p->result->groups[i].base);
    struct prompts_writer *w = p->writer;
    p->writer = NULL;
    if (!prompts_writer_finish(w, groups, &err)) fail(p, &err);
    json_decref(groups);
}

static void run(struct parse *p)
{
    struct error err;
    if (!take_options(p)) return;
    if (p->input->prompts_path != NULL) {
        p->writer =
            prompts_writer_open(p->input->prompts_path, p->result->seed, p->result->seeds, &err);
        if (p->writer == NULL) {
            fail(p, &err);
            return;
        }
    }
    submit_settings_init(&p->settings, p->input, p->options, p->result);
    take_lines(p);
    p->line = 0;
    if (p->result->prompts == 0 && p->result->problems_total == 0 && p->failure.code == ERROR_NONE)
        problem(p, "", "there is no prompt in it");
    end_writing(p);
    warn(p);
    submit_settings_finish(&p->settings);
}

bool submit_file_parse(const struct submit_input *input, struct submit_result *result,
                       struct error *err)
{
    struct parse p = {.input = input, .result = result};
    memset(result, 0, sizeof *result);
    run(&p);
    json_decref(p.options);
    free(p.seeds);
    if (p.failure.code != ERROR_NONE) {
        if (err != NULL) *err = p.failure;
        return false;
    }
    if (result->problems_total == 0) return true;
    return error_set(err, ERROR_INVALID,
                     "%" PRIu64 " problem%s in the submission, nothing was done",
                     result->problems_total, result->problems_total == 1 ? "" : "s");
}

void submit_result_finish(struct submit_result *r)
{
    for (uint32_t i = 0; i < r->group_count; i++) {
        free(r->groups[i].model);
        json_decref(r->groups[i].base);
    }
    free(r->groups);
    for (uint32_t i = 0; i < r->warning_count; i++)
        free(r->warnings[i]);
    memset(r, 0, sizeof *r);
}

static void *map_file(const char *path, size_t *size_out, struct error *err)
{
    struct stat st;
    void *data = MAP_FAILED;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        error_set_errno(err, errno, "%s", path);
    } else {
        *size_out = (size_t)st.st_size;
        data = *size_out ? mmap(NULL, *size_out, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
        if (data == MAP_FAILED) error_set_errno(err, errno, "%s", path);
        if (data != MAP_FAILED && data != NULL) madvise(data, *size_out, MADV_SEQUENTIAL);
    }
    if (fd >= 0) close(fd);
    return data;
}

bool submit_file_parse_path(const char *path, struct submit_input *input,
                            struct submit_result *result, struct error *err)
{
    size_t size = 0;
    memset(result, 0, sizeof *result);
    void *data = map_file(path, &size, err);
    if (data == MAP_FAILED) return false;
    input->data = data ? data : "";
    input->size_bytes = size;
    bool ok = submit_file_parse(input, result, err);
    if (data != NULL) munmap(data, size);
    input->data = NULL;
    input->size_bytes = 0;
    return ok;
}
