#include "coordinator/state_check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "base/path.h"
#include "base/table.h"
#include "base/xalloc.h"
#include "coordinator/artifacts.h"
#include "coordinator/prompts.h"
#include "coordinator/publish.h"
#include "coordinator/publish_sidecar.h"
#include "coordinator/state_check_batch.h"

#define SHOWN 20 /* of each kind */
#define LOT 1000 /* clips in memory at once */
#define PROMPTS_BYTES (1024 * 1024)
#define RENDERED_AGAIN "start the coordinator: its task is rendered again"
#define INPUT_FIX                                                                                  \
    "a file that clips start from: remove what is left of it, and submit the same files again"
#define TREE_FIX                                                                                   \
    "put it back from a copy; or remove the batch (`zoe batch remove`) and submit it again"
#define PROMPTS_GONE_FIX                                                                           \
    "put prompts/ID.prompts back from a copy: its batch's folder holds it as recipes.prompts, "    \
    "and `zoe recover` takes it from there"
#define PROMPTS_FIX                                                                                \
    "put it back from a backup (recipes.prompts in its batch's folder is most often the same "     \
    "file); or copy prompts.txt or prompts.jsonl out of that folder, remove the batch (`zoe "      \
    "batch remove`) and submit that file again"
#define ABOUT_LACKS_FIX "nothing is lost but the means of `zoe recover`: take a backup"
#define ABOUT_FIX                                                                                  \
    "put it back from a copy; without one nothing is lost but the means of `zoe recover`: take a " \
    "backup"

struct look {
    const struct state_check *options;
    struct store *s;
    struct findings *f;
    struct prompts *prompts;
    struct findings_many artifacts, clips, strangers;
    uint64_t files, bytes;
    struct state_check_batch *batches;
    size_t count, capacity;
    struct table folders; /* of batches */
};

/* Whether a file is what it should be; "" or what is wrong. */
static const char *judge(const struct look *l, const char *path, uint64_t size,
                         const struct digest *wanted)
{
    struct stat info;
    struct digest found;
    struct error err = {0};
    if (lstat(path, &info) != 0) return "it is missing";
    if (!S_ISREG(info.st_mode)) return "it is no plain file";
    if ((uint64_t)info.st_size != size) return "it has another size";
    if (wanted == NULL || !l->options->deep) return "";
    if (!digest_of_file(path, &found, NULL, &err)) return "it cannot be read";
    return digest_equal(&found, wanted) ? "" : "its bytes have changed";
}

/* ---- artifacts ---- */

/* Nobody here can make an input again; one that looks whole would not be asked for. */
static const char *artifact_fix(struct look *l, const struct digest *digest)
{
    struct error err = {0};
    struct input_record input;
    return store_input(l->s, digest, &input, &err) ? INPUT_FIX : RENDERED_AGAIN;
}

static bool is_still_used(struct look *l, const struct digest *digest)
{
    struct error err = {0};
    uint64_t now = 0;
    return store_artifact_uses(l->s, digest, &now, &err) && now > 0;
}

struct doubt {
    struct digest digest;
    char *path;
    const char *wrong;
};

struct doubts {
    struct look *l;
    struct doubt *items;
    size_t count, capacity;
};

static void doubt_artifact(void *context, const struct digest *digest, uint64_t size, uint64_t uses)
{
    struct doubts *d = context;
    if (uses == 0) return;
    char *folder = path_join(d->l->options->state, "artifacts");
    char *path = artifacts_place(folder, digest);
    free(folder);
    const char *wrong = judge(d->l, path, size, digest);
    d->l->files++;
    d->l->bytes += size;
    if (wrong[0] == '\0') {
        free(path);
        return;
    }
    if (d->count == d->capacity) {
        d->capacity = d->capacity ? 2 * d->capacity : 16;
        d->items = xrealloc_array(d->items, d->capacity, sizeof *d->items);
    }
    d->items[d->count++] = (struct doubt){*digest, path, wrong};
}

/* The list is one moment of the database: a file that went since has no use any more. */
static void check_artifacts(struct look *l)
{
    struct error err = {0};
    struct doubts d = {.l = l};
    if (!store_each_artifact(l->s, doubt_artifact, &d, &err))
        findings_add(l->f, FINDING_FAIL, "artifacts", "", NULL, "%s", err.message);
    for (size_t i = 0; i < d.count; i++) {
        if (is_still_used(l, &d.items[i].digest) && findings_many_next(&l->artifacts))
            findings_add(l->f, FINDING_FAIL, "artifacts", d.items[i].path,
                         artifact_fix(l, &d.items[i].digest), "%s", d.items[i].wrong);
        free(d.items[i].path);
    }
    free(d.items);
}

