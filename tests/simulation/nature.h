/* nature: what is true of the things that are rendered, whatever anybody says about them. A digest
 * in the simulation tells by itself what it is of, so that the checker needs nobody's word. */
#ifndef ZOE_TESTS_SIMULATION_NATURE_H
#define ZOE_TESTS_SIMULATION_NATURE_H

#include <string.h>

#include "coordinator/record.h"

enum { /* bytes of a digest */
       NATURE_GOOD = 0,
       NATURE_CLIP = 1, /* 4 bytes */
       NATURE_OUTPUT = 5,
       NATURE_SUSPECT = 6,
       NATURE_MAKER = 7, /* which attempt made it: 8 bytes */
       NATURE_BATCH = 16 /* the id */
};

/* Clips that no engine can render, and clips whose recipe is wrong. */
static inline bool nature_kills(const struct task_key *key)
{
    return (key->clip * 7 + (uint8_t)key->batch[9]) % 23 == 0;
}

static inline bool nature_is_nonsense(const struct task_key *key)
{
    return (key->clip * 5 + (uint8_t)key->batch[9]) % 31 == 1;
}

static inline struct digest nature_output(const struct attempt_key *key, uint32_t output, bool good)
{
    struct digest d = {{0}};
    d.bytes[NATURE_GOOD] = good;
    memcpy(d.bytes + NATURE_CLIP, &key->task.clip, 4);
    d.bytes[NATURE_OUTPUT] = (uint8_t)(output + 1);
    d.bytes[NATURE_SUSPECT] = key->task.clip % 11 == 3;
    memcpy(d.bytes + NATURE_MAKER, &key->fence, 8);
    memcpy(d.bytes + NATURE_BATCH, key->task.batch, ID_BATCH_LENGTH);
    return d;
}

static inline bool nature_is_of(const struct digest *d, const struct task_key *key)
{
    return memcmp(d->bytes + NATURE_CLIP, &key->clip, 4) == 0 &&
           memcmp(d->bytes + NATURE_BATCH, key->batch, ID_BATCH_LENGTH) == 0;
}

/* The video that stitching makes of an output. */
static inline struct digest nature_video(const struct digest *output)
{
    struct digest d = *output;
    d.bytes[NATURE_OUTPUT] = 0xff;
    return d;
}

static inline bool nature_is_video_of(const struct digest *video, const struct digest *output)
{
    struct digest made = nature_video(output);
    return memcmp(&made, video, sizeof(made)) == 0;
}

#endif
