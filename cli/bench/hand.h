/* hand: one simulated worker of a fleet: its key, socket, session and the short list of what it
 * holds. It speaks the protocol as a worker does and answers a task with a report. Loop thread. */
#ifndef ZOE_CLI_BENCH_HAND_H
#define ZOE_CLI_BENCH_HAND_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/id.h"
#include "cli/bench/fleet.h"
#include "proto/zsock.h"

#define HAND_TASKS_MAX 64 /* running and next of each slot */

struct hand_work { /* what all hands of a fleet share */
    const struct fleet_options *options;
    struct tally tally;
    uv_loop_t loop;
    void *zmq;
    uint64_t made;  /* reports */
    uint64_t given; /* tasks */
    char *report;   /* options->report_bytes + 1 */
};

struct hand_task {
    char batch[ID_BATCH_SIZE];
    uint32_t clip, number, slot;
    uint64_t fence;
    struct digest recipe, model;
    uint64_t given;     /* in which order */
    int64_t offered_ns; /* 0 = not yet */
};

struct hand {
    struct hand_work *work;
    struct zsock *sock;
    uint32_t number;
    uint8_t boot_id[ID_BOOT_BYTES];
    uint64_t session; /* 0 = none yet */
    uint64_t last_message;
    int64_t hello_ns; /* when it was said last */
    int64_t beat_ns;  /* when the next heartbeat is due */
    uint32_t heartbeat_ms;
    bool admitted;
    struct hand_task held[HAND_TASKS_MAX];
    uint32_t held_count;
};

/* The key of worker `number`: the same for whoever knows the seed. */
void hand_key(const uint8_t seed[KEY_BYTES], uint32_t number, struct key_pair *out);
/* Its name: "bench-00012". */
#define HAND_NAME_SIZE 32
void hand_name(uint32_t number, char out[HAND_NAME_SIZE]);

/* Dials. `h` stays where it is until hand_close. */
bool hand_open(struct hand *h, struct hand_work *work, uint32_t number, struct error *err);
void hand_close(struct hand *h); /* says goodbye */

/* What is due by time. */
void hand_look_after(struct hand *h, int64_t now_ns);
/* Hands in the oldest task that has no result yet; false when there is none. */
bool hand_offer_next(struct hand *h, int64_t now_ns);

#endif
