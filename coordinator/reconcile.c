#include "coordinator/reconcile.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "coordinator/prompts.h"
#include "coordinator/publish.h"
#include "coordinator/reconcile_batch.h"
#include "coordinator/store_rebuild.h"
#include "coordinator/tree.h"

#define PROMPTS_BYTES ((size_t)4 * 1024 * 1024)
#define GONE_FIX "put its prompts file back (prompts/ID.prompts) and run this again"

struct known { /* a batch of the database */
    char id[ID_BATCH_SIZE];
    struct batch_record record; /* but the counts */
    char *folder;
    bool seen; /* the tree has it */
};

/* Which of several folders of one batch is its own. */
enum rank { RANK_KNOWN, RANK_NAMED, RANK_COPY, RANK_PREPARED };

struct entry { /* a folder of the tree */
    char *name;
    int64_t submitted_ms;
    char id[ID_BATCH_SIZE];
    enum rank rank;
};

struct all {
    struct reconcile *r;
    struct table known; /* id -> struct known */
    struct table taken; /* id -> name of the folder that it was taken from, borrowed */
    struct prompts *prompts;
    char *renders;
    uint64_t sequence;
};

/* ---- what the database knows ---- */

static void note_known(void *context, const struct store_batch *b, const struct batch_record *r)
{
    struct all *all = context;
    struct known *k = xcalloc(1, sizeof *k);
    memcpy(k->id, b->spec.id, sizeof k->id);
    k->record = *r;
    k->record.group_counts = NULL;
    k->folder = xstrdup(b->folder);
    table_set_text(&all->known, k->id, k);
}

static void finish_known(struct all *all)
{
    struct known *k = NULL;
    for (size_t i = 0; (k = table_next(&all->known, &i, NULL, NULL)) != NULL;) {
        free(k->folder);
        free(k);
    }
    table_finish(&all->known);
}

/* ---- a batch ---- */

static bool is_second(const struct all *all, const char *id, const char *name)
{
    const char *first = table_get_text(&all->taken, id);
    if (first == NULL) return false;
    findings_add(all->r->findings, FINDING_WARN, "batches", name,
                 "move it out of renders/ if it is a copy",
                 "passed over: batch %s was taken in from %s", id, first);
    return true;
}

static bool take_facts(struct all *all, const struct rebuild_facts *facts, char *name,
                       struct error *err)
{
    struct known *k = table_get_text(&all->known, facts->id);
    if (is_second(all, facts->id, name)) return true;
    if (k != NULL) k->seen = true;
    char *path = path_join(all->renders, name);
    struct reconcile_batch b = {.r = all->r,
                                .prompts = all->prompts,
                                .path = path,
                                .name = name,
                                .facts = facts,
                                .known = k != NULL ? &k->record : NULL,
                                .sequence = all->sequence + 1};
    const bool ok = reconcile_batch(&b, err);
    if (b.begun) table_set_text(&all->taken, facts->id, name);
    if (b.begun && k == NULL) all->sequence++;
    free(path);
    return ok;
}

/* False only when the database cannot be written; a batch that cannot be taken in is a finding. */
static bool take(struct all *all, char *name, const json_t *about, struct error *err)
{
    struct rebuild_facts facts = {.clips = 0};
    struct error why = {0};
    const bool ok = rebuild_facts_read(about, &facts, &why) && take_facts(all, &facts, name, &why);
    rebuild_facts_finish(&facts);
    if (ok) return true;
    const bool fatal = store_health(all->r->s) != STORE_OK;
    store_rollback(all->r->s);
    if (!fatal)
        findings_add(all->r->findings, FINDING_FAIL, "batches", name, GONE_FIX, "not taken in: %s",
                     why.message);
    return !fatal || error_set(err, why.code, "%s", why.message);
}

/* ---- all of them ---- */

static json_t *read_about(const struct all *all, const char *name)
{
    struct error err = {0};
    char *path = xasprintf("%s/%s/batch.json", all->renders, name);
    json_t *about = json_parse_file(path, REBUILD_FILE_BYTES, &err);
    if (about == NULL)
        findings_add(all->r->findings, FINDING_FAIL, "batches", name, "put it back from a copy",
                     "not taken in: %s", err.message);
    free(path);
    return about;
}

