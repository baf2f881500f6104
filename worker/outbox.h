/* outbox: finished results until the coordinator has them (W5). An entry is its files and a record
 * (NAME.segment, NAME.latents, NAME.json) in one folder; all are synced under their final names
 * before anybody hears of them, and removed on Stored or Dropped. What is half written is thrown
 * away at the next start; a record that cannot be read then, or that a newer build wrote, stays
 * with its files for another one. Loop thread only. */
#ifndef ZOE_WORKER_OUTBOX_H
#define ZOE_WORKER_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "proto/chunk.h"
#include "worker/slot_work.h"

struct outbox_entry {
    struct attempt_name name;
    char *recipe;
    struct digest recipe_digest;
    struct digest model;
    char *fingerprint;
    struct slot_result result;
    /* the transfer of this run */
    struct chunk_sender senders[SLOT_OUTPUT_KINDS]; /* of each of its outputs */
    int fds[SLOT_OUTPUT_KINDS];                     /* -1 = closed */
    int64_t offered_ns;                             /* last Offer; 0 = not in this session */
};

struct outbox {
    char *folder;
    struct outbox_entry **entries; /* oldest first */
    size_t count;
    uint64_t size_bytes;
};

/* Makes the folder (0700), reads what is there, removes what is incomplete. */
bool outbox_open(struct outbox *o, const char *folder, struct error *err);
void outbox_finish(struct outbox *o); /* files stay */

/* Where an engine writes an output of an attempt. Caller frees. */
char *outbox_part_path(const struct outbox *o, const struct attempt_name *name,
                       enum slot_output_kind kind);
void outbox_discard_parts(const struct outbox *o, const struct attempt_name *name);

/* Takes over the part files, which must have the sizes that `result` tells: NULL with the parts
 * removed otherwise, or when a write fails. The entry is borrowed. */
struct outbox_entry *outbox_add(struct outbox *o, const struct slot_work *work,
                                const char *fingerprint, const struct slot_result *result,
                                struct error *err);
struct outbox_entry *outbox_find(const struct outbox *o, const struct attempt_name *name);
void outbox_remove(struct outbox *o, struct outbox_entry *entry); /* files too */

uint64_t outbox_entry_bytes(const struct outbox_entry *entry);
/* The file of one of its outputs; caller frees. */
char *outbox_file(const struct outbox *o, const struct outbox_entry *entry, size_t output);

/* Bytes [offset, offset + size) of an output. */
bool outbox_read(struct outbox *o, struct outbox_entry *entry, size_t output, uint64_t offset,
                 void *out, uint32_t size, struct error *err);

/* Are so many bytes free on its disk? */
bool outbox_has_room(const struct outbox *o, uint64_t size_bytes, uint64_t *free_out);

#endif
