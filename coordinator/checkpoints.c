#include "coordinator/checkpoints.h"

void checkpoint_take(struct farm *f, struct worker *w, const struct farm_checkpoint *checkpoint)
{
    struct effect_message *m = worker_answer(f, w, EFFECT_CHECKPOINT_SEEN, &checkpoint->attempt);
    if (m != NULL) m->step = checkpoint->step;
}
