/* restore and recover: a new database in the place of the old one. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/path.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "coordinator/artifacts.h"
#include "coordinator/reconcile.h"
#include "coordinator/store_access.h"
#include "coordinator/store_check.h"
#include "coordinator/store_rebuild.h"
#include "coordinator/upkeep_verbs.h"
#include "proto/keys.h"

#define GENERATION "farm.generation"
#define GENERATION_MAX 32767
/* When the other database cannot say how many events have come since a copy was made, the
 * generation is the high part of their numbers, as of fences: they are above all that were given
 * out before, whichever copy it is. The highest is below 2^53, whole wherever JSON is read. */
#define EVENTS_GENERATION_SHIFT 36
#define EVENTS_UNKNOWN 500000           /* of a copy whose numbers are above that already */
#define EVENTS_LAST (UINT64_C(1) << 60) /* above it a number is damaged */

static bool must_be_alone(const struct upkeep *u, const char *verb, struct error *err)
{
    if (!u->running) return true;
    return error_set(err, ERROR_STATE,
                     "a coordinator runs on %s: stop it (`zoe farm down`, or SIGTERM), then %s",
                     u->state, verb);
}

/* ---- generations (T2) ---- */

static uint32_t parse_generation(const char *text)
{
    int64_t number = 0;
    return text != NULL && text_parse_i64(text, 0, GENERATION_MAX, &number) ? (uint32_t)number : 0;
}

/* The highest that was ever used here: a file beside the database tells it when that cannot. */
static uint32_t last_generation(const struct upkeep *u, struct store *s)
{
    struct buf text = BUF_INIT;
    char *path = upkeep_path(u, GENERATION), *old = upkeep_path(u, UPKEEP_DATABASE);
    uint32_t highest = path_read(path, 64, &text, NULL) ? parse_generation(buf_text(&text)) : 0;
    const uint32_t damaged = store_salvage_generation(old);
    char *own = store_meta(s, "generation");
    if (parse_generation(own) > highest) highest = parse_generation(own);
    if (damaged > highest && damaged <= GENERATION_MAX) highest = damaged;
    free(own);
    free(path);
    free(old);
    buf_finish(&text);
    return highest;
}

static bool raise_generation(struct upkeep *u, struct store *s, struct error *err)
{
    char text[16];
    const uint32_t last = last_generation(u, s);
    if (last >= GENERATION_MAX)
        return error_set(err, ERROR_REFUSED, "this farm was restored %d times", GENERATION_MAX);
    int size = snprintf(text, sizeof text, "%u", (unsigned)last + 1);
    store_meta_set(s, "generation", text);
    char *path = upkeep_path(u, GENERATION);
    bool ok = store_commit(s, err) && path_write_atomic(path, text, (size_t)size, 0600, err);
    free(path);
    return ok;
}

/* ---- restore and recover ---- */

static void note_admin(void *context, const struct store_key *key)
{
    if (strcmp(key->role, "admin") == 0) *(bool *)context = true;
}

/* Whoever has the state folder has its admin key; one that was revoked stays out while there is
 * another. */
static bool allow_admin(const struct upkeep *u, struct store *s, struct error *err)
{
    struct key_pair admin;
    bool known = false;
    struct store_key row = {.role = "admin", .name = "admin", .allowed_ms = clock_wall_ms()};
    char *path = upkeep_path(u, "keys/admin.key");
    bool ok = store_each_key(s, note_admin, &known, err);
    bool there = ok && !known && path_exists(path);
    ok = ok && (!there || keys_load(path, &admin, err));
    if (there && ok) {
        memcpy(row.key, admin.public_key, KEY_BYTES);
        store_key_allow(s, &row);
        keys_wipe(&admin);
        ok = store_commit(s, err);
    }
    free(path);
    return ok;
}

static json_t *about_work(const struct reconcile *r, const char *old)
{
    return json_pack("{sIsIsIsIss}", "batches_taken_in", (json_int_t)r->batches_new,
                     "batches_dropped", (json_int_t)r->batches_gone, "clips_found",
                     (json_int_t)r->clips_found, "clips_waiting", (json_int_t)r->clips_waiting,
                     "old_database", old);
}