/* ---- published files ---- */

/* Copies of rows: nothing is looked at on the disk while a question to the database is open, which
 * would keep its log from being emptied. */
struct clips {
    uint32_t from; /* where the next lot begins */
    struct clip_record items[LOT];
    char *files[LOT]; /* of the items */
    size_t count;
};

static bool copy_clip(void *context, const struct clip_record *clip)
{
    struct clips *lot = context;
    lot->from = clip->clip + 1;
    if (clip->state != CLIP_PUBLISHED || clip->file[0] == '\0') return true; /* a report: a row */
    lot->files[lot->count] = xstrdup(clip->file);
    lot->items[lot->count] = *clip;
    lot->items[lot->count].file = lot->files[lot->count];
    lot->count++;
    return lot->count < LOT;
}

/* A batch that was removed meanwhile has no rows any more. */
static bool is_still_published(struct look *l, const struct clip_record *clip)
{
    struct error err = {0};
    struct clip_record now;
    return store_clip(l->s, clip->batch, clip->clip, &now, &err) && now.state == CLIP_PUBLISHED;
}

static void wrong_clip(struct look *l, const struct clip_record *clip, const char *path,
                       const char *wrong)
{
    char where[64];
    if (wrong[0] == '\0' || !is_still_published(l, clip) || !findings_many_next(&l->clips)) return;
    (void)snprintf(where, sizeof where, "%s/%u", clip->batch, (unsigned)clip->clip);
    findings_add(l->f, FINDING_FAIL, "clips", where, TREE_FIX, "%s: %s", path, wrong);
}

/* A row has no digest of a sidecar: it is whole when it can be read and tells of this very file. */
static const char *judge_sidecar(const struct look *l, const char *path,
                                 const struct clip_record *clip)
{
    static const char *const words[] = {[SIDECAR_NONE] = "it is missing",
                                        [SIDECAR_OURS] = "",
                                        [SIDECAR_STALE] = "it tells of other bytes than its clip's",
                                        [SIDECAR_FOREIGN] = "it is damaged, or another clip's"};
    enum sidecar_kind kind = SIDECAR_NONE;
    struct publish_target t = {.batch = clip->batch, .clip = clip->clip};
    struct error err = {0};
    const char *wrong = judge(l, path, clip->sidecar_bytes, NULL);
    if (wrong[0] != '\0' || !l->options->deep) return wrong;
    if (!output_kind_of_path(clip->file, &t.output)) return "its clip's file is of no known kind";
    if (!publish_sidecar_look(path, &t, &clip->sha256, &kind, &err)) return "it cannot be read";
    return words[kind];
}

static void check_clip(struct look *l, const char *folder, const struct clip_record *clip)
{
    char *path = xasprintf("%s/renders/%s/%s", l->options->state, folder, clip->file);
    const char *dot = strrchr(path, '.');
    char *sidecar = xasprintf("%.*s.json", dot ? (int)(dot - path) : (int)strlen(path), path);
    wrong_clip(l, clip, path, judge(l, path, clip->size_bytes, &clip->sha256));
    wrong_clip(l, clip, sidecar, judge_sidecar(l, sidecar, clip));
    l->files += 2;
    l->bytes += clip->size_bytes + clip->sidecar_bytes;
    free(path);
    free(sidecar);
}

static void check_clips(struct look *l, const char *batch, const char *folder)
{
    struct error err = {0};
    struct clips *lot = xcalloc(1, sizeof *lot);
    do {
        lot->count = 0;
        if (!store_each_clip(l->s, batch, lot->from, false, copy_clip, lot, &err))
            findings_add(l->f, FINDING_FAIL, "clips", batch, NULL, "%s", err.message);
        for (size_t i = 0; i < lot->count; i++) {
            check_clip(l, folder, &lot->items[i]);
            free(lot->files[i]);
        }
    } while (lot->count == LOT);
    free(lot);
}

/* ---- batches ---- */

static void remember(void *context, const struct store_batch *b, const struct batch_record *r)
{
    struct look *l = context;
    (void)r;
    if (l->count == l->capacity) {
        l->capacity = l->capacity ? 2 * l->capacity : 64;
        l->batches = xrealloc_array(l->batches, l->capacity, sizeof *l->batches);
    }
    struct state_check_batch *k = &l->batches[l->count++];
    *k = (struct state_check_batch){.folder = xstrdup(b->folder),
                                    .prompts = b->spec.prompts,
                                    .clips = b->spec.clips,
                                    .groups = b->spec.groups};
    memcpy(k->id, b->spec.id, sizeof k->id);
    table_set_text(&l->folders, k->folder, l);
}

/* The list of batches is hours old in the end, and the farm works: one that was removed since has
 * no files any more. */