/* Folders of one batch follow each other, its own first. */
static int by_time(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->submitted_ms != y->submitted_ms) return x->submitted_ms < y->submitted_ms ? -1 : 1;
    const int order = strcmp(x->id, y->id);
    if (order != 0) return order;
    if (x->rank != y->rank) return x->rank < y->rank ? -1 : 1;
    return strcmp(x->name, y->name);
}

static enum rank rank_of(const struct all *all, const char *id, const char *name,
                         const json_t *about)
{
    char own[PUBLISH_FOLDER_SIZE];
    const struct known *k = table_get_text(&all->known, id);
    const char *said = json_string_value(json_object_get(about, "name"));
    if (k != NULL && strcmp(k->folder, name) == 0) return RANK_KNOWN;
    if (name[0] == '.') return RANK_PREPARED;
    publish_folder_name(id, said != NULL ? said : "", own);
    return strcmp(own, name) == 0 ? RANK_NAMED : RANK_COPY;
}

static struct entry entry_of(const struct all *all, char *name, const json_t *about)
{
    const json_t *when = json_object_get(json_object_get(about, "rebuild"), "submitted_ms");
    const char *id = json_string_value(json_object_get(about, "batch"));
    struct entry entry = {.name = name, .submitted_ms = json_integer_value(when)};
    (void)snprintf(entry.id, sizeof entry.id, "%s", id != NULL ? id : "");
    entry.rank = rank_of(all, entry.id, name, about);
    return entry;
}

/* A prepared folder whose prompts file is gone is one that was being removed. */
static bool is_wanted(const struct all *all, const char *name)
{
    if (name[0] != '.') return true;
    char *path = prompts_path(all->prompts, name + strlen(".tmp-"));
    bool wanted = path_exists(path);
    free(path);
    return wanted;
}

static bool take_all(struct all *all, char **names, size_t count, struct error *err)
{
    struct entry *entries = xcalloc(count + 1, sizeof *entries);
    size_t kept = 0;
    bool ok = true;
    for (size_t i = 0; i < count; i++) {
        json_t *about = is_wanted(all, names[i]) ? read_about(all, names[i]) : NULL;
        if (about == NULL) continue;
        entries[kept++] = entry_of(all, names[i], about);
        json_decref(about);
    }
    qsort(entries, kept, sizeof *entries, by_time);
    for (size_t i = 0; ok && i < kept; i++) {
        json_t *about = read_about(all, entries[i].name);
        ok = about == NULL || take(all, entries[i].name, about, err);
        json_decref(about);
    }
    free(entries);
    return ok;
}

/* Removed after the backup was made: neither its folder nor its prompts are there. */
static void drop_gone(struct all *all)
{
    struct known *k = NULL;
    for (size_t i = 0; (k = table_next(&all->known, &i, NULL, NULL)) != NULL;) {
        if (k->seen) continue;
        char *path = prompts_path(all->prompts, k->id);
        char *folder = path_join(all->renders, k->folder);
        if (!path_exists(path) && !path_exists(folder)) {
            store_batch_remove(all->r->s, k->id);
            all->r->batches_gone++;
        }
        free(path);
        free(folder);
    }
}

bool reconcile_tree(struct reconcile *r, struct error *err)
{
    char **names = NULL;
    size_t count = 0;
    char *prompts = path_join(r->state, "prompts");
    struct all all = {.r = r,
                      .renders = path_join(r->state, "renders"),
                      .prompts = prompts_create(prompts, PROMPTS_BYTES),
                      .sequence = store_last_sequence(r->s)};
    table_init(&all.known);
    table_init(&all.taken);
    bool ok = path_make_folders(prompts, 0700, err) && path_make_folders(all.renders, 0700, err) &&
              store_each_batch(r->s, note_known, &all, err) &&
              tree_batches(all.renders, &names, &count, err) && take_all(&all, names, count, err);
    if (ok) drop_gone(&all);
    ok = ok && store_commit(r->s, err);
    table_finish(&all.taken);
    path_list_free(names, count);
    finish_known(&all);
    prompts_destroy(all.prompts);
    free(all.renders);
    free(prompts);
    return ok;
}