static void tell_work(const struct upkeep *u, const char *schema, const struct reconcile *r,
                      const char *old)
{
    char words[PATH_MAX + 512];
    char *where =
        old[0] != '\0' ? xasprintf("The old database is %s/%s.\n", u->state, old) : xstrdup("");
    (void)snprintf(words, sizeof words,
                   "%llu batches taken in, %llu dropped that were removed since; %llu published "
                   "clips found, %llu left to render.\n%sStart the coordinator to go on.",
                   (unsigned long long)r->batches_new, (unsigned long long)r->batches_gone,
                   (unsigned long long)r->clips_found, (unsigned long long)r->clips_waiting, where);
    free(where);
    upkeep_report(u, schema, about_work(r, old), words);
}

static uint64_t last_unknown_event(struct store *s)
{
    char *generation = store_meta(s, "generation");
    const uint64_t before = (uint64_t)parse_generation(generation) << EVENTS_GENERATION_SHIFT;
    const uint64_t own = store_last_event(s) + EVENTS_UNKNOWN;
    free(generation);
    return own > before ? own : before;
}

/* Who follows the events goes on after the last one that it saw: that number comes once. */
static void number_events(const struct upkeep *u, struct store *s)
{
    char *old = upkeep_path(u, UPKEEP_DATABASE);
    const uint64_t own = store_last_event(s);
    uint64_t last = path_exists(old) ? store_salvage_last_event(old) : 0;
    if (last == 0 || last > EVENTS_LAST) last = last_unknown_event(s);
    if (last > own) store_events_after(s, last);
    free(old);
}

static bool finish(struct upkeep *u, struct store *s, struct reconcile *r, const char *schema,
                   struct error *err)
{
    char old[UPKEEP_OLD_SIZE] = "";
    bool ok = raise_generation(u, s, err) && reconcile_tree(r, err) && allow_admin(u, s, err);
    if (ok) store_published_recount(s);
    if (ok) number_events(u, s);
    if (ok)
        ok = store_commit(s, err) && store_close_whole(s, err);
    else
        store_close(s);
    if (!ok || !upkeep_swap_in(u, old, err)) {
        upkeep_swap_drop(u);
        return false;
    }
    tell_work(u, schema, r, old);
    return u->findings.counts[FINDING_FAIL] == 0 ||
           error_set(err, ERROR_FAILED, "not everything could be taken in: see above");
}

static struct store *open_new(const struct upkeep *u, struct error *err)
{
    char *path = upkeep_path(u, UPKEEP_NEW);
    struct store *s = store_open(path, NULL, err);
    free(path);
    return s;
}

static void note_hint(void *context, const char *batch, const struct store_said *said)
{
    struct table *hints = context;
    if (table_get_text(hints, batch) != NULL) return;
    struct reconcile_hint *hint = xcalloc(1, sizeof *hint);
    hint->said = *said;
    table_set_text(hints, batch, hint);
}

/* After the others: a batch whose state could not be read has a time all the same. */
static void note_keep(void *context, const char *batch, int64_t keep_s)
{
    const struct store_said nothing = {.state = BATCH_QUEUED};
    struct table *hints = context;
    note_hint(hints, batch, &nothing);
    struct reconcile_hint *hint = table_get_text(hints, batch);
    hint->has_keep = true;
    hint->keep_s = keep_s;
}

static void salvage_keeps(struct upkeep *u, const char *old, struct table *hints)
{
    if (path_exists(old) && store_salvage_keeps(old, note_keep, hints)) return;
    findings_add(&u->findings, FINDING_WARN, "salvage", "retention",
                 "before --keep is used again, say it again: start without, then `zoe batch keep`",
                 "what `zoe batch keep` said could not be read, or not all of it");
}

/* What people said of batches. */
static void salvage_words(struct upkeep *u, const char *old, struct table *hints)
{
    store_salvage_batches(old, note_hint, hints);
    salvage_keeps(u, old, hints);
}

