/* recipe_flags: the fields of a recipe as command-line options. A field's flag is its alias, or its
 * name, with '-' for '_'; width and height are --size (as are those of --output-size and
 * --upscale-size), LoRAs --lora NAME:STRENGTH, several times. A switch (karras, loop) alone is
 * true,
 * --karras=false is false. --seconds is --frames where the rate is known. */
#ifndef ZOE_CLI_RECIPE_FLAGS_H
#define ZOE_CLI_RECIPE_FLAGS_H

#include <jansson.h>

#include "base/recipe.h"
#include "cli/command.h"

#define RECIPE_FLAG_SIZE 64
/* False for fields that have no flag of their own (prompt, seed, widths, heights, pattern, and what
 * `zoe extend` fills in). */
bool recipe_flag_name(const struct recipe_field *field, char out[RECIPE_FLAG_SIZE]);

/* Puts every field that the call gives into `options`, under its canonical name, checked. */
bool recipe_flags_read(const struct call *call, json_t *options, struct error *err);

/* Rows for a command's list of options, by topic. A test compares them with the field table. */
#define RECIPE_OPTIONS                                                                             \
    {"", 0, NULL, "The clip"},                                                                     \
        {"model", 0, "NAME", "model to render with (ZOE_MODEL; default shapes)"},                  \
        {"negative", 0, "TEXT", "negative prompt: what shall not be seen"},                        \
        {"seed", 0, "S", "first seed, 0 to 2^63-1 (default 0)"},                                   \
        {"size", 0, "WxH", "size in pixels"}, {"frames", 0, "N", "frames a clip"},                 \
        {"seconds", 0, "S", "length in seconds instead of frames"},                                \
        {"fps", 0, "N", "frames a second"},                                                        \
        {"loop", 0, "[=false]", "the last frame leads to the first"},                              \
        {"", 0, NULL, "Clips longer than the model's window (docs/long-videos.md)"},               \
        {"method", 0, "NAME", "how windows are joined: chain, seam, windows or upscale"},          \
        {"segment-frames", 0, "N", "frames of a window (default: the model's)"},                   \
        {"overlap", 0, "N", "frames that neighbouring windows share"},                             \
        {"cuts", 0, "N,N..", "first frames of scenes that begin anew"},                            \
        {"reanchor", 0, "[=false]", "chain: new frames follow the contrast of the held ones"},     \
        {"resample-times", 0, "N", "chain, seam: run each stretch of steps so often (RePaint)"},   \
        {"resample-jump", 0, "N", "steps of such a stretch"},                                      \
        {"seam-strength", 0, "S", "seam: how far joints are made anew, 0 to 1"},                   \
        {"sync-every", 0, "N", "windows: steps between two averages"},                             \
        {"upscale-model", 0, "NAME", "upscale: the second model"},                                 \
        {"upscale-size", 0, "WxH", "upscale: size in pixels of what it makes"},                    \
        {"upscale-steps", 0, "N", "upscale: its denoising steps"},                                 \
        {"upscale-strength", 0, "S", "upscale: how far it changes the first model's, 0 to 1"},     \
        {"", 0, NULL, "The finished file"},                                                        \
        {"audio", 0, "FILE", "sound, cut or padded to the length of the video"},                   \
        {"output-fps", 0, "N", "frames a second after interpolation"},                             \
        {"output-size", 0, "WxH", "scaled to this size"},                                          \
        {"report", 0, "[=false]", "no file: keep what its frames are (digest, brightness)"},       \
        {"", 0, NULL, "Steps"}, {"steps", 0, "N", "denoising steps"},                              \
        {"scheduler", 0, "NAME", "ddim, dpm++, dpm++-sde, euler, euler-a, unipc or lcm"},          \
        {"spacing", 0, "NAME", "timesteps: leading, linspace or trailing"},                        \
        {"karras", 0, "[=false]", "noise levels spaced as Karras et al. do"},                      \
        {"eta", 0, "E", "DDIM's eta, 0 to 1"},                                                     \
        {"prediction", 0, "NAME", "what the network predicts: epsilon or v_prediction"},           \
        {"", 0, NULL, "Guidance"}, {"guidance", 0, "G", "guidance scale"},                         \
        {"guidance-by-step", 0, "TRACK", "like {\"0\": 12, \"10\": 6}: straight lines between"},   \
        {"guidance-interval", 0, "A,B", "guide from this to that fraction of the steps"},          \
        {"guidance-rescale", 0, "R", "deviation of the unguided prediction: 0 to 1"},              \
        {"", 0, NULL, "Prompts"},                                                                  \
        {"prompt-syntax", 0, "NAME", "plain, or a1111: (weights:1.3), [a:b:0.4], BREAK"},          \
        {"prompts-by-frame", 0, "TRACK", "like {\"0\": \"a cat\", \"8\": \"a dog\"}"},             \
        {"clip-skip", 0, "N", "leave out the last N layers of the text encoder"},                  \
        {"tokenizer", 0, "NAME", "transformers or openclip: how \"!\" is padded"},                 \
        {"", 0, NULL, "Starting from files"},                                                      \
        {"init-video", 0, "FILE", "video (or image) to start from"},                               \
        {"init-image", 0, "FILE", "image to start from"},                                          \
        {"mask", 0, "FILE", "image or video: white is painted anew, black kept"},                  \
        {"strength", 0, "S", "how far the start is changed, 0 to 1"},                              \
        {"encode", 0, "NAME", "latents of the start: mean or sample"},                             \
        {"hold-frames", 0, "N,N..", "frames that are held to those of the start, from 0"},         \
        {"", 0, NULL, "Noise"},                                                                    \
        {"noise", 0, "KIND", "torch-cpu, torch-cpu-f16, torch-cpu-bf16, philox, cuda or indexed"}, \
        {"cuda-threads", 0, "N", "threads of the card that drew noise of the kind cuda"},          \
        {"batch-size", 0, "N", "clips drawn from one generator, as diffusers does"},               \
        {"batch-index", 0, "N", "which of them this one is, from 0"}, {"", 0, NULL, "Models"},     \
        {"lora", 0, "NAME[:STRENGTH]...", "LoRA that changes the model; may be repeated"},         \
    {                                                                                              \
        "", 0, NULL, "Batch"                                                                       \
    }

#endif
