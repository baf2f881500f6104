/* What the engine is told to render (worker/pipe.h). */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "worker/slot_parts.h"

/* Folders as assigned, strengths as the recipe has them. */
static void put_loras(json_t *fields, const struct slot_work *work, const json_t *recipe)
{
    json_t *loras = json_array();
    const json_t *named = json_object_get(recipe, "loras");
    const struct slot_part *part;
    for (size_t at = 0; (part = slot_work_next(work, PART_LORA, &at)) != NULL;) {
        const json_t *lora = json_array_get(named, json_array_size(loras));
        const double strength = json_number_value(json_object_get(lora, "strength"));
        json_array_append_new(loras,
                              json_pack("{ss sf}", "path", part->path, "strength", strength));
    }
    if (json_array_size(loras) > 0)
        json_object_set_new(fields, "loras", loras);
    else
        json_decref(loras);
}

static const struct {
    enum slot_part_kind kind;
    const char *field;
    bool many; /* a list of paths */
} fields_of[] = {
    {PART_MODEL, "model", false},    {PART_INIT, "init", false},     {PART_MASK, "mask", false},
    {PART_LATENTS, "latents", true}, {PART_HELD, "held", false},     {PART_BEFORE, "before", false},
    {PART_BASE, "base", true},       {PART_RESUME, "resume", false},
};

static void put_parts(json_t *fields, const struct slot_work *work)
{
    for (size_t i = 0; i < sizeof fields_of / sizeof fields_of[0]; i++) {
        const struct slot_part *part;
        json_t *paths = json_array();
        for (size_t at = 0; (part = slot_work_next(work, fields_of[i].kind, &at)) != NULL;)
            json_array_append_new(paths, json_string(part->path));
        if (json_array_size(paths) > 0)
            json_object_set(fields, fields_of[i].field,
                            fields_of[i].many ? paths : json_array_get(paths, 0));
        json_decref(paths);
    }
}

static void put_outputs(const struct slot *s, json_t *fields, const struct slot_work *work)
{
    json_t *outputs = json_object();
    for (int kind = 0; kind < SLOT_OUTPUT_KINDS; kind++) {
        if (!work->makes[kind]) continue;
        char *path = s->options.host.part_path(s->options.host.context, &work->name,
                                               (enum slot_output_kind)kind);
        json_object_set_new(outputs, slot_output_name((enum slot_output_kind)kind),
                            json_string(path));
        free(path);
    }
    json_object_set_new(fields, "outputs", outputs);
}

json_t *slot_render_fields(const struct slot *s, const struct slot_work *work,
                           const char *signature)
{
    char name[ATTEMPT_NAME_TEXT_SIZE];
    attempt_name_text(&work->name, name);
    json_t *recipe = json_parse(work->recipe, strlen(work->recipe), "recipe", NULL);
    json_t *fields = json_pack("{ss sI ss}", "attempt", name, "task", (json_int_t)work->name.task,
                               "signature", signature);
    put_loras(fields, work, recipe);
    put_parts(fields, work);
    put_outputs(s, fields, work);
    json_object_set_new(fields, "recipe", recipe);
    return fields;
}
