/* shell: what the coordinator's impure parts share. coordinator.c makes and ends it; every other
 * file of the shell takes it as its first argument. Room-internal; loop thread only.
 *
 * Things happen (messages, timers, children, pool threads) and call farm_* and friends; shell_stir
 * says so. The turn ends in turn.c: farm_turn, one transaction, commit, messages, jobs. */
#ifndef ZOE_COORDINATOR_SHELL_H
#define ZOE_COORDINATOR_SHELL_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"
#include "base/log_pace.h"
#include "coordinator/artifacts.h"
#include "coordinator/assign_inputs.h"
#include "coordinator/audience.h"
#include "coordinator/audit.h"
#include "coordinator/canary_file.h"
#include "coordinator/catalog.h"
#include "coordinator/coordinator.h"
#include "coordinator/farm.h"
#include "coordinator/feed.h"
#include "coordinator/input_doubts.h"
#include "coordinator/joiners.h"
#include "coordinator/keyring.h"
#include "coordinator/media_child.h"
#include "coordinator/models.h"
#include "coordinator/outbound.h"
#include "coordinator/owners.h"
#include "coordinator/possession.h"
#include "coordinator/prompts.h"
#include "coordinator/reports.h"
#include "coordinator/retention.h"
#include "coordinator/session.h"
#include "coordinator/store.h"
#include "coordinator/submit_transfer.h"
#include "coordinator/tokens.h"
#include "proto/keys.h"
#include "proto/zap.h"
#include "proto/zsock.h"

struct uploads;
struct checkpoint_uploads;
struct checks;
struct publisher;
struct intake;
struct models_question;
struct backup;

struct shell_paces { /* of lines that a peer can cause at will */
    struct log_pace bad_message;
    struct log_pace hello;      /* refused */
    struct log_pace join;       /* refused */
    struct log_pace offer;      /* cannot be judged */
    struct log_pace checkpoint; /* cannot be judged */
    struct log_pace unassigned;
    struct log_pace damaged; /* what a worker could not have */
};

struct coordinator {
    struct coordinator_options options; /* borrowed texts */
    char *state;                        /* absolute path of the state folder */
    char *renders;
    int lock_fd;
    struct key_pair server_key;

    uv_loop_t loop;
    bool loop_open;
    uv_prepare_t end_of_turn;
    uv_timer_t wake;
    uv_timer_t watchdog; /* of the stop */
    uv_signal_t signals[2];
    bool handles_open;

    void *zmq_context;
    struct zap *zap;
    struct zsock *workers;
    struct zsock *clients;

    struct store *store;
    struct farm *farm;
    struct artifacts *artifacts;
    struct prompts *prompts;
    struct models *models;
    struct media_children *media;
    struct canary_file canary;
    struct digest canary_model;

    struct keyring keyring;
    struct tokens tokens;
    struct joiners joiners; /* joining.h */
    struct possessions possessions;
    struct owners owners;
    struct audit audit;
    struct sessions sessions;
    struct audience audience;
    struct catalog catalog;
    struct feed feed;
    struct outbound outbound;
    struct missing_inputs missing;
    struct input_doubts doubts;
    struct reports reports;
    struct uploads *uploads;
    struct checkpoint_uploads *checkpoints;
    struct checks *checks;
    struct publisher *publisher;
    struct intake *intake;
    struct backup *backup;             /* being made; NULL = none */
    struct models_question *questions; /* of clients that wait for a model scan */

    int64_t now_ns;  /* of this turn; 0 = not asked yet */
    bool stirred;    /* something happened: the turn must be ended properly */
    bool only_asked; /* and that was questions, which are answered */
    bool up;         /* loaded, sockets bound */
    bool stopping;
    bool closed; /* every part was told to end */
    bool unwell; /* the store refused: reads only, until store_retry says otherwise (D2) */
    struct error unwell_why;
    int64_t retry_at_ns;
    int exit_code;
    struct error exit_error;

    uint64_t first_session;
    uint64_t last_sequence; /* submit order */
    int64_t started_ns;
    int64_t disk_seen_ns; /* when free space was last looked at; 0 = look now */
    int64_t pruned_ns;
    bool sweep_anew;        /* once this turn is committed: uses were dropped beside the core */
    bool sweep_wanted;      /* the last sweep left some */
    int64_t logs_pruned_ns; /* when events and audit entries that go are looked for next */
    struct retention retention;
    int64_t expelled_ns; /* when ephemeral keys were last looked at */
    bool expel_again;    /* there are some */
    int64_t busy_ns;     /* last time there was a client or an unfinished batch */
    bool late_check;     /* the database is checked table by table */
    int64_t late_check_ns;
    uint64_t bad_messages;
    struct shell_paces paces;
};

/* The time of this turn: the same for everything that happens in it. */
int64_t shell_now(struct coordinator *c);
/* Something happened. */
void shell_stir(struct coordinator *c);
/* Whether changes can be made now; otherwise why not. */
bool shell_is_well(const struct coordinator *c, struct error *err);
/* An event of this batch ("": of none) was written: who waits for such is answered. */
void shell_note_event(struct coordinator *c, const char *batch);
/* An event that the shell itself reports; stored in this turn. */
void shell_event(struct coordinator *c, const struct event_record *event);
/* One about who may come in, which is logged too. `worker`: whom it is about; "" for a client. */
void shell_key_event(struct coordinator *c, const char *kind, const char *worker,
                     const char *message);
/* Ends the process after this turn. err NULL = as wished. */
void shell_stop(struct coordinator *c, const struct error *err);

#endif
