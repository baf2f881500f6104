/* model_choice: which files of a listing are the model, and which are copies in another form,
 * training leftovers and pictures. Pure: names and sizes in, a choice out.
 *
 * A listing is one of
 *   diffusers   model_index.json on top: of the folders that an engine reads (unet, vae,
 *               text_encoder, tokenizer, scheduler) the configurations and one form of the weights;
 *   original    text2video_pytorch_model.pth on top (ModelScope's own files, ZeroScope's for
 * A1111); single      one checkpoint or LoRA file on top. Of several forms of the same weights the
 * best is kept: safetensors before .bin, 16 bits before 32 (or after, when `full` is asked for),
 * plain before EMA. */
#ifndef ZOE_CLI_MODEL_CHOICE_H
#define ZOE_CLI_MODEL_CHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"

#define MODEL_LISTING_MAX 10000 /* files in a repository or folder that are looked at */

struct listed_file {
    char *path; /* relative; path_is_safe_relative */
    uint64_t size_bytes;
    bool size_known;
    struct digest digest;
    bool digest_known;
    bool chosen;
    char *url; /* where it is fetched from, or NULL */
};

struct listing {
    struct listed_file *files; /* sorted by path after model_choice_make */
    size_t count;
};

/* The new file; its path is copied. ERROR_INVALID for an unsafe path or too many. */
struct listed_file *listing_add(struct listing *l, const char *path, struct error *err);
void listing_finish(struct listing *l);
/* What was chosen: bytes that are known, and how many files. */
uint64_t listing_chosen_bytes(const struct listing *l, size_t *count_out);

enum model_listing_form { LISTING_DIFFUSERS, LISTING_ORIGINAL, LISTING_SINGLE };
const char *model_listing_form_name(enum model_listing_form form);

/* Sets `chosen`. ERROR_INVALID when there is no model in it, or several single files: the error
 * names them. `what` names the source in errors. */
bool model_choice_make(struct listing *l, bool full, const char *what,
                       enum model_listing_form *form_out, struct error *err);

#endif
