/* tally: what the simulated workers of a fleet see, counted. */
#ifndef ZOE_CLI_BENCH_TALLY_H
#define ZOE_CLI_BENCH_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/bench/samples.h"

struct fleet_result {
    uint64_t joined;   /* workers that were welcomed and admitted */
    uint64_t assigned; /* all these after the warm-up */
    uint64_t stored;
    uint64_t dropped;
    uint64_t canceled;
    uint64_t sessions; /* welcomes of those that had none: more than workers = some were lost */
    double seconds;    /* counted */
    double stored_a_second;
    double longest_pause_s;              /* between two Assigns */
    double all_joined_s;                 /* since the start; -1 = not all of them */
    double answer_p50_ms, answer_p99_ms; /* from an Offer to its Stored */
};

struct tally {
    struct fleet_result result;
    uint32_t workers; /* that there will be */
    int64_t start_ns;
    int64_t counted_from_ns; /* 0 = warming up */
    int64_t assigned_ns;     /* the last one */
    struct samples answers;
};

void tally_init(struct tally *t, uint32_t workers, int64_t now_ns);
void tally_finish(struct tally *t);
void tally_count_from(struct tally *t, int64_t now_ns); /* the warm-up is over */

void tally_welcomed(struct tally *t);
void tally_admitted(struct tally *t);
void tally_assigned(struct tally *t);
void tally_stored(struct tally *t, int64_t offered_ns);
void tally_dropped(struct tally *t);
void tally_canceled(struct tally *t);

void tally_sum_up(struct tally *t, struct fleet_result *out);

#endif
