/* submit_file: see the header. One pass over the lines; a line becomes a prompt, its seeds and a
 * variant (submit_variant.c). */
#include "coordinator/submit_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/recipe.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "coordinator/prompts.h"
#include "coordinator/submit_inputs.h"
#include "coordinator/submit_variant.h"
#include "coordinator/submit_words.h"

struct parse {
    const struct submit_input *input;
    struct submit_result *result;
    struct submit_variants variants;
    struct submit_words words;
    struct prompts_writer *writer; /* NULL: check only */
    json_t *options;               /* recipe fields, canonical names */
    json_t *nothing;               /* {}: the fields of a text line */
    uint64_t line;
    int64_t *seeds; /* of the present line */
    uint32_t seed_count;
    uint32_t seed_capacity;
    bool broken; /* the prompts file cannot be written, or nobody waits for it */
    struct error broken_why;
};

static const char *const formats[] = {[SUBMIT_TEXT] = "text", [SUBMIT_JSONL] = "jsonl"};

bool submit_format_parse(const char *name, enum submit_format *out)
{
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (strcmp(name, formats[i]) != 0) continue;
        *out = (enum submit_format)i;
        return true;
    }
    return false;
}

const char *submit_format_name(enum submit_format format)
{
    return formats[format];
}

/* ---- problems ---- */

__attribute__((format(printf, 3, 4))) static bool problem(struct parse *p, const char *field,
                                                          const char *format, ...)
{
    struct submit_result *r = p->result;
    r->problems_total++;
    if (r->problem_count == LIMIT_INPUT_PROBLEMS) return false;
    struct submit_problem *out = &r->problems[r->problem_count++];
    out->line = p->line;
    snprintf(out->field, sizeof out->field, "%s", field);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(out->message, sizeof out->message, format, arguments);
    va_end(arguments);
    /* cut at a character, so that it stays UTF-8 */
    size_t size = strlen(out->message);
    while (size > 0 && !text_is_utf8(out->message, size))
        out->message[--size] = '\0';
    return false;
}

/* ---- fields ---- */

static bool unknown_field(struct parse *p, const char *name)
{
    const char *nearest = recipe_field_nearest(name);
    if (nearest != NULL)
        return problem(p, name, "there is no such field; did you mean '%s'?", nearest);
    return problem(p, name, "there is no such field");
}

/* One member of a line or of the options into `fields`, checked, under its canonical name. */
static bool add_field(struct parse *p, json_t *fields, const char *name, json_t *value)
{
    struct error err;
    if (recipe_is_shorthand(name))
        return recipe_expand(fields, name, value, &err) || problem(p, name, "%s", err.message);
    const struct recipe_field *field = recipe_field_find(name);
    if (field == NULL) return unknown_field(p, name);
    if (!recipe_check_value(field, value, &err) ||
        !submit_inputs_take(p->result, field->name, value, &err))
        return problem(p, field->name, "%s", err.message);
    if (json_object_get(fields, field->name) != NULL)
        return problem(p, field->name, "is given twice");
    json_object_set(fields, field->name, value);
    return true;
}

/* ---- seeds ---- */

static bool add_seed(struct parse *p, const json_t *value)
{
    json_int_t seed = json_integer_value(value);
    if (!json_is_integer(value) || seed < 0)
        return problem(p, "seed", "a seed is a whole number from 0 to 9223372036854775807");
    if (p->seed_count == LIMIT_SEEDS)
        return problem(p, "seed", "a line has at most %d seeds", LIMIT_SEEDS);
    if (p->seed_count == p->seed_capacity) {
        p->seed_capacity = p->seed_capacity ? p->seed_capacity * 2 : 16;
        p->seeds = xrealloc_array(p->seeds, p->seed_capacity, sizeof *p->seeds);
    }
    p->seeds[p->seed_count++] = seed;
    return true;
}

