/* input_wanted: which files of the coordinator a task takes, and as what: as they are, or as raw
 * pictures of just the frames that its window sees. Each has a key, the digest of the file itself
 * or a hash of file and shape, so that what many seeds share is fetched and fitted once. Pure. */
#ifndef ZOE_WORKER_INPUT_WANTED_H
#define ZOE_WORKER_INPUT_WANTED_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/plan.h"
#include "worker/input_convert.h"
#include "worker/slot_work.h"

struct input_wanted {
    enum slot_part_kind kind;
    struct digest file;
    bool as_it_is;            /* latents, a checkpoint */
    struct input_shape shape; /* else */
    struct digest key;
};

#define INPUT_LIST_MAX SLOT_PARTS_MAX
struct input_list {
    struct input_wanted items[INPUT_LIST_MAX];
    size_t count;
};

/* Fills in the key. */
void input_wanted_file(struct input_wanted *w, const struct digest *file);
void input_wanted_pictures(struct input_wanted *w, const struct digest *file,
                           const struct input_shape *shape);

/* What a task takes, in the order of slot_part's kinds: `recipe` is that of its stage, `inputs`
 * what the coordinator names. ERROR_USAGE: a recipe that cannot be (a name that is no digest, an
 * image and a video); ERROR_STATE: the coordinator left out something that the plan names. */
bool input_list_of_task(struct input_list *out, const json_t *recipe, const struct plan *plan,
                        const struct plan_task *task, Farm__TaskInput *const *inputs, size_t count,
                        struct error *err);

#endif
