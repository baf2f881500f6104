/* script: what one prompt of a job tells the network, over steps and frames: a prompt a key frame
 * (one, when nothing changes over the frames), each with its texts and their chunks. */
#ifndef ZOE_ENGINE_MODEL_SCRIPT_H
#define ZOE_ENGINE_MODEL_SCRIPT_H

#include "engine/model/text_model.h"
#include "engine/request/request_text.h"

struct script_key {
    int frame;
    struct prompt prompt;
    struct prompt_chunks *chunks; /* [prompt.text_count] */
};

struct script {
    int clip_skip;
    int key_count; /* > 0, in order of frames */
    struct script_key *keys;
};

/* The frames of a clip that hear it. */
struct script_span {
    int first, frames;
    bool whole; /* all of them: every key counts, whether one hears it or not */
};

/* `by_frame` replaces `text` when it is not NULL. ERROR_USAGE as in prompt_parse and
 * prompt_chunks_make. script_finish is right afterwards in any case. */
bool script_read(struct script *s, const struct text_model *m, const struct request_text *how,
                 const char *text, const json_t *by_frame, const struct script_span *span,
                 int steps, struct error *err);
void script_finish(struct script *s);

/* All texts of a request have the same length: the most chunks of any of them. */
int script_chunks(const struct script *s);
void script_extend(struct script *s, const struct text_model *m, int chunks);

/* What does not fit of the index-th text that is too long; NULL past the last of them. */
const char *script_dropped(const struct script *s, int index);

/* What a step hears, as `key_count` numbers: steps that give the same hear the same. */
void script_sign(const struct script *s, int step, int *out);

/* Chunks of the first key. */
const struct prompt_chunks *script_first(const struct script *s, int step);

/* -> out [frames][tokens][width], of frames first .. of the clip: between two keys a straight line,
 * before the first and after the last as there. */
bool script_embed(const struct script *s, struct text_model *m, int step, int first, int frames,
                  float *out, struct error *err);

#endif
