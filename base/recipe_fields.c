/* The recipe's field table: one row a field. */
#include <string.h>

#include "base/recipe.h"
#include "base/text.h"

#define PIXELS_MIN 8
#define PIXELS_MAX 4096

#define STEPS_MAX 1000
#define FRAMES_MAX 1024

static const char *const schedulers[] = {"ddim",    "dpm++", "dpm++-sde", "euler",
                                         "euler-a", "unipc", "lcm",       NULL};
static const char *const noises[] = {
    "torch-cpu", "torch-cpu-f16", "torch-cpu-bf16", "philox", "cuda", "indexed", NULL};
static const char *const spacings[] = {"leading", "linspace", "trailing", NULL};
static const char *const predictions[] = {"epsilon", "v_prediction", NULL};
static const char *const syntaxes[] = {"plain", "a1111", NULL};
static const char *const tokenizers[] = {"transformers", "openclip", NULL};
static const char *const encodings[] = {"mean", "sample", NULL};

static const struct recipe_field fields[] = {
    {.name = "model",
     .type = RECIPE_TEXT,
     .min = 1,
     .max = 255,
     .shapes_group = true,
     .summary = "name of the model"},
    {.name = "prompt",
     .type = RECIPE_TEXT,
     .min = 1,
     .max = RECIPE_PROMPT_MAX_BYTES,
     .summary = "what the video shows"},
    {.name = "negative_prompt",
     .alias = "negative",
     .type = RECIPE_TEXT,
     .min = 0,
     .max = RECIPE_PROMPT_MAX_BYTES,
     .summary = "what it should not show"},
    {.name = "seed",
     .type = RECIPE_INT,
     .min = 0,
     .max = (double)RECIPE_SEED_MAX,
     .summary = "start of the noise"},
    {.name = "num_inference_steps",
     .alias = "steps",
     .type = RECIPE_INT,
     .min = 1,
     .max = STEPS_MAX,
     .shapes_group = true,
     .summary = "denoising steps"},
    {.name = "guidance_scale",
     .alias = "guidance",
     .type = RECIPE_REAL,
     .min = 0,
     .max = 100,
     .summary = "how closely the prompt is followed"},
    {.name = "scheduler",
     .type = RECIPE_CHOICE,
     .choices = schedulers,
     .summary = "how noise is taken away from step to step"},
    {.name = "eta",
     .type = RECIPE_REAL,
     .min = 0,
     .max = 1,
     .summary = "fresh noise in each ddim step"},
    {.name = "width",
     .type = RECIPE_INT,
     .min = PIXELS_MIN,
     .max = PIXELS_MAX,
     .multiple = 8,
     .shapes_group = true,
     .summary = "pixels across"},
    {.name = "height",
     .type = RECIPE_INT,
     .min = PIXELS_MIN,
     .max = PIXELS_MAX,
     .multiple = 8,
     .shapes_group = true,
     .summary = "pixels down"},
    {.name = "num_frames",
     .alias = "frames",
     .type = RECIPE_INT,
     .min = 1,
     .max = FRAMES_MAX,
     .shapes_group = true,
     .summary = "frames of the clip"},
    {.name = "fps",
     .type = RECIPE_INT,
     .min = 1,
     .max = 120,
     .shapes_group = true,
     .summary = "frames shown in a second"},
    {.name = "noise",
     .type = RECIPE_CHOICE,
     .choices = noises,
     .summary = "generator of the noise"},
    {.name = "timestep_spacing",
     .alias = "spacing",
     .type = RECIPE_CHOICE,
     .choices = spacings,
     .summary = "which of the training steps are visited"},
    {.name = "use_karras_sigmas",
     .alias = "karras",
     .type = RECIPE_BOOL,
     .summary = "noise levels spaced as Karras et al. do"},
    {.name = "prediction_type",
     .alias = "prediction",
     .type = RECIPE_CHOICE,
     .choices = predictions,
     .summary = "what the network predicts"},
    {.name = "batch_size",
     .type = RECIPE_INT,
     .min = 1,
     .max = RECIPE_BATCH_MAX,
     .summary = "clips drawn from one generator, as diffusers does for a batch"},
    {.name = "batch_index",
     .type = RECIPE_INT,
     .min = 0,
     .max = RECIPE_BATCH_MAX - 1,
     .summary = "which of them this one is, from 0"},
    {.name = "cuda_threads",
     .type = RECIPE_INT,
     .min = 256,
     .max = 1 << 24,
     .multiple = 256,
     .summary = "threads of the card that drew noise of the kind cuda"},
    {.name = "guidance_rescale",
     .type = RECIPE_REAL,
     .min = 0,
     .max = 1,
     .summary = "how far guided predictions get the deviation of unguided ones"},
    {.name = "guidance_interval",
     .type = RECIPE_LIST,
     .min = 0,
     .max = 1,
     .count_min = 2,
     .count_max = 2,
     .summary = "guidance only from this to that fraction of the steps"},
    {.name = "guidance_by_step",
     .type = RECIPE_TRACK,
     .min = 0,
     .max = 100,
     .count_max = STEPS_MAX,
     .summary = "guidance at given steps, straight lines between"},
    {.name = "clip_skip",
     .type = RECIPE_INT,
     .min = 0,
     .max = 23,
     .summary = "last layers of the text encoder that are left out"},
    {.name = "prompt_syntax",
     .type = RECIPE_CHOICE,
     .choices = syntaxes,
     .summary = "plain text, or weights and schedules as A1111 writes them"},
    {.name = "tokenizer",
     .type = RECIPE_CHOICE,
     .choices = tokenizers,
     .summary = "whose reading of \"!\" is followed"},
    {.name = "prompts_by_frame",
     .type = RECIPE_TEXT_TRACK,
     .min = 1,
     .max = RECIPE_PROMPT_MAX_BYTES,
     .count_max = 64,
     .summary = "prompts at given frames, blended between"},
    {.name = "loras",
     .alias = "lora",
     .type = RECIPE_LORAS,
     .min = -4,
     .max = 4,
     .count_max = 8,
     .shapes_group = true,
     .summary = "low-rank changes of the model, with strengths"},
    {.name = "init_video",
     .type = RECIPE_TEXT,
     .min = 1,
     .max = RECIPE_PATH_MAX_BYTES,
     .summary = "video to start from"},
    {.name = "init_image",
     .type = RECIPE_TEXT,
     .min = 1,
     .max = RECIPE_PATH_MAX_BYTES,
     .summary = "image to start from"},
    {.name = "mask",
     .type = RECIPE_TEXT,
     .min = 1,
     .max = RECIPE_PATH_MAX_BYTES,
     .summary = "image or video: white is painted anew, black is kept"},
    {.name = "strength",
     .type = RECIPE_REAL,
     .min = 0,
     .max = 1,
     .summary = "how far the start is changed: 1 = all steps are run"},
    {.name = "encode",
     .type = RECIPE_CHOICE,
     .choices = encodings,
     .summary = "latents of the start: the likeliest, or drawn"},
    {.name = "hold_frames",
     .type = RECIPE_LIST,
     .min = 0,
     .max = FRAMES_MAX - 1,
     .whole = true,
     .count_min = 1,
     .count_max = FRAMES_MAX,
     .summary = "frames that are held to those of the start"},
    {.name = "loop", .type = RECIPE_BOOL, .summary = "the last frame leads to the first"},
    {.name = "pattern",
     .type = RECIPE_OBJECT,
     .summary = "test pattern: step_ms, fail_step, hang_step, garbage_step"},
};

#define FIELD_COUNT ((int)(sizeof(fields) / sizeof(fields[0])))

/* The size of a picture as people write it; never stored. */
static const char size_name[] = "size";

const struct recipe_field *recipe_fields(int *count_out)
{
    *count_out = FIELD_COUNT;
    return fields;
}

const struct recipe_field *recipe_field_find(const char *name)
{
    for (int i = 0; i < FIELD_COUNT; i++) {
        if (strcmp(fields[i].name, name) == 0) return &fields[i];
        if (fields[i].alias != NULL && strcmp(fields[i].alias, name) == 0) return &fields[i];
    }
    return NULL;
}

const char *recipe_field_nearest(const char *name)
{
    const char *names[2 * FIELD_COUNT + 2];
    int count = 0;
    for (int i = 0; i < FIELD_COUNT; i++) {
        names[count++] = fields[i].name;
        if (fields[i].alias != NULL) names[count++] = fields[i].alias;
    }
    names[count++] = size_name;
    names[count] = NULL;
    return text_nearest(name, names);
}
