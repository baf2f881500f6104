/* relive: a red history, lived again with ever fewer accidents until no smaller piece of them can
 * be left out (delta debugging: A. Zeller, R. Hildebrandt, "Simplifying and isolating
 * failure-inducing input", IEEE TSE 28(2), 2002), and told in words. */
#ifndef ZOE_TESTS_SIMULATION_RELIVE_H
#define ZOE_TESTS_SIMULATION_RELIVE_H

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "simulation/history.h"

#define REPLAY_RUNS 400 /* at most */

struct replay {
    uint64_t seed;
    enum mutation mutation;
    struct accident_list list; /* with which it is red */
    size_t count_at_first;
    uint32_t runs;
};

/* In a process of its own: a core that is fed nonsense may find that out itself, by an assertion.
 */
static inline bool replay_dies_or_is_red(uint64_t seed, enum mutation mutation,
                                         const struct accident_list *only)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        (void)close(STDERR_FILENO);
        struct world *w = world_new(seed, mutation, only);
        world_live(w);
        _exit(world_is_red(w) ? 1 : 0);
    }
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return child > 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0);
}

static inline bool replay_is_red(struct replay *r, const struct accident_list *list)
{
    r->runs++;
    return replay_dies_or_is_red(r->seed, r->mutation, list);
}

static inline struct accident_list replay_without(const struct accident_list *l, size_t from,
                                                  size_t count)
{
    struct accident_list left = {0};
    for (size_t i = 0; i < l->count; i++) {
        if (i < from || i >= from + count) accident_list_add(&left, &l->items[i]);
    }
    return left;
}

/* One piece of `size` may do alone. */
static inline bool replay_try_alone(struct replay *r, size_t size)
{
    for (size_t at = 0; at < r->list.count && r->runs < REPLAY_RUNS; at += size) {
        struct accident_list piece = {0};
        for (size_t i = at; i < at + size && i < r->list.count; i++)
            accident_list_add(&piece, &r->list.items[i]);
        if (replay_is_red(r, &piece)) {
            accident_list_finish(&r->list);
            r->list = piece;
            return true;
        }
        accident_list_finish(&piece);
    }
    return false;
}

/* Leaves out pieces of `size`, one after the other. */
static inline void replay_try_pieces(struct replay *r, size_t size)
{
    for (size_t at = 0; at < r->list.count && r->runs < REPLAY_RUNS;) {
        struct accident_list left = replay_without(&r->list, at, size);
        struct accident_list *dead = &left;
        if (replay_is_red(r, &left)) {
            struct accident_list old = r->list;
            r->list = left;
            left = old;
        } else {
            at += size;
        }
        accident_list_finish(dead);
    }
}

/* Leaves out all of one kind. */
static inline void replay_try_kind(struct replay *r, enum accident_kind kind)
{
    struct accident_list left = {0};
    struct accident_list *dead = &left;
    for (size_t i = 0; i < r->list.count; i++) {
        if (r->list.items[i].kind != kind) accident_list_add(&left, &r->list.items[i]);
    }
    if (left.count < r->list.count && replay_is_red(r, &left)) {
        struct accident_list old = r->list;
        r->list = left;
        left = old;
    }
    accident_list_finish(dead);
}

/* Kinds, then halves, quarters, ... single ones; singles until none can go. */
static inline void replay_shrink(struct replay *r)
{
    for (int kind = 0; kind < ACCIDENT_COUNT; kind++)
        replay_try_kind(r, (enum accident_kind)kind);
    size_t before = r->list.count + 1;
    for (size_t size = (r->list.count + 1) / 2; size > 1; size = (size + 1) / 2)
        if (!replay_try_alone(r, size)) replay_try_pieces(r, size);
    while (r->list.count < before && r->list.count > 0 && r->runs < REPLAY_RUNS) {
        before = r->list.count;
        replay_try_pieces(r, 1);
    }
}

/* Of a world that has come to be red. */
static inline struct replay replay_of(const struct world *w)
{
    struct replay r = {.seed = w->accidents.seed, .mutation = w->mutation};
    for (size_t i = 0; i < w->accidents.hits.count; i++)
        accident_list_add(&r.list, &w->accidents.hits.items[i]);
    r.count_at_first = r.list.count;
    replay_shrink(&r);
    return r;
}

static inline void replay_tell_words(FILE *to, const struct world *w)
{
    uint64_t first = w->word_count > WORLD_WORDS ? w->word_count - WORLD_WORDS : 0;
    for (uint64_t i = first; i < w->word_count; i++)
        (void)fprintf(to, "  %s\n", w->words[i % WORLD_WORDS]);
}

/* Lives it once more; true: it was red. */
static inline bool replay_tell(FILE *to, uint64_t seed, enum mutation mutation,
                               const struct accident_list *only)
{
    struct world *w = world_new(seed, mutation, only);
    w->tells = true;
    world_live(w);
    bool red = world_is_red(w);
    replay_tell_words(to, w);
    (void)fprintf(to, "  %9.2f s  %s\n", (double)(w->now_ns - WORLD_START_NS) / 1e9,
                  red ? world_why(w) : "all is well");
    world_free(w);
    return red;
}

static inline void replay_print(FILE *to, const struct replay *r, const char *mutation)
{
    (void)fprintf(to, "seed %llu: red with %zu accidents; after %u runs %zu are enough:\n",
                  (unsigned long long)r->seed, r->count_at_first, (unsigned)r->runs, r->list.count);
    (void)replay_tell(to, r->seed, r->mutation, &r->list);
    (void)fprintf(to, "again: simulation_test_farm --seed %llu", (unsigned long long)r->seed);
    if (mutation != NULL) (void)fprintf(to, " --mutation %s", mutation);
    (void)fprintf(to, " --replay ");
    accident_list_print(to, &r->list);
    (void)fprintf(to, "%s\n", r->list.count == 0 ? "none" : "");
}

#endif
