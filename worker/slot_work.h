/* slot_work: one attempt as a worker holds it: what it renders, the parts that must be here before
 * it can begin, and what comes of it. Data only; every struct is owned by whoever holds it. */
#ifndef ZOE_WORKER_SLOT_WORK_H
#define ZOE_WORKER_SLOT_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/plan.h"
#include "proto/limits.h"
#include "worker/attempt_name.h"

/* ---- what it needs ---- */

enum slot_part_kind {
    PART_MODEL,   /* a folder; every attempt has one, the first */
    PART_LORA,    /* a folder, in the recipe's order */
    PART_INIT,    /* raw pictures that it starts from (worker/raw_images.h) */
    PART_MASK,    /* raw pictures, one byte a pixel */
    PART_LATENTS, /* what tasks before it handed over, in the order of plan_task's inputs */
    PART_HELD,    /* latents of the clip that it extends */
    PART_BEFORE,  /* in place of them: raw pictures of its last frames */
    PART_BASE,    /* raw pictures that the first stage made, in the order of their frames */
    PART_RESUME,  /* the checkpoint to go on from: without it, it begins anew */
    PART_KIND_COUNT
};

struct slot_part {
    enum slot_part_kind kind;
    struct digest digest; /* of a model, or a key of worker/input_pool.h */
    char *path;           /* NULL until it is known to be here */
    bool given_up;        /* it goes without */
};

/* Model and LoRAs, init and mask, latents or base, one that is extended, a checkpoint. */
#define SLOT_PARTS_MAX (1 + LIMIT_LORAS + 2 + PLAN_INPUTS_MAX + 1 + 1)

/* ---- what comes of it ---- */

enum slot_output_kind {
    SLOT_SEGMENT,
    SLOT_LATENTS,
    SLOT_REPORT, /* what the frames are, as JSON: rides in the offer */
    SLOT_FRAMES, /* the frames themselves, RGB: of a model's canary */
    SLOT_OUTPUT_KINDS
};
const char *slot_output_name(enum slot_output_kind kind); /* "segment": on the wire, a file's end */
bool slot_output_find(const char *name, enum slot_output_kind *out);
bool slot_output_has_frames(enum slot_output_kind kind); /* its digest and size are told */

struct slot_output {
    enum slot_output_kind kind;
    struct digest sha256;
    uint64_t size_bytes;
    struct digest frames_sha256; /* this and what follows: of what has frames */
    uint32_t frames;
    uint32_t width;
    uint32_t height;
};

struct slot_result {
    struct slot_output outputs[SLOT_OUTPUT_KINDS];
    size_t output_count;
    uint32_t steps; /* computed in this attempt */
    uint64_t render_ms;
};

struct slot_saved { /* a checkpoint that the engine wrote */
    uint32_t step, steps;
    struct digest sha256;
    uint64_t size_bytes;
    int64_t took_ns;
    bool last; /* the attempt stops with it */
};

/* ---- the attempt ---- */

struct slot_work {
    struct attempt_name name;
    bool canary;
    bool own;     /* a canary of its model, not of `pattern` */
    char *recipe; /* canonical JSON, of the whole clip */
    struct digest recipe_digest;
    int64_t limit_ns;        /* no progress for so long ends the attempt at the coordinator */
    int64_t around_limit_ns; /* the same before and after the steps, when it is longer */
    struct slot_part parts[SLOT_PARTS_MAX];
    size_t part_count;
    bool makes[SLOT_OUTPUT_KINDS]; /* what it delivers */
    bool keeps[SLOT_OUTPUT_KINDS]; /* of that, what other tasks take: it stays on this machine */
    uint64_t checkpoint_bytes;     /* about so large is one */
    uint64_t result_bytes;         /* at most so large is what it delivers */
};
void slot_work_free(struct slot_work *work); /* NULL is fine */

/* The part that is added; the digest and path may follow. */
struct slot_part *slot_work_add(struct slot_work *work, enum slot_part_kind kind,
                                const struct digest *digest);
bool slot_work_is_complete(const struct slot_work *work); /* nothing is waited for */
/* The first part of that kind that is here, from *at on (0 at first); NULL when there is none. */
const struct slot_part *slot_work_next(const struct slot_work *work, enum slot_part_kind kind,
                                       size_t *at);
/* NULL when it has none. */
const char *slot_work_path(const struct slot_work *work, enum slot_part_kind kind);

#endif
