#include "engine/model/diffusion_walk.h"

int diffusion_walk_steps(const struct diffusion_walk *w)
{
    return w->count * w->times;
}

static int stretch_size(const struct diffusion_walk *w, int stretch)
{
    const int rest = w->count - stretch * w->jump;
    return rest < w->jump ? rest : w->jump;
}

static struct diffusion_turn plain(const struct diffusion_walk *w, int step)
{
    return (struct diffusion_turn){
        .index = w->from + step, .back = -1, .since = -1, .last = step + 1 == w->count};
}

struct diffusion_turn diffusion_walk_at(const struct diffusion_walk *w, int step)
{
    const int all = w->jump * w->times, stretch = step / all;
    const int size = stretch_size(w, stretch), begin = w->from + stretch * w->jump;
    if (w->times == 1 || size <= 0) return plain(w, step);
    const int repetition = step % all / size, offset = step % all % size;
    const bool returns = offset == size - 1 && repetition + 1 < w->times;
    struct diffusion_turn turn = {.index = begin + offset,
                                  .repetition = repetition,
                                  .back = returns ? begin : -1,
                                  .since = -1,
                                  .last = step + 1 == diffusion_walk_steps(w)};
    if (repetition > 0)
        turn.since = begin;
    else if (stretch > 0)
        turn.since = begin - w->jump;
    return turn;
}