static bool take_seeds(struct parse *p, const json_t *value)
{
    p->seed_count = 0;
    if (value == NULL) return true;
    if (!json_is_array(value)) return add_seed(p, value);
    if (json_array_size(value) == 0) return problem(p, "seed", "the list of seeds is empty");
    for (size_t i = 0; i < json_array_size(value); i++)
        if (!add_seed(p, json_array_get(value, i))) return false;
    return true;
}

/* ---- one prompt ---- */

static bool count_clips(struct parse *p, uint32_t group, uint64_t clips)
{
    struct submit_result *r = p->result;
    if (r->prompts == LIMIT_SUBMIT_PROMPTS)
        return problem(p, "", "more than %d prompts: split the file", LIMIT_SUBMIT_PROMPTS);
    if (r->clips + clips > LIMIT_SUBMIT_CLIPS)
        return problem(p, "", "more than %d clips: fewer seeds, or split the file",
                       LIMIT_SUBMIT_CLIPS);
    struct submit_group *g = &r->groups[group];
    if (g->clips == 0) g->first_clip = r->clips;
    g->clips += clips;
    r->clips += clips;
    r->prompts++;
    return true;
}

static void write_line(struct parse *p, const struct submit_variant *variant, const char *prompt,
                       size_t size)
{
    struct prompts_line line = {.text = prompt,
                                .text_size = size,
                                .group = variant->group,
                                .differs = variant->differs,
                                .seeds = p->seeds,
                                .seed_count = p->seed_count};
    if (p->writer == NULL || p->broken || p->result->problems_total > 0) return;
    p->broken = !prompts_writer_add(p->writer, &line, &p->broken_why);
}

/* Where prompts are given by the frame, the prompt is a name for people. */
static void look_at_words(struct parse *p, const struct submit_variant *v, const char *prompt,
                          size_t size)
{
    const char *frame;
    json_t *text;
    struct submit_facts *facts = &p->variants.facts;
    if (v->texts == NULL) submit_words_look(&p->words, facts, v->model, prompt, size);
    json_object_foreach(v->texts, frame, text)
    {
        submit_words_look(&p->words, facts, v->model, json_string_value(text),
                          json_string_length(text));
    }
}

/* `prompt` ends with NUL and has passed its field's check. */
static bool add_prompt(struct parse *p, const char *prompt, size_t size, const json_t *fields)
{
    char field[64] = "";
    struct error err;
    const struct submit_variant *variant = submit_variants_of(&p->variants, fields, field, &err);
    if (variant == NULL) return problem(p, field, "%s", err.message);
    if (!prompt_check(prompt, variant->syntax, variant->steps, &err))
        return problem(p, "prompt", "%s", err.message);
    look_at_words(p, variant, prompt, size);
    if (!count_clips(p, variant->group, p->seed_count ? p->seed_count : p->result->seeds))
        return false;
    write_line(p, variant, prompt, size);
    return true;
}

/* ---- lines ---- */

static bool text_line(struct parse *p, const char *text, size_t size)
{
    if (size > RECIPE_PROMPT_MAX_BYTES)
        return problem(p, "prompt", "a prompt has at most %d bytes", RECIPE_PROMPT_MAX_BYTES);
    if (!text_is_utf8(text, size)) return problem(p, "prompt", "is not valid UTF-8");
    char *prompt = xstrndup(text, size);
    p->seed_count = 0;
    bool ok = add_prompt(p, prompt, size, p->nothing);
    free(prompt);
    return ok;
}

static bool take_members(struct parse *p, json_t *object, json_t *fields)
{
    const char *name;
    json_t *value;
    bool ok = true;
    json_object_foreach(object, name, value)
    {
        if (strcmp(name, "seed") == 0 || strcmp(name, "prompt") == 0) continue;
        ok = add_field(p, fields, name, value) && ok;
    }
    return take_seeds(p, json_object_get(object, "seed")) && ok;
}

