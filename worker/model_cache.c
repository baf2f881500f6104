/* The pool thread works on its own copy of everything; the loop thread swaps the result in. */
#include "worker/model_cache.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/model_digest.h"
#include "base/path.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "worker/model_signature.h"

#define MEMORY_BYTES (4 * 1024 * 1024)
#define SLOW_BYTES (UINT64_C(1) << 30) /* takes seconds to read */

struct known { /* a folder that was hashed */
    char *folder;
    struct digest signature; /* when it was */
    struct digest digest;
};

struct known_list {
    struct known *items;
    size_t count;
};

struct waiter {
    model_cache_done done;
    void *context;
};

struct waiters {
    struct waiter *items;
    size_t count;
};

struct model_cache {
    uv_loop_t *loop;
    char **folders; /* STATE/models last */
    size_t folder_count;
    char *memory_path;
    struct known_list known;
    struct waiters served; /* by the scan that runs */
    struct waiters next;
    bool scanning;
    bool destroyed;
    atomic_bool stop; /* the loop's thread sets it, the pool's looks at it */
    uv_work_t work;
    struct known_list fresh; /* pool thread while scanning */
};

/* ---- lists ---- */

static void add_known(struct known_list *list, const char *folder, const struct digest *signature,
                      const struct digest *digest)
{
    list->items = xrealloc_array(list->items, list->count + 1, sizeof *list->items);
    list->items[list->count++] = (struct known){xstrdup(folder), *signature, *digest};
}

static void finish_known(struct known_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i].folder);
    free(list->items);
    memset(list, 0, sizeof *list);
}

static const struct known *find_known(const struct known_list *list, const char *folder)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].folder, folder) == 0) return &list->items[i];
    return NULL;
}

/* ---- what was computed before ---- */

static void load_one(struct known_list *list, const char *folder, const json_t *row)
{
    struct digest signature, digest;
    const char *a = json_string_value(json_object_get(row, "signature"));
    const char *b = json_string_value(json_object_get(row, "digest"));
    if (a && b && digest_parse(a, &signature) && digest_parse(b, &digest))
        add_known(list, folder, &signature, &digest);
}

static void load_memory(struct model_cache *c)
{
    const char *folder;
    json_t *row, *memory = json_parse_file(c->memory_path, MEMORY_BYTES, NULL);
    json_object_foreach(memory, folder, row) load_one(&c->known, folder, row);
    json_decref(memory);
}

static void save_memory(const struct model_cache *c)
{
    char signature[DIGEST_TEXT_SIZE], digest[DIGEST_TEXT_SIZE];
    struct error err = {0};
    json_t *memory = json_object();
    for (size_t i = 0; i < c->known.count; i++) {
        digest_text(&c->known.items[i].signature, signature);
        digest_text(&c->known.items[i].digest, digest);
        json_object_set_new(memory, c->known.items[i].folder,
                            json_pack("{ssss}", "signature", signature, "digest", digest));
    }
    char *text = json_pretty(memory);
    if (!path_write_atomic(c->memory_path, text, strlen(text), 0600, &err))
        log_warn("%s", err.message);
    free(text);
    json_decref(memory);
}

/* ---- pool thread ---- */

/* No slot starts before the first scan ends: who waits shall see for what. */
static void say_size(const char *folder)
{
    char text[32];
    const uint64_t size_bytes = path_tree_bytes(folder);
    if (size_bytes < SLOW_BYTES) return;
    text_size(size_bytes, text, sizeof text);
    log_info("reading %s (%s) to name it by its digest", folder, text);
}

static bool hash_model(const struct model_cache *c, const char *folder, struct digest *digest)
{
    struct model_files files;
    struct error err = {0};
    say_size(folder);
    if (!model_digest_list_until(folder, &c->stop, &files, &err)) {
        if (err.code != ERROR_INTERRUPTED) log_warn("%s is no model: %s", folder, err.message);
        return false;
    }
    *digest = model_digest_of(&files);
    model_digest_finish(&files);
    return true;
}

/* Files that change while they are read have no digest. */
static void hash_unchanged(struct model_cache *c, const char *folder,
                           const struct digest *signature)
{
    struct digest digest, after;
    if (!hash_model(c, folder, &digest)) return;
    if (model_signature(folder, &after) && digest_equal(&after, signature))
        add_known(&c->fresh, folder, signature, &digest);
    else
        log_warn("%s changed while it was read", folder);
}

static void scan_model(struct model_cache *c, const char *folder)
{
    struct digest signature;
    if (!model_signature(folder, &signature)) return;
    const struct known *before = find_known(&c->known, folder);
    if (before && digest_equal(&before->signature, &signature))
        add_known(&c->fresh, folder, &signature, &before->digest);
    else
        hash_unchanged(c, folder, &signature);
}

static bool is_model_name(const char *name)
{
    const char *dot = strrchr(name, '.');
    return name[0] != '.' && !(dot && strcmp(dot, ".part") == 0);
}

static void scan_folder(struct model_cache *c, const char *folder)
{
    char **names;
    size_t count;
    if (!path_list(folder, &names, &count, NULL)) return;
    for (size_t i = 0; i < count && !atomic_load(&c->stop); i++) {
        char *path = path_join(folder, names[i]);
        if (is_model_name(names[i]) && path_is_folder(path)) scan_model(c, path);
        free(path);
    }
    path_list_free(names, count);
}

