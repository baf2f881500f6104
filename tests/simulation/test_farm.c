/* Years of farm life from seeds: each history must stay green, and every fault that is put into the
 * shell around the core must turn some history red.
 *
 *     simulation_test_farm                       the seeds of CI, then the mutations
 *     simulation_test_farm SEED                  that history only, and what happened in it
 *     simulation_test_farm FIRST LAST            those histories, and which accidents hit
 *     simulation_test_farm --seed SEED [--mutation NAME] [--replay LIST]
 *                                                its last moments in words, with those accidents
 * only
 *
 * A red history is printed with the fewest accidents that still make it red. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "simulation/relive.h"

#define SEEDS 200
#define MUTATION_SEEDS 60
#define SHRUNK_MAX 20

static const struct {
    const char *name, *what;
} mutations[MUTATION_COUNT] = {
    [MUTATION_NONE] = {"none", "nothing"},
    [MUTATION_SEND_FIRST] = {"send-first", "sends before it commits"},
    [MUTATION_LOSE_LEASES] = {"lose-leases", "does not write leases"},
    [MUTATION_LOSE_ENDS] = {"lose-ends", "does not write ends"},
    [MUTATION_LOSE_PAGES] = {"lose-pages", "does not write pages"},
    [MUTATION_OLD_STORE] = {"old-store", "starts from an older database: no fence"},
    [MUTATION_BLIND] = {"blind", "finds everything sound"},
    [MUTATION_TWICE] = {"twice", "commits twice"},
    [MUTATION_RENAME_FIRST] = {"rename-first", "renames before it commits"},
    [MUTATION_ACK_FIRST] = {"ack-first", "acknowledges before it stores"},
    [MUTATION_DEAF_DISK] = {"deaf-disk", "does not look at the disk"},
    [MUTATION_RESUME_ANY] = {"resume-any", "resumes across fingerprints"},
    [MUTATION_ONE_PRINT] = {"one-print", "knows one fingerprint only"},
    [MUTATION_LOSE_LATENTS] = {"lose-latents", "does not write latents"},
    [MUTATION_LOSE_DROPS] = {"lose-drops", "does not write that checkpoints go"},
    [MUTATION_OLD_VERDICT] = {"old-verdict", "takes one checkpoint's verdict for another's"},
    [MUTATION_SHUFFLE] = {"shuffle", "stitches in the wrong order"},
    [MUTATION_TORN] = {"torn", "a commit that fails leaves its first half"},
    [MUTATION_NO_SYNC] = {"no-sync", "does not sync files before their rows"},
    [MUTATION_NO_FOLDER] = {"no-folder-sync", "does not sync a folder before `published`"},
    [MUTATION_UNLINK_FIRST] = {"unlink-first", "unlinks before it commits"},
    [MUTATION_DEAF_COMMIT] = {"deaf-commit", "takes a failed commit for a good one"},
};

/* ---- histories ---- */

struct sum { /* over histories */
    uint64_t counts[ACCIDENT_COUNT];
    uint64_t histories, red, hours, published, commits, kills, messages, copies;
    uint64_t set_aside, disproofs, disowned, disputes;
};

static void add_up(struct sum *sum, struct world *w)
{
    struct farm_totals totals;
    farm_totals(w->f, &totals);
    for (int kind = 0; kind < ACCIDENT_COUNT; kind++)
        sum->counts[kind] += w->accidents.counts[kind];
    sum->histories++;
    sum->hours += (uint64_t)(w->now_ns - WORLD_START_NS) / NS_PER_S;
    sum->published += totals.clips.by_state[CLIP_PUBLISHED];
    sum->commits += w->commits;
    sum->kills += w->kills;
    sum->messages += w->sends;
    sum->copies += w->copies;
    sum->set_aside += w->set_aside;
    sum->disproofs += w->disproofs;
    sum->disowned += w->disowned;
    sum->disputes += w->disputes;
}

static bool live(uint64_t seed, struct sum *sum)
{
    struct world *w = world_new(seed, MUTATION_NONE, NULL);
    world_live(w);
    bool red = world_is_red(w);
    add_up(sum, w);
    if (red) {
        struct replay r = replay_of(w);
        replay_print(stderr, &r, NULL);
        accident_list_finish(&r.list);
    }
    world_free(w);
    return red;
}

static struct sum live_all(uint64_t first, uint64_t last)
{
    struct sum sum = {.histories = 0};
    for (uint64_t seed = first; seed <= last; seed++)
        sum.red += live(seed, &sum);
    return sum;
}

static void print_sum(const struct sum *s)
{
    print_message("%llu histories, %llu red: %llu simulated hours, %llu clips published, %llu "
                  "commits, %llu starts, %llu messages to workers, %llu copies\n",
                  (unsigned long long)s->histories, (unsigned long long)s->red,
                  (unsigned long long)s->hours / 3600, (unsigned long long)s->published,
                  (unsigned long long)s->commits, (unsigned long long)s->kills,
                  (unsigned long long)s->messages, (unsigned long long)s->copies);
    print_message("second opinions on %llu results: %llu workers disproved, %llu clips of theirs "
                  "rendered again, %llu disputes without an end\n",
                  (unsigned long long)s->set_aside, (unsigned long long)s->disproofs,
                  (unsigned long long)s->disowned, (unsigned long long)s->disputes);
    for (int kind = 0; kind < ACCIDENT_COUNT; kind++)
        print_message("  %-20s %llu\n", accident_names[kind], (unsigned long long)s->counts[kind]);
}