static bool take_prompt(struct parse *p, const json_t *object, const char **prompt)
{
    struct error err;
    const json_t *value = json_object_get(object, "prompt");
    if (value == NULL) return problem(p, "prompt", "is missing");
    if (!recipe_check_value(recipe_field_find("prompt"), value, &err))
        return problem(p, "prompt", "%s", err.message);
    *prompt = json_string_value(value);
    return true;
}

static bool json_line_object(struct parse *p, json_t *object)
{
    const char *prompt = NULL;
    if (!json_is_object(object)) return problem(p, "", "a line is one JSON object");
    json_t *fields = json_object();
    bool ok = take_members(p, object, fields);
    ok = take_prompt(p, object, &prompt) && ok;
    ok = ok && add_prompt(p, prompt, strlen(prompt), fields);
    json_decref(fields);
    return ok;
}

static bool jsonl_line(struct parse *p, const char *text, size_t size)
{
    struct error err;
    if (size > LIMIT_SUBMIT_LINE_BYTES)
        return problem(p, "", "a line has at most %d bytes", LIMIT_SUBMIT_LINE_BYTES);
    json_t *object = json_parse(text, size, "the line", &err);
    if (object == NULL) return problem(p, "", "%s", err.message);
    bool ok = json_line_object(p, object);
    json_decref(object);
    return ok;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

static void take_line(struct parse *p, const char *text, size_t size)
{
    while (size > 0 && is_space(text[0])) {
        text++;
        size--;
    }
    while (size > 0 && is_space(text[size - 1]))
        size--;
    if (size == 0) return;
    if (p->input->format == SUBMIT_JSONL)
        jsonl_line(p, text, size);
    else if (text[0] != '#')
        text_line(p, text, size);
}

static bool is_hopeless(struct parse *p)
{
    if (p->input->stop != NULL && atomic_load(p->input->stop) && !p->broken)
        p->broken = !error_set(&p->broken_why, ERROR_INTERRUPTED, "nobody waits for it any more");
    return p->broken || p->result->problems_total >= 2 * LIMIT_INPUT_PROBLEMS;
}

static void take_lines(struct parse *p)
{
    static const char mark[] = {'\xef', '\xbb', '\xbf'};
    const char *at = p->input->data, *end = at + p->input->size_bytes;
    if (p->input->size_bytes >= 3 && memcmp(at, mark, 3) == 0) at += 3;
    while (at < end && !is_hopeless(p)) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (stop == NULL) stop = end;
        p->line++;
        take_line(p, at, (size_t)(stop - at));
        at = stop + 1;
    }
}

/* ---- options ---- */

static bool take_number(struct parse *p, const json_t *object, const char *name, json_int_t min,
                        json_int_t max, json_int_t fallback, json_int_t *out)
{
    const json_t *value = json_object_get(object, name);
    *out = value ? json_integer_value(value) : fallback;
    if (value == NULL || (json_is_integer(value) && *out >= min && *out <= max)) return true;
    return problem(p, name, "is not a whole number from %lld to %lld", (long long)min,
                   (long long)max);
}

static bool take_seed_options(struct parse *p, const json_t *object)
{
    json_int_t seed, seeds;
    if (!take_number(p, object, "seed", 0, INT64_MAX, 0, &seed) ||
        !take_number(p, object, "seeds", 1, LIMIT_SEEDS, 1, &seeds))
        return false;
    if (seed > INT64_MAX - (seeds - 1))
        return problem(p, "seeds", "the last seed would be above 9223372036854775807");
    p->result->seed = seed;
    p->result->seeds = (uint32_t)seeds;
    return true;
}

static bool take_options_object(struct parse *p, json_t *object)
{
    const char *name;
    json_t *value;
    bool ok = take_seed_options(p, object);
    json_object_foreach(object, name, value)
    {
        if (strcmp(name, "seed") == 0 || strcmp(name, "seeds") == 0) continue;
        if (strcmp(name, "prompt") == 0)
            ok = problem(p, "prompt", "prompts come from the file");
        else
            ok = add_field(p, p->options, name, value) && ok;
    }
    return ok;
}

