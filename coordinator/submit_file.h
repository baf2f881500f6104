/* submit_file: reads a submission (text, one prompt a line, or JSONL, one object a line) against
 * the options that came with it and the registered models, and writes its prompts file.
 *
 * A plain function of its input, without globals, for a pool thread. It keeps going after a problem
 * until 20 are found; with any problem nothing is left behind. Memory: one block, the groups and a
 * small memo of repeated fields, whatever the size of the file. Parses outside bytes: fuzzed.
 *
 * Text: UTF-8, BOM and CRLF allowed, blank lines and lines whose first character is '#' skipped,
 * white space around a prompt dropped. JSONL: recipe names or their aliases; `seed` a number or a
 * list of numbers, which replaces the options' seeds; a line is at most LIMIT_SUBMIT_LINE_BYTES.
 * Options: an object of recipe fields (no prompt) plus `seed` S (default 0) and `seeds` N (default
 * 1): S .. S+N-1 for every prompt. Lines that differ in model, LoRAs, size, frames, steps, fps or
 * plan form groups, at most LIMIT_GROUPS. */
#ifndef ZOE_COORDINATOR_SUBMIT_FILE_H
#define ZOE_COORDINATOR_SUBMIT_FILE_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/output_kind.h"
#include "base/plan.h"
#include "proto/limits.h"

struct model_list; /* models.h: an immutable snapshot */

enum submit_format { SUBMIT_TEXT, SUBMIT_JSONL };
/* "text", "jsonl". */
bool submit_format_parse(const char *name, enum submit_format *out);
const char *submit_format_name(enum submit_format format);

struct submit_problem {
    uint64_t line; /* 1-based; 0 = the options, or the whole */
    char field[64];
    char message[384];
};

struct submit_group {
    char *model; /* name */
    struct digest model_digest;
    struct digest loras; /* of the pinned list; zero = none */
    int64_t width, height, frames, steps;
    double fps;
    enum output_kind output;
    struct plan plan;            /* the tasks of each clip */
    char *second;                /* name of the model of stage 1; NULL: there is none */
    struct digest second_digest; /* zero: there is none */
    int64_t second_width, second_height, second_steps;
    uint64_t memory_bytes, second_memory_bytes; /* of a task (memory_probe.h); 0 = not known */
    json_t *base;                               /* recipe without prompt and seed, complete */
    uint64_t first_clip;
    uint64_t clips;
};

struct submit_input_file { /* that some recipe starts from or takes sound of */
    struct digest sha256;
    bool is_image;    /* named as an init_image */
    bool is_pictures; /* as an init_video, init_image or mask */
    bool is_sound;    /* as audio */
    bool is_video;    /* as an extend_video: of so many frames at least, and of this size */
    bool is_latents;  /* as extend_latents: of so many frames at least, and of this shape */
    int64_t frames, latent_frames;
    int64_t width, height; /* of the clip; -1: of several sizes, which no file has */
};

#define SUBMIT_WARNINGS 4

struct submit_result {
    uint64_t prompts;
    uint64_t clips;
    int64_t seed;   /* the options' S */
    uint32_t seeds; /* and N */
    struct submit_group *groups;
    uint32_t group_count;
    struct submit_input_file inputs[LIMIT_INPUTS];
    uint32_t input_count;
    struct submit_problem problems[LIMIT_INPUT_PROBLEMS];
    uint32_t problem_count; /* shown; problems_total counts the rest too */
    uint64_t problems_total;
    char *warnings[SUBMIT_WARNINGS];
    uint32_t warning_count;
};

struct submit_input {
    const void *data; /* borrowed */
    size_t size_bytes;
    enum submit_format format;
    const char *options;       /* JSON object text; NULL or "" = {} */
    const char *default_model; /* for lines and options that name none; NULL = the list decides */
    const struct model_list *models;
    const atomic_bool *stop;  /* set by another thread: ends with ERROR_INTERRUPTED; NULL = never */
    const char *prompts_path; /* written when all is well; NULL = check only (dry run) */
};

/* True when everything was right. False with ERROR_INVALID and result->problems, or another code
 * (ERROR_IO, ERROR_FULL) and no problems. `result` must be finished in each case. */
bool submit_file_parse(const struct submit_input *input, struct submit_result *result,
                       struct error *err);
void submit_result_finish(struct submit_result *result);

/* Same for a file on disk, which it maps. */
bool submit_file_parse_path(const char *path, struct submit_input *input,
                            struct submit_result *result, struct error *err);

#endif
