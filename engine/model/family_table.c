#include <string.h>

#include "base/xalloc.h"
#include "engine/model/family.h"

extern const struct family family_lora, family_modelscope, family_pattern, family_stable_diffusion;

/* One row a family. */
static const struct family *const families[] = {
    &family_modelscope,
    &family_pattern,
    &family_stable_diffusion,
    &family_lora,
};

#define FAMILY_COUNT ((int)(sizeof families / sizeof families[0]))

const struct family *family_find(const char *name)
{
    for (int i = 0; i < FAMILY_COUNT; i++)
        if (strcmp(families[i]->name, name) == 0) return families[i];
    return NULL;
}

const struct family *family_find_pipeline(const char *pipeline)
{
    for (int i = 0; i < FAMILY_COUNT; i++)
        for (const char *const *p = families[i]->pipelines; *p != NULL; p++)
            if (strcmp(*p, pipeline) == 0) return families[i];
    return NULL;
}

json_t *family_range(int min, int max, int step)
{
    json_t *range = json_pack("{s:i, s:i, s:i}", "min", min, "max", max, "step", step);
    ZOE_ASSERT(range != NULL);
    return range;
}

void family_note(json_t *facts, const char *text)
{
    json_t *notes = json_object_get(facts, "notes");
    const json_t *said;
    size_t i;
    json_array_foreach(notes, i, said) if (strcmp(json_string_value(said), text) == 0) return;
    json_array_append_new(notes, json_string(text));
}

json_t *family_samplers(void)
{
    int count;
    const struct sampler *const *samplers = sampler_all(&count);
    json_t *names = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(names, json_string(samplers[i]->name));
    return names;
}

json_t *family_noises(void)
{
    int count;
    const struct noise *const *noises = noise_all(&count);
    json_t *names = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(names, json_string(noises[i]->name));
    return names;
}

json_t *family_sampler_traits(void)
{
    int count;
    const struct sampler *const *samplers = sampler_all(&count);
    json_t *traits = json_object();
    for (int i = 0; i < count; i++) {
        const struct sampler *s = samplers[i];
        json_object_set_new(traits, s->name,
                            json_pack("{s:b, s:b, s:b}", "eta", s->draws == SAMPLER_DRAWS_WITH_ETA,
                                      "karras", s->karras, "spacing", !s->fixed_spacing));
    }
    return traits;
}

json_t *family_noise_traits(void)
{
    int count;
    const struct noise *const *noises = noise_all(&count);
    json_t *traits = json_object();
    for (int i = 0; i < count; i++)
        json_object_set_new(traits, noises[i]->name,
                            json_pack("{s:b, s:b}", "cuda_threads", noises[i]->counts_threads,
                                      "generator", noises[i]->normal != NULL));
    return traits;
}