static void every_history_keeps_the_promises(void **state)
{
    (void)state;
    struct sum sum = live_all(1, SEEDS);
    print_sum(&sum);
    assert_int_equal(sum.red, 0);
    assert_true(sum.copies > 0); /* S4 */
    assert_true(sum.set_aside > 0 && sum.disproofs > 0 && sum.disowned > 0 && sum.disputes > 0);
    for (int kind = 0; kind < ACCIDENT_COUNT; kind++) {
        if (sum.counts[kind] == 0) fail_msg("never happened: %s", accident_names[kind]);
    }
}

static void one_seed_is_one_history(void **state)
{
    (void)state;
    struct world *a = world_new(7, MUTATION_NONE, NULL);
    world_live(a);
    struct world *b = world_new(7, MUTATION_NONE, NULL);
    world_live(b);
    struct world *c = world_new(7, MUTATION_NONE, &a->accidents.hits);
    world_live(c);
    assert_true(a->commits == b->commits && a->kills == b->kills && a->sends == b->sends);
    assert_true(a->trace == b->trace && a->now_ns == b->now_ns);
    assert_true(a->trace == c->trace && a->now_ns == c->now_ns);
    world_free(a);
    world_free(b);
    world_free(c);
}

/* ---- faults of the shell ---- */

/* 0 = none */
static uint64_t first_red(enum mutation mutation)
{
    for (uint64_t seed = 1; seed <= MUTATION_SEEDS; seed++) {
        if (replay_dies_or_is_red(seed, mutation, NULL)) return seed;
    }
    return 0;
}

static void every_fault_of_a_shell_is_noticed(void **state)
{
    (void)state;
    int missed = 0;
    for (int m = MUTATION_NONE + 1; m < MUTATION_COUNT; m++) {
        uint64_t seed = first_red((enum mutation)m);
        print_message("  %-14s %-50s first seen by seed %llu\n", mutations[m].name,
                      mutations[m].what, (unsigned long long)seed);
        missed += seed == 0;
    }
    assert_int_equal(missed, 0);
}

static struct replay shrunk(enum mutation mutation)
{
    struct world *w = world_new(first_red(mutation), mutation, NULL);
    world_live(w);
    assert_true(world_is_red(w));
    struct replay r = replay_of(w);
    world_free(w);
    return r;
}

/* Its list, read back from its text, is red as well. */
static void expect_repeatable(struct replay *r)
{
    char *text = NULL;
    size_t size = 0;
    struct accident_list list = {0};
    FILE *to = open_memstream(&text, &size);
    assert_non_null(to);
    accident_list_print(to, &r->list);
    assert_int_equal(fclose(to), 0);
    assert_true(accident_list_parse(text, &list));
    assert_int_equal(list.count, r->list.count);
    assert_true(replay_is_red(r, &list));
    accident_list_finish(&list);
    free(text);
}

static void a_red_history_shrinks(void **state)
{
    (void)state;
    static const enum mutation examples[] = {MUTATION_NO_SYNC, MUTATION_NO_FOLDER, MUTATION_BLIND};
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        struct replay r = shrunk(examples[i]);
        replay_print(stdout, &r, mutations[examples[i]].name);
        assert_true(r.list.count < SHRUNK_MAX && r.list.count < r.count_at_first);
        expect_repeatable(&r);
        accident_list_finish(&r.list);
    }
}

/* ---- by hand ---- */

static bool find_mutation(const char *name, enum mutation *out)
{
    for (int m = 0; m < MUTATION_COUNT; m++) {
        if (strcmp(mutations[m].name, name) != 0) continue;
        *out = (enum mutation)m;
        return true;
    }
    return false;
}

static int replay_by_hand(int argc, char **argv)
{
    uint64_t seed = 0;
    enum mutation mutation = MUTATION_NONE;
    struct accident_list list = {0};
    const struct accident_list *only = NULL;
    bool ok = true;
    for (int i = 1; ok && i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--mutation") == 0)
            ok = find_mutation(argv[i + 1], &mutation);
        else if (strcmp(argv[i], "--replay") == 0 && (only = &list) != NULL)
            ok = strcmp(argv[i + 1], "none") == 0 || accident_list_parse(argv[i + 1], &list);
        else
            ok = false;
    }
    if (!ok) print_error("simulation_test_farm: what is this? see the top of test_farm.c\n");
    bool red = ok && replay_tell(stdout, seed, mutation, only);
    accident_list_finish(&list);
    return !ok ? 2 : red;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_history_keeps_the_promises),
        cmocka_unit_test(one_seed_is_one_history),
        cmocka_unit_test(every_fault_of_a_shell_is_noticed),
        cmocka_unit_test(a_red_history_shrinks),
    };
    if (argc < 2) return cmocka_run_group_tests(tests, NULL, NULL);
    if (argv[1][0] == '-') return replay_by_hand(argc, argv);
    uint64_t first = strtoull(argv[1], NULL, 10);
    struct sum sum = live_all(first, argc > 2 ? strtoull(argv[2], NULL, 10) : first);
    print_sum(&sum);
    return sum.red > 0;
}