static bool take_options(struct parse *p)
{
    struct error err;
    const char *text = p->input->options;
    if (text == NULL || text[0] == '\0') text = "{}";
    json_t *object = json_parse(text, strlen(text), "the options", &err);
    if (object == NULL) return problem(p, "", "%s", err.message);
    bool ok = json_is_object(object) ? take_options_object(p, object)
                                     : problem(p, "", "the options are not a JSON object");
    json_decref(object);
    return ok;
}

/* ---- the whole ---- */

static bool open_writer(struct parse *p, struct error *err)
{
    if (p->input->prompts_path == NULL) return true;
    p->writer = prompts_writer_open(p->input->prompts_path, p->result->seed, p->result->seeds, err);
    return p->writer != NULL;
}

static bool close_writer(struct parse *p, struct error *err)
{
    if (p->writer == NULL) return true;
    struct prompts_writer *w = p->writer;
    p->writer = NULL;
    json_t *groups = json_array();
    for (uint32_t i = 0; i < p->result->group_count; i++)
        json_array_append(groups, p->result->groups[i].base);
    bool ok = prompts_writer_finish(w, groups, err);
    json_decref(groups);
    return ok;
}

static bool judge(struct parse *p, struct error *err)
{
    struct submit_result *r = p->result;
    if (p->broken) {
        if (err != NULL) *err = p->broken_why;
        return false;
    }
    p->line = 0;
    if (r->problems_total == 0 && r->prompts == 0)
        problem(p, "", "there is no prompt in it: one a line");
    if (r->problems_total > 0)
        return error_set(err, ERROR_INVALID, "nothing was submitted: %llu problem%s",
                         (unsigned long long)r->problems_total, r->problems_total == 1 ? "" : "s");
    char *warning = submit_words_warning(&p->words);
    if (warning != NULL) r->warnings[r->warning_count++] = warning;
    submit_loras_warn(&p->variants.loras, r->warnings, &r->warning_count, SUBMIT_WARNINGS);
    return close_writer(p, err);
}

bool submit_file_parse(const struct submit_input *input, struct submit_result *result,
                       struct error *err)
{
    *result = (struct submit_result){.seeds = 1};
    struct parse p = {
        .input = input, .result = result, .options = json_object(), .nothing = json_object()};
    submit_variants_init(&p.variants, input, result, p.options);
    submit_words_init(&p.words);
    bool ready = take_options(&p);
    bool ok = !ready || open_writer(&p, err);
    if (ok && ready) take_lines(&p);
    ok = ok && judge(&p, err);
    prompts_writer_abandon(p.writer);
    submit_words_finish(&p.words);
    submit_variants_finish(&p.variants);
    json_decref(p.options);
    json_decref(p.nothing);
    free(p.seeds);
    return ok;
}

void submit_result_finish(struct submit_result *r)
{
    for (uint32_t i = 0; i < r->group_count; i++) {
        free(r->groups[i].model);
        free(r->groups[i].second);
        json_decref(r->groups[i].base);
    }
    free(r->groups);
    for (uint32_t i = 0; i < r->warning_count; i++)
        free(r->warnings[i]);
    *r = (struct submit_result){0};
}

bool submit_file_parse_path(const char *path, struct submit_input *input,
                            struct submit_result *result, struct error *err)
{
    struct stat st;
    *result = (struct submit_result){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && fstat(fd, &st) == 0;
    if (!ok) error_set_errno(err, errno, "cannot open %s", path);
    size_t size = ok ? (size_t)st.st_size : 0;
    void *data = ok && size > 0 ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    if (data == MAP_FAILED) ok = error_set_errno(err, errno, "cannot map %s", path);
    if (ok) {
        input->data = data ? data : "";
        input->size_bytes = size;
        ok = submit_file_parse(input, result, err);
    }
    if (data != NULL && data != MAP_FAILED) munmap(data, size);
    if (fd >= 0) close(fd);
    return ok;
}