static bool is_still_there(struct look *l, const struct state_check_batch *k)
{
    struct error err = {0};
    bool there = true;
    return !store_has_batch(l->s, k->id, &there, &err) || there;
}

static const char *prompts_fix(enum error_code code)
{
    if (code == ERROR_STATE) return TREE_FIX;
    return code == ERROR_NOT_FOUND ? PROMPTS_GONE_FIX : PROMPTS_FIX;
}

static void check_prompts(struct look *l, const struct state_check_batch *k)
{
    struct error err = {0};
    if (state_check_prompts(l->prompts, k, l->options->deep, &err) || !is_still_there(l, k)) return;
    findings_add(l->f, FINDING_FAIL, "prompts", k->id, prompts_fix(err.code), "%s", err.message);
}

/* Without it nothing is lost as long as the database is there. */
static void check_folder(struct look *l, const struct state_check_batch *k)
{
    struct error err = {0};
    char *about = xasprintf("%s/renders/%s/batch.json", l->options->state, k->folder);
    const bool ok = state_check_about(about, k, l->options->deep, &err);
    const bool lacks = err.code == ERROR_NOT_FOUND || err.code == ERROR_VERSION;
    if (!ok && is_still_there(l, k))
        findings_add(l->f, lacks ? FINDING_WARN : FINDING_FAIL, "batches", k->id,
                     lacks ? ABOUT_LACKS_FIX : ABOUT_FIX, "%s", err.message);
    free(about);
}

static void check_batches(struct look *l)
{
    for (size_t i = 0; i < l->count; i++) {
        check_folder(l, &l->batches[i]);
        check_prompts(l, &l->batches[i]);
        check_clips(l, l->batches[i].id, l->batches[i].folder);
    }
}

/* Asked now: a batch may have come since the list was read, and one that is being removed has its
 * folder for a while. The disk comes last: what was removed has gone before its row. */
static bool is_nobodys(struct look *l, const char *id, const char *renders, const char *name)
{
    struct error err = {0};
    bool claimed = false;
    if (table_get_text(&l->folders, name) != NULL) return false;
    if (store_has_folder(l->s, id, name, &claimed, &err) && claimed) return false;
    char *path = path_join(renders, name);
    const bool stands = path_exists(path);
    free(path);
    return stands;
}

/* A folder that looks like a batch's, but is none's. */
static void check_strangers(struct look *l)
{
    char **names = NULL, id[ID_BATCH_SIZE];
    size_t count = 0;
    char *renders = path_join(l->options->state, "renders");
    (void)path_list(renders, &names, &count, NULL);
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(id, sizeof id, "%s", names[i]);
        if (!id_is_batch(id) || !is_nobodys(l, id, renders, names[i])) continue;
        if (findings_many_next(&l->strangers))
            findings_add(l->f, FINDING_WARN, "batches", names[i],
                         "`zoe recover` takes it in; or remove the folder",
                         "a batch's folder that the database does not know");
    }
    path_list_free(names, count);
    free(renders);
}

/* ---- the whole ---- */

static void tell_rest(struct findings *f, const char *topic, const struct findings_many *m)
{
    if (m->seen > m->most)
        findings_add(f, FINDING_FAIL, topic, "", NULL, "and %zu more", m->seen - m->most);
}

void state_check_files(const struct state_check *options, struct store *s, struct findings *f)
{
    struct error err = {0};
    char *folder = path_join(options->state, "prompts");
    struct look l = {.options = options,
                     .s = s,
                     .f = f,
                     .prompts = prompts_create(folder, PROMPTS_BYTES),
                     .artifacts = {SHOWN, 0},
                     .clips = {SHOWN, 0},
                     .strangers = {SHOWN, 0}};
    const size_t before = f->counts[FINDING_FAIL];
    table_init(&l.folders);
    check_artifacts(&l);
    if (!store_each_batch(s, remember, &l, &err))
        findings_add(f, FINDING_FAIL, "batches", "", NULL, "%s", err.message);
    fault_point("check.listed");
    check_batches(&l);
    check_strangers(&l);
    tell_rest(f, "artifacts", &l.artifacts);
    tell_rest(f, "clips", &l.clips);
    if (f->counts[FINDING_FAIL] == before)
        findings_add(f, FINDING_OK, "files", options->state, NULL,
                     "%llu files of %zu batches are there%s", (unsigned long long)l.files, l.count,
                     options->deep ? ", read from end to end" : " with the right size");
    prompts_destroy(l.prompts);
    for (size_t i = 0; i < l.count; i++)
        free(l.batches[i].folder);
    free(l.batches);
    table_finish(&l.folders);
    free(folder);
}
