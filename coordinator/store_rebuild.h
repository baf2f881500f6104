/* store_rebuild: rows made anew from what the published tree says, by `zoe recover` and `restore`.
 * Nobody else has the database open. */
#ifndef ZOE_COORDINATOR_STORE_REBUILD_H
#define ZOE_COORDINATOR_STORE_REBUILD_H

#include "coordinator/store.h"

/* What a clip still had under way is over: its attempts are superseded, its tasks done, the uses of
 * its stored files dropped. */
void store_rebuild_clip(struct store *s, const char *batch, uint32_t clip);

/* How many tasks of a clip are open; of a clip that failed they are stored, for `retry`. */
bool store_open_tasks(struct store *s, const char *batch, uint32_t clip, uint32_t *count_out,
                      struct error *err);

/* After all its clips: the bytes that count for its owner's quota. */
void store_rebuild_bytes(struct store *s, const char *batch);

struct store_salvaged {
    const char *table;
    uint64_t rows, left_out;
    bool damaged; /* some of it could not be read */
};
#define STORE_SALVAGE_MAX 16
/* An input whose file does not stand is left out: it is asked for again. NULL: every one is had. */
struct store_wanted {
    void *context;
    bool (*stands)(void *context, const struct digest *sha256, uint64_t size_bytes);
};
/* Copies from a damaged file, row by row and from both ends, what the published tree does not know:
 * keys, workers, owners, tokens, the audit log, events, inputs. Returns how many tables there were;
 * 0 when nothing of the file can be read. */
size_t store_salvage(struct store *s, const char *damaged, const struct store_wanted *wanted,
                     struct store_salvaged out[STORE_SALVAGE_MAX]);
/* Of a sound one's inputs those that are not known yet. */
void store_salvage_inputs(struct store *s, const char *old, const struct store_wanted *wanted);
/* The number of its last event; 0 when that cannot be told. */
uint64_t store_salvage_last_event(const char *damaged);
struct store_said { /* of a batch */
    enum batch_state state;
    uint32_t round;
    int64_t finished_ms; /* 0 = it is not over */
};
/* A row that makes no sense is passed over; `each` may get a batch twice. */
void store_salvage_batches(const char *damaged,
                           void (*each)(void *context, const char *batch,
                                        const struct store_said *said),
                           void *context);
/* How long its batches stay, of those with a time of their own; 0 = for ever. False when not all of
 * it could be read. */
bool store_salvage_keeps(const char *damaged,
                         void (*each)(void *context, const char *batch, int64_t keep_s),
                         void *context);
/* Its generation; 0 when it says none. */
uint32_t store_salvage_generation(const char *damaged);

#endif
