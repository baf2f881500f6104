/* submit_transfer_state: a submission on its way in, as the files of submit_transfer.h share it. A
 * transfer is receiving (submit_transfer.c), here as a whole and waiting for its check
 * (submit_lanes.c), being checked on a pool thread, or checked and waiting for the commit
 * (submit_check.c). Room-internal. Loop thread. */
#ifndef ZOE_COORDINATOR_SUBMIT_TRANSFER_STATE_H
#define ZOE_COORDINATOR_SUBMIT_TRANSFER_STATE_H

#include <stdatomic.h>

#include "coordinator/credit_window.h"
#include "coordinator/submit_crowd.h"
#include "coordinator/submit_lanes.h"

struct memory_book;
struct model_list;

enum transfer_state { TRANSFER_RECEIVING, TRANSFER_WHOLE, TRANSFER_CHECKING, TRANSFER_READY };

struct submit_transfer {
    struct submit_transfers *all; /* NULL: it was given up while its check was on its way */
    struct submit_transfer *next;
    enum transfer_state state;
    struct submit_request request; /* texts owned; client, request and opener are the sender's */
    char *key;                     /* resolved */
    bool default_key;
    struct digest content;
    struct submit_crowd crowd;
    char *path; /* the temporary file */
    int fd;
    struct credit_window window;
    char batch[ID_BATCH_SIZE];
    char folder[PUBLISH_FOLDER_SIZE];
    int64_t submitted_ms;
    /* for the pool thread */
    uv_work_t work;
    struct submit_lanes *lanes; /* a reference while it is being checked */
    atomic_bool stop;           /* nobody wants it any more */
    char *prompts_path;
    char *renders;
    struct model_list *models;
    struct memory_book *book;
    struct submit_result result;
    bool parsed; /* result is to be finished */
    bool sound;
    struct error why;
};

struct submit_transfers {
    uv_loop_t *loop;
    struct models *models;
    struct memory_book *book;
    struct submit_callbacks callbacks;
    struct submit_lanes *lanes;
    char *incoming, *prompts, *renders;
    struct submit_transfer *first;
    int count;
    uint64_t files; /* names of temporaries */
};

/* The file is whole: it is checked on a pool thread when its turn has come, and goes on from there.
 */
void submit_check_start(struct submit_transfers *s, struct submit_transfer *t);
/* Ends a check that is on its way: it frees the transfer. */
void submit_check_abandon(struct submit_transfer *t);
/* Removes what a good check has prepared. */
void submit_check_drop(struct submit_transfer *t);

/* Tells every listener why not, with the problems found. */
void submit_transfer_refuse(struct submit_transfers *s, const struct submit_transfer *t,
                            const struct error *why);
/* Takes it out and frees it; whoever waited for its key is opened again. */
void submit_transfer_end(struct submit_transfers *s, struct submit_transfer *t);
/* Removes the temporary file and frees it; for one that is in no list any more. */
void submit_transfer_free(struct submit_transfer *t);

#endif