static void on_work(uv_work_t *work)
{
    struct model_cache *c = work->data;
    for (size_t i = 0; i < c->folder_count; i++)
        scan_folder(c, c->folders[i]);
}

/* ---- loop thread ---- */

static void free_cache(struct model_cache *c)
{
    finish_known(&c->known);
    finish_known(&c->fresh);
    for (size_t i = 0; i < c->folder_count; i++)
        free(c->folders[i]);
    free(c->folders);
    free(c->memory_path);
    free(c->served.items);
    free(c->next.items);
    free(c);
}

static bool same_known(const struct known_list *a, const struct known_list *b)
{
    if (a->count != b->count) return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct known *other = find_known(b, a->items[i].folder);
        if (!other || !digest_equal(&other->signature, &a->items[i].signature)) return false;
    }
    return true;
}

static void start_scan(struct model_cache *c);

/* What a scan that was stopped did not come to is still known. */
static void take_fresh(struct model_cache *c)
{
    if (atomic_load(&c->stop)) {
        finish_known(&c->fresh);
        return;
    }
    bool same = same_known(&c->known, &c->fresh);
    finish_known(&c->known);
    c->known = c->fresh;
    memset(&c->fresh, 0, sizeof c->fresh);
    if (!same) save_memory(c);
}

static void on_scanned(uv_work_t *work, int status)
{
    struct model_cache *c = work->data;
    (void)status;
    c->scanning = false;
    if (c->destroyed) {
        free_cache(c);
        return;
    }
    take_fresh(c);
    struct waiters served = c->served;
    memset(&c->served, 0, sizeof c->served);
    for (size_t i = 0; i < served.count; i++)
        served.items[i].done(served.items[i].context);
    free(served.items);
    if (c->next.count > 0 && !c->scanning) start_scan(c);
}

static void start_scan(struct model_cache *c)
{
    c->served = c->next;
    memset(&c->next, 0, sizeof c->next);
    c->scanning = true;
    c->work.data = c;
    ZOE_ASSERT(uv_queue_work(c->loop, &c->work, on_work, on_scanned) == 0);
}

void model_cache_scan(struct model_cache *c, model_cache_done done, void *context)
{
    c->next.items = xrealloc_array(c->next.items, c->next.count + 1, sizeof *c->next.items);
    c->next.items[c->next.count++] = (struct waiter){done, context};
    if (!c->scanning) start_scan(c);
}

static void copy_folders(struct model_cache *c, const struct model_cache_options *o,
                         const char *own_folder)
{
    c->folder_count = o->folder_count + 1;
    c->folders = xcalloc(c->folder_count, sizeof(char *));
    for (size_t i = 0; i < o->folder_count; i++)
        c->folders[i] = xstrdup(o->folders[i]);
    c->folders[o->folder_count] = xstrdup(own_folder);
}

struct model_cache *model_cache_create(uv_loop_t *loop, const struct model_cache_options *options,
                                       struct error *err)
{
    char *own_folder = path_join(options->state_folder, "models");
    struct model_cache *c = NULL;
    if (path_make_folders(own_folder, 0700, err)) {
        c = xcalloc(1, sizeof *c);
        c->loop = loop;
        c->memory_path = path_join(options->state_folder, "models.json");
        copy_folders(c, options, own_folder);
        load_memory(c);
        model_room_tidy(own_folder);
    }
    free(own_folder);
    return c;
}

void model_cache_stop(struct model_cache *c)
{
    atomic_store(&c->stop, true);
}

void model_cache_destroy(struct model_cache *c)
{
    if (!c) return;
    model_cache_stop(c);
    c->destroyed = true;
    if (!c->scanning) free_cache(c);
}

static bool is_unchanged(const struct known *known)
{
    struct digest now;
    return model_signature(known->folder, &now) && digest_equal(&now, &known->signature);
}

static const char *own_folder_of(const struct model_cache *c)
{
    return c->folders[c->folder_count - 1];
}

/* Those of the user's folders are not ours to remove, so nobody asks when they were used. */
static void note_use(const struct model_cache *c, const char *folder)
{
    char *parent = path_dirname(folder);
    if (strcmp(parent, own_folder_of(c)) == 0) path_touch(folder);
    free(parent);
}

const char *model_cache_find(const struct model_cache *c, const struct digest *digest)
{
    for (size_t i = 0; i < c->known.count; i++) {
        const struct known *known = &c->known.items[i];
        if (!digest_equal(&known->digest, digest) || !is_unchanged(known)) continue;
        note_use(c, known->folder);
        return known->folder;
    }
    return NULL;
}

bool model_cache_make_room(struct model_cache *c, uint64_t bytes, model_room_needs needs,
                           void *context)
{
    return model_room_make(own_folder_of(c), bytes, needs, context);
}

bool model_cache_sign(const struct model_cache *c, const char *folder, const struct digest *digest,
                      struct digest *out)
{
    const struct known *known = find_known(&c->known, folder);
    if (!known || !digest_equal(&known->digest, digest) || !is_unchanged(known)) return false;
    *out = known->signature;
    return true;
}

size_t model_cache_count(const struct model_cache *c)
{
    return c->known.count;
}

const struct digest *model_cache_digest(const struct model_cache *c, size_t index)
{
    return &c->known.items[index].digest;
}

char *model_cache_place(const struct model_cache *c, const struct digest *digest)
{
    char text[DIGEST_TEXT_SIZE];
    digest_text(digest, text);
    return path_join(own_folder_of(c), text);
}
