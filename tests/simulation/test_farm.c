/* Years of farm life from seeds: each history must stay green, and every fault that is put into the
 * shell around the core must turn some history red.
 *
 *     simulation_test_farm              the seeds of CI, then the mutations
 *     simulation_test_farm SEED         that history only
 *     simulation_test_farm FIRST LAST   those histories only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "simulation/history.h"

#define SEEDS 200
#define MUTATION_SEEDS 40

static const char *const mutation_names[MUTATION_COUNT] = {
    [MUTATION_NONE] = "none",
    [MUTATION_SEND_FIRST] = "sends before it commits",
    [MUTATION_LOSE_LEASES] = "does not write leases",
    [MUTATION_LOSE_ENDS] = "does not write ends",
    [MUTATION_LOSE_PAGES] = "does not write pages",
    [MUTATION_OLD_STORE] = "starts from an older database",
    [MUTATION_BLIND] = "finds everything sound",
    [MUTATION_TWICE] = "commits twice",
    [MUTATION_RENAME_FIRST] = "renames before it commits",
    [MUTATION_ACK_FIRST] = "acknowledges before it stores",
    [MUTATION_DEAF_DISK] = "does not look at the disk",
    [MUTATION_RESUME_ANY] = "resumes across fingerprints",
    [MUTATION_ONE_PRINT] = "knows one fingerprint only",
    [MUTATION_LOSE_LATENTS] = "does not write latents",
    [MUTATION_LOSE_DROPS] = "does not write that checkpoints go",
    [MUTATION_OLD_VERDICT] = "takes one checkpoint's verdict for another's",
    [MUTATION_SHUFFLE] = "stitches in the wrong order",
};

static bool is_green(uint64_t seed)
{
    struct world *w = world_new(seed, MUTATION_NONE);
    world_live(w);
    bool green = !world_is_red(w);
    if (!green)
        print_error("seed %llu, at %.1f s: %s\n", (unsigned long long)seed,
                    (double)(w->now_ns - 1000 * NS_PER_S) / 1e9, world_why(w));
    world_free(w);
    return green;
}

/* What happened in it, for who runs one seed. */
static void tell(uint64_t seed)
{
    struct world *w = world_new(seed, MUTATION_NONE);
    struct farm_totals totals;
    world_live(w);
    farm_totals(w->f, &totals);
    print_message("seed %llu: %.0f s, %u workers, %llu batches, %llu published, %llu failed, "
                  "%llu commits, %llu kills, %llu messages\n",
                  (unsigned long long)seed, (double)(w->now_ns - 1000 * NS_PER_S) / 1e9,
                  (unsigned)w->member_count, (unsigned long long)totals.batches,
                  (unsigned long long)totals.clips.by_state[CLIP_PUBLISHED],
                  (unsigned long long)totals.clips.by_state[CLIP_FAILED],
                  (unsigned long long)w->commits, (unsigned long long)w->kills,
                  (unsigned long long)w->sends);
    world_free(w);
}

static int count_red(uint64_t first, uint64_t last)
{
    int red = 0;
    for (uint64_t seed = first; seed <= last; seed++)
        red += !is_green(seed);
    return red;
}

static void every_history_keeps_the_promises(void **state)
{
    (void)state;
    assert_int_equal(count_red(1, SEEDS), 0);
}

static void one_seed_is_one_history(void **state)
{
    (void)state;
    struct world *a = world_new(7, MUTATION_NONE), *b = world_new(7, MUTATION_NONE);
    world_live(a);
    world_live(b);
    assert_true(a->commits == b->commits && a->kills == b->kills && a->sends == b->sends);
    assert_true(a->trace == b->trace && a->now_ns == b->now_ns);
    world_free(a);
    world_free(b);
}

static bool turns_red(enum mutation mutation)
{
    bool red = false;
    for (uint64_t seed = 1; seed <= MUTATION_SEEDS && !red; seed++) {
        struct world *w = world_new(seed, mutation);
        world_live(w);
        red = world_is_red(w);
        if (red) print_message("  %s: %s\n", mutation_names[mutation], world_why(w));
        world_free(w);
    }
    return red;
}

static void every_fault_of_a_shell_is_noticed(void **state)
{
    (void)state;
    for (int m = MUTATION_NONE + 1; m < MUTATION_COUNT; m++) {
        if (!turns_red((enum mutation)m)) fail_msg("not noticed: %s", mutation_names[m]);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_history_keeps_the_promises),
        cmocka_unit_test(one_seed_is_one_history),
        cmocka_unit_test(every_fault_of_a_shell_is_noticed),
    };
    if (argc < 2) return cmocka_run_group_tests(tests, NULL, NULL);
    uint64_t first = strtoull(argv[1], NULL, 10);
    if (argc == 2) tell(first);
    return count_red(first, argc > 2 ? strtoull(argv[2], NULL, 10) : first) > 0;
}
