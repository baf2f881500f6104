#include "coordinator/rebuild.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "coordinator/store_shape.h"

#define SCHEMA "zoe.batch.v1"
#define MEMBER "rebuild"
#define PRIORITY_MAX 1000

void submit_group_shape(const struct submit_group *group, struct shape *out)
{
    out->model = group->model_digest;
    out->loras = group->loras;
    (void)snprintf(out->model_name, sizeof(out->model_name), "%s", group->model);
    out->width = (uint32_t)group->width;
    out->height = (uint32_t)group->height;
    out->frames = (uint32_t)group->frames;
    out->steps = (uint32_t)group->steps;
    out->fps = (uint32_t)lround(group->fps);
    out->output = group->output;
    out->memory_bytes = group->memory_bytes;
    out->plan = group->plan;
    if (group->second == NULL) return;
    out->second_model = group->second_digest;
    (void)snprintf(out->second_name, sizeof(out->second_name), "%s", group->second);
    out->second_width = (uint32_t)group->second_width;
    out->second_height = (uint32_t)group->second_height;
    out->second_steps = (uint32_t)group->second_steps;
    out->second_memory_bytes = group->second_memory_bytes;
}

/* ---- writing ---- */

static json_t *text_of(const struct digest *digest)
{
    char hex[DIGEST_TEXT_SIZE];
    digest_text(digest, hex);
    return json_string(hex);
}

static json_t *shapes_of(const struct submit_result *result)
{
    struct shape *shapes = calloc(result->group_count + 1, sizeof *shapes);
    if (shapes == NULL) return json_array();
    for (uint32_t i = 0; i < result->group_count; i++)
        submit_group_shape(&result->groups[i], &shapes[i]);
    char *text = store_shapes_pack(shapes, result->group_count);
    json_t *list = json_loads(text, 0, NULL);
    free(text);
    free(shapes);
    return list;
}

void rebuild_facts_add(json_t *about, const struct rebuild_facts *facts,
                       const struct submit_result *result)
{
    json_t *inputs = json_array();
    for (uint32_t i = 0; i < result->input_count; i++)
        json_array_append_new(inputs, text_of(&result->inputs[i].sha256));
    json_t *o = json_object();
    json_object_set_new(o, "key", json_string(facts->key));
    json_object_set_new(o, "default_key", json_boolean(facts->default_key));
    json_object_set_new(o, "content", text_of(&facts->content));
    json_object_set_new(o, "submitted_ms", json_integer(facts->submitted_ms));
    json_object_set_new(o, "options", json_string(facts->options));
    json_object_set_new(o, "shapes", shapes_of(result));
    json_object_set_new(o, "inputs", inputs);
    json_object_set_new(about, MEMBER, o);
}

/* ---- reading ---- */

#define WHAT "batch.json"

static bool read_digest(const json_t *object, const char *key, struct digest *out,
                        struct error *err)
{
    const char *text = NULL;
    return json_get_text(object, key, &text, WHAT, err) &&
           (digest_parse(text, out) ||
            error_set(err, ERROR_INVALID, WHAT ": \"%s\" is not a digest", key));
}

static bool read_inputs(const json_t *list, struct rebuild_facts *out, struct error *err)
{
    out->input_count = 0;
    if (json_array_size(list) > LIMIT_INPUTS)
        return error_set(err, ERROR_INVALID, WHAT ": more than %d inputs", LIMIT_INPUTS);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text == NULL || !digest_parse(text, &out->inputs[out->input_count++]))
            return error_set(err, ERROR_INVALID, WHAT ": an input without a digest");
    }
    return true;
}

static bool read_shapes(const json_t *list, struct rebuild_facts *out, struct error *err)
{
    char *text = json_is_array(list) ? json_dumps(list, JSON_COMPACT) : NULL;
    out->shapes = text != NULL ? store_shapes_unpack(text, &out->groups) : NULL;
    free(text);
    return out->shapes != NULL || error_set(err, ERROR_INVALID, WHAT ": its shapes are damaged");
}

static bool read_own(const json_t *o, struct rebuild_facts *out, struct error *err)
{
    return json_get_text(o, "key", &out->key, WHAT, err) &&
           json_get_bool_or(o, "default_key", false, &out->default_key, WHAT, err) &&
           read_digest(o, "content", &out->content, err) &&
           json_get_int(o, "submitted_ms", &out->submitted_ms, WHAT, err) &&
           json_get_text(o, "options", &out->options, WHAT, err) &&
           read_inputs(json_object_get(o, "inputs"), out, err) &&
           read_shapes(json_object_get(o, "shapes"), out, err);
}

static bool in_range(int64_t value, int64_t min, int64_t max, const char *key, struct error *err)
{
    return (value >= min && value <= max) ||
           error_set(err, ERROR_INVALID, WHAT ": \"%s\" is %lld", key, (long long)value);
}

static bool read_numbers(const json_t *about, struct rebuild_facts *out, struct error *err)
{
    int64_t priority = 0, prompts = 0, clips = 0;
    bool ok = json_get_int(about, "priority", &priority, WHAT, err) &&
              json_get_int(about, "prompts", &prompts, WHAT, err) &&
              json_get_int(about, "clips", &clips, WHAT, err) &&
              in_range(priority, -PRIORITY_MAX, PRIORITY_MAX, "priority", err) &&
              in_range(prompts, 1, LIMIT_SUBMIT_CLIPS, "prompts", err) &&
              in_range(clips, 1, LIMIT_SUBMIT_CLIPS, "clips", err);
    out->priority = (int32_t)priority;
    out->prompts = (uint64_t)prompts;
    out->clips = (uint64_t)clips;
    return ok;
}

static bool read_names(const json_t *about, struct rebuild_facts *out, struct error *err)
{
    const char *schema = NULL;
    if (!json_get_text(about, "schema", &schema, WHAT, err)) return false;
    if (strcmp(schema, SCHEMA) != 0)
        return error_set(err, ERROR_INVALID, WHAT ": schema %.40s, not " SCHEMA, schema);
    return json_get_text(about, "batch", &out->id, WHAT, err) &&
           json_get_text(about, "name", &out->name, WHAT, err) &&
           json_get_text(about, "owner", &out->owner, WHAT, err) &&
           (id_is_batch(out->id) || error_set(err, ERROR_INVALID, WHAT ": no id of a batch"));
}

bool rebuild_facts_read(const json_t *about, struct rebuild_facts *out, struct error *err)
{
    const json_t *own = json_object_get(about, MEMBER);
    *out = (struct rebuild_facts){0};
    if (own == NULL)
        return error_set(err, ERROR_VERSION,
                         WHAT ": no \"" MEMBER "\": written by a build that could not rebuild yet");
    bool ok =
        read_names(about, out, err) && read_numbers(about, out, err) && read_own(own, out, err);
    if (!ok) rebuild_facts_finish(out);
    return ok;
}

void rebuild_facts_finish(struct rebuild_facts *facts)
{
    free(facts->shapes);
    facts->shapes = NULL;
}