static void tell_lost_keys(struct upkeep *u)
{
    char *admin = upkeep_path(u, "keys/admin.key");
    findings_add(&u->findings, FINDING_WARN, "keys", u->state,
                 "allow them again: `zoe worker allow KEY --name NAME`, `zoe client allow ...`",
                 "no key of a worker or client could be found%s",
                 path_exists(admin) ? "; the admin key still works" : "");
    free(admin);
}

/* As the farm stores it; with another size it counts as missing. */
static bool stands(void *context, const struct digest *sha256, uint64_t size_bytes)
{
    struct stat info;
    char *folder = upkeep_path(context, "artifacts");
    char *path = artifacts_place(folder, sha256);
    free(folder);
    const bool there = lstat(path, &info) == 0 && S_ISREG(info.st_mode);
    free(path);
    return there && (uint64_t)info.st_size == size_bytes;
}

static void tell_salvaged(struct upkeep *u, const struct store_salvaged *t)
{
    char gone[64] = "";
    if (t->left_out > 0)
        (void)snprintf(gone, sizeof gone, "; %llu left out: their files are gone",
                       (unsigned long long)t->left_out);
    findings_add(&u->findings, t->damaged ? FINDING_WARN : FINDING_OK, "salvage", t->table, NULL,
                 "%llu rows of the old database%s%s", (unsigned long long)t->rows, gone,
                 t->damaged ? "; some could not be read" : "");
}

static void salvage(struct upkeep *u, struct store *s, struct table *hints)
{
    struct store_salvaged tables[STORE_SALVAGE_MAX];
    const struct store_wanted wanted = {u, stands};
    char *old = upkeep_path(u, UPKEEP_DATABASE);
    const size_t count = path_exists(old) ? store_salvage(s, old, &wanted, tables) : 0;
    uint64_t keys = 0;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(tables[i].table, "key") == 0) keys = tables[i].rows;
        tell_salvaged(u, &tables[i]);
    }
    if (keys == 0) tell_lost_keys(u);
    salvage_words(u, old, hints);
    free(old);
}

static bool reconcile(struct upkeep *u, struct store *s, struct table *hints, const char *schema,
                      struct error *err)
{
    struct reconcile r = {.state = u->state,
                          .s = s,
                          .fast = u->fast,
                          .paused = u->paused,
                          .findings = &u->findings,
                          .hints = hints};
    bool ok = finish(u, s, &r, schema, err);
    table_finish_all(hints);
    return ok;
}

/* What was said since the copy was made, and what came since for batches to start from; there need
 * not be another database. */
static void take_newer(struct upkeep *u, struct store *s, struct table *hints)
{
    const struct store_wanted wanted = {u, stands};
    char *old = upkeep_path(u, UPKEEP_DATABASE);
    if (path_exists(old)) {
        salvage_words(u, old, hints);
        store_salvage_inputs(s, old, &wanted);
    }
    free(old);
}

bool upkeep_restore(struct upkeep *u, struct error *err)
{
    struct table hints;
    char *path = upkeep_path(u, UPKEEP_NEW);
    bool ok = must_be_alone(u, "restore", err) && upkeep_swap_finish(u, err) &&
              store_check_copy(u->file, err);
    if (ok) upkeep_swap_drop(u);
    ok = ok && store_copy(u->file, path, err);
    struct store *s = ok ? open_new(u, err) : NULL;
    free(path);
    if (s == NULL) {
        if (ok) upkeep_swap_drop(u);
        return false;
    }
    table_init(&hints);
    take_newer(u, s, &hints);
    return reconcile(u, s, &hints, "zoe.restore.v1", err);
}

bool upkeep_recover(struct upkeep *u, struct error *err)
{
    struct table hints;
    if (!must_be_alone(u, "recover", err) || !upkeep_swap_finish(u, err)) return false;
    upkeep_swap_drop(u);
    struct store *s = open_new(u, err);
    if (s == NULL) return false;
    table_init(&hints);
    salvage(u, s, &hints);
    return reconcile(u, s, &hints, "zoe.recover.v1", err);
}
