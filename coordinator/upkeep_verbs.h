/* upkeep_verbs: what the upkeep_*.c files share. Room-internal. */
#ifndef ZOE_COORDINATOR_UPKEEP_VERBS_H
#define ZOE_COORDINATOR_UPKEEP_VERBS_H

#include <jansson.h>

#include "base/error.h"
#include "base/finding.h"

#define UPKEEP_DATABASE "farm.db"
/* While one of these stands, no coordinator starts. */
#define UPKEEP_NEW "farm.db.new"     /* being made: may be dropped at any time */
#define UPKEEP_READY "farm.db.ready" /* finished: the old one may be out of its place already */

struct upkeep {
    char *state; /* the folder, absolute */
    const char *file;
    bool deep, fast, paused, json;
    int lock_fd;
    bool running; /* a coordinator has the folder */
    struct findings findings;
};

enum upkeep_need {
    UPKEEP_NOTHING, /* no folder at all */
    UPKEEP_FOLDER,  /* a folder that is no worker's: a backup may be restored on a new machine */
    UPKEEP_FARM,    /* something of a farm is in it */
};
/* Takes the folder's lock, unless somebody has it; `looks_only` makes no file for it.
 * ERROR_NOT_FOUND when there is no such folder. */
bool upkeep_open(struct upkeep *u, const char *state, enum upkeep_need need, bool looks_only,
                 struct error *err);

char *upkeep_path(const struct upkeep *u, const char *name); /* caller frees */
/* `about` is taken; for people the findings and `words`. */
void upkeep_report(const struct upkeep *u, const char *schema, json_t *about, const char *words);

#define UPKEEP_OLD_SIZE 32
/* Puts the finished UPKEEP_NEW, which nobody has open, in the place of the database, which gets the
 * name in `old`: "" when there was none. Fault points swap.ready, swap.log_moved and swap.old_moved
 * stand between its steps; from the first of them on it can be finished only. */
bool upkeep_swap_in(const struct upkeep *u, char old[UPKEEP_OLD_SIZE], struct error *err);
/* One that was broken off; a finding when there was one. */
bool upkeep_swap_finish(struct upkeep *u, struct error *err);
/* UPKEEP_NEW, if there is one, with what was made beside it. */
void upkeep_swap_drop(const struct upkeep *u);

bool upkeep_about(struct upkeep *u, struct error *err);
bool upkeep_check(struct upkeep *u, struct error *err);
bool upkeep_restore(struct upkeep *u, struct error *err);
bool upkeep_recover(struct upkeep *u, struct error *err);

#endif
