/* Sources of the settings: the models' pages; docs/models.md says which are from there. */
#include "cli/model_known.h"

#include <stdio.h>
#include <strings.h>

#define MS_256                                                                                     \
    "{\"width\":256,\"height\":256,\"num_frames\":16,\"fps\":8,\"guidance_scale\":9,"              \
    "\"num_inference_steps\":50,\"scheduler\":\"ddim\"}"
#define VIDEO(w, h, frames, guidance)                                                              \
    "{\"width\":" #w ",\"height\":" #h ",\"num_frames\":" #frames ",\"fps\":8,"                    \
    "\"guidance_scale\":" #guidance ",\"num_inference_steps\":30,\"scheduler\":\"dpm++\"}"
#define IMAGE(size)                                                                                \
    "{\"width\":" #size ",\"height\":" #size ",\"guidance_scale\":7.5,"                            \
    "\"num_inference_steps\":30,\"scheduler\":\"dpm++\"}"

static const struct known_model KNOWN[] = {
    {"ali-vilab/text-to-video-ms-1.7b", "ms-1.7b", MS_256},
    {"damo-vilab/text-to-video-ms-1.7b", "ms-1.7b", MS_256},
    {"ali-vilab/modelscope-damo-text-to-video-synthesis", "ms-1.7b-original", MS_256},
    {"damo-vilab/modelscope-damo-text-to-video-synthesis", "ms-1.7b-original", MS_256},
    {"cerspense/zeroscope_v2_576w", "zeroscope-576w", VIDEO(576, 320, 24, 15)},
    {"cerspense/zeroscope_v2_XL", "zeroscope-xl", VIDEO(1024, 576, 24, 15)},
    {"cerspense/zeroscope_v2_30x448x256", "zeroscope-448w", VIDEO(448, 256, 30, 15)},
    {"cerspense/zeroscope_v2_dark_30x448x256", "zeroscope-dark", VIDEO(448, 256, 30, 15)},
    {"camenduru/potat1", "potat1", VIDEO(1024, 576, 24, 12.5)},
    {"strangeman3107/animov-0.1", "animov-0.1", VIDEO(384, 384, 16, 9)},
    {"strangeman3107/animov-0.1.1", "animov-0.1.1", VIDEO(384, 384, 16, 9)},
    {"strangeman3107/animov-512x", "animov-512x", VIDEO(512, 512, 16, 9)},
    {"stable-diffusion-v1-5/stable-diffusion-v1-5", "sd15", IMAGE(512)},
    {"stabilityai/stable-diffusion-2-1-base", "sd21-base", IMAGE(512)},
    {"stabilityai/stable-diffusion-2-1", "sd21", IMAGE(768)},
};

const struct known_model *model_known_find(const struct model_source *s)
{
    char repository[256];
    if (s->kind != MODEL_SOURCE_HUB) return NULL;
    snprintf(repository, sizeof repository, "%s/%s", s->owner, s->name);
    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++)
        if (strcasecmp(KNOWN[i].repository, repository) == 0) return &KNOWN[i];
    return NULL;
}

const struct known_model *model_known_all(int *count_out)
{
    *count_out = (int)(sizeof KNOWN / sizeof *KNOWN);
    return KNOWN;
}
