/* models: see the header. A scan is one piece of work for a pool thread over its own copies; the
 * loop thread takes its list over when it is done. */
#include "coordinator/models.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log_pace.h"
#include "base/path.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "coordinator/model_probe.h"

#define CACHE_BYTES_MAX (16 * 1024 * 1024)
#define SCHEMA 1

struct scan_waiter {
    models_done done;
    void *context;
};

struct scan { /* belongs to the pool thread until it is done */
    uv_work_t work;
    struct models *models; /* NULL: they were destroyed meanwhile */
    char **folders;
    size_t folder_count;
    char *engine;
    char *cache_file;
    int64_t limit_ms;
    bool tells;        /* in the log, of what cannot be used */
    json_t *cache;     /* as read */
    json_t *new_cache; /* as found */
    struct model_list *list;
};

struct models {
    uv_loop_t *loop;
    char **folders;
    size_t folder_count;
    char *engine;
    char *cache_file;
    int64_t limit_ms;
    struct model_list *list;
    struct scan *scan;
    struct log_pace told;
    struct scan_waiter *waiters; /* of the running scan */
    size_t waiter_count;
    struct scan_waiter *later; /* of the next one */
    size_t later_count;
};

/* ---- lists ---- */

struct model_list *model_list_ref(struct model_list *list)
{
    __atomic_add_fetch(&list->references, 1, __ATOMIC_RELAXED);
    return list;
}

void model_list_unref(struct model_list *list)
{
    if (list == NULL || __atomic_sub_fetch(&list->references, 1, __ATOMIC_ACQ_REL) > 0) return;
    for (size_t i = 0; i < list->count; i++)
        model_probe_free(list->models[i]);
    free(list->engine);
    free(list->models);
    free(list);
}

static struct model_list *new_list(void)
{
    struct model_list *list = xcalloc(1, sizeof *list);
    list->references = 1;
    return list;
}

const struct model *model_list_find(const struct model_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->models[i]->problem == NULL && strcmp(list->models[i]->name, name) == 0)
            return list->models[i];
    return NULL;
}

const struct model *model_list_find_digest(const struct model_list *list,
                                           const struct digest *digest)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->models[i]->problem == NULL && digest_equal(&list->models[i]->digest, digest))
            return list->models[i];
    return NULL;
}

static const char *nearest_of(const struct model_list *list, const char *name, bool loras)
{
    const char **names = xcalloc(list->count + 1, sizeof *names);
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++)
        if (list->models[i]->problem == NULL && list->models[i]->is_lora == loras)
            names[count++] = list->models[i]->name;
    const char *nearest = text_nearest(name, names);
    free(names);
    return nearest;
}

const char *model_list_nearest(const struct model_list *list, const char *name)
{
    return nearest_of(list, name, false);
}

const char *model_list_nearest_lora(const struct model_list *list, const char *name)
{
    return nearest_of(list, name, true);
}

const char *model_list_default(const struct model_list *list)
{
    const char *only = NULL;
    size_t usable = 0;
    if (model_list_find(list, "shapes") != NULL) return "shapes";
    for (size_t i = 0; i < list->count; i++) {
        if (list->models[i]->problem != NULL || list->models[i]->is_lora) continue;
        only = list->models[i]->name;
        usable++;
    }
    return usable == 1 ? only : NULL;
}

/* ---- scanning (pool thread) ---- */

static void add_model(struct model_list *list, struct model *m)
{
    const struct model *twin = m->problem ? NULL : model_list_find(list, m->name);
    if (twin != NULL) m->problem = xasprintf("another folder has this name: %s", twin->folder);
    list->models = xrealloc_array(list->models, list->count + 1, sizeof *list->models);
    list->models[list->count++] = m;
}

static void scan_model(struct scan *s, const char *folder)
{
    struct digest signature;
    bool known = model_probe_signature(folder, s->engine, &signature, NULL);
    json_t *entry = json_object_get(s->cache, folder);
    struct model *m = known && entry ? model_probe_unpack(entry, folder, &signature) : NULL;
    if (m == NULL) m = model_probe(folder, s->engine, s->limit_ms);
    if (m->problem == NULL) model_probe_canary(m, s->tells);
    if (m->problem != NULL && s->tells)
        log_warn("model folder %s cannot be used: %s", folder, m->problem);
    if (m->problem == NULL && known)
        json_object_set_new(s->new_cache, folder, model_probe_pack(m, &signature));
    add_model(s->list, m);
}

static void scan_folder(struct scan *s, const char *folder)
{
    char **names;
    size_t count;
    if (!path_list(folder, &names, &count, NULL)) return;
    for (size_t i = 0; i < count; i++) {
        char *path = path_join(folder, names[i]);
        if (names[i][0] != '.' && path_is_folder(path)) scan_model(s, path);
        free(path);
    }
    path_list_free(names, count);
}

static void read_cache(struct scan *s)
{
    json_t *file = s->cache_file ? json_parse_file(s->cache_file, CACHE_BYTES_MAX, NULL) : NULL;
    json_t *models = json_object_get(file, "models");
    bool ours = json_integer_value(json_object_get(file, "schema")) == SCHEMA;
    s->cache = ours && json_is_object(models) ? json_incref(models) : json_object();
    s->new_cache = json_object();
    json_decref(file);
}

static void write_cache(struct scan *s)
{
    struct error err;
    if (s->cache_file == NULL || json_equal(s->cache, s->new_cache)) return;
    json_t *file = json_pack("{si sO}", "schema", SCHEMA, "models", s->new_cache);
    char *text = json_pretty(file);
    if (!path_write_atomic(s->cache_file, text, strlen(text), 0600, &err) && s->tells)
        log_warn("%s: %s", s->cache_file, err.message);
    free(text);
    json_decref(file);
}

static int by_name(const void *a, const void *b)
{
    const struct model *const *one = a, *const *two = b;
    return strcmp((*one)->name, (*two)->name);
}

static void run_scan(uv_work_t *work)
{
    struct scan *s = work->data;
    s->list = new_list();
    s->list->engine = xstrdup(s->engine);
    read_cache(s);
    for (size_t i = 0; i < s->folder_count; i++)
        scan_folder(s, s->folders[i]);
    write_cache(s);
    if (s->list->count > 1) qsort(s->list->models, s->list->count, sizeof(struct model *), by_name);
}

/* ---- loop thread ---- */

static void free_texts(char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(texts[i]);
    free(texts);
}

static void free_scan(struct scan *s)
{
    free_texts(s->folders, s->folder_count);
    free(s->engine);
    free(s->cache_file);
    json_decref(s->cache);
    json_decref(s->new_cache);
    model_list_unref(s->list);
    free(s);
}

static void start_scan(struct models *m);

static void on_scanned(uv_work_t *work, int status)
{
    struct scan *s = work->data;
    struct models *m = s->models;
    if (m != NULL) {
        m->scan = NULL;
        if (status == 0) {
            model_list_unref(m->list);
            m->list = model_list_ref(s->list);
        }
        struct scan_waiter *waiters = m->waiters;
        size_t count = m->waiter_count;
        m->waiters = m->later;
        m->waiter_count = m->later_count;
        m->later = NULL;
        m->later_count = 0;
        if (m->waiter_count > 0) start_scan(m);
        for (size_t i = 0; i < count; i++)
            waiters[i].done(waiters[i].context);
        free(waiters);
    }
    free_scan(s);
}

static char **copy_texts(char *const *texts, size_t count)
{
    char **copies = xcalloc(count + 1, sizeof *copies);
    for (size_t i = 0; i < count; i++)
        copies[i] = xstrdup(texts[i]);
    return copies;
}

/* Clients have them made as fast as they like: some of them tell, each of all that it found. */
static void start_scan(struct models *m)
{
    uint64_t untold;
    struct scan *s = xcalloc(1, sizeof *s);
    s->work.data = s;
    s->models = m;
    s->folders = copy_texts(m->folders, m->folder_count);
    s->folder_count = m->folder_count;
    s->engine = xstrdup(m->engine);
    s->cache_file = m->cache_file ? xstrdup(m->cache_file) : NULL;
    s->limit_ms = m->limit_ms;
    s->tells = log_pace_take(&m->told, clock_now_ns(), &untold);
    m->scan = s;
    uv_queue_work(m->loop, &s->work, run_scan, on_scanned);
}

static void add_waiter(struct scan_waiter **list, size_t *count, models_done done, void *context)
{
    *list = xrealloc_array(*list, *count + 1, sizeof **list);
    (*list)[(*count)++] = (struct scan_waiter){done, context};
}

void models_scan(struct models *m, models_done done, void *context)
{
    if (m->scan != NULL) {
        add_waiter(&m->later, &m->later_count, done, context);
        return;
    }
    add_waiter(&m->waiters, &m->waiter_count, done, context);
    start_scan(m);
}

struct models *models_create(uv_loop_t *loop, const struct models_options *options)
{
    struct models *m = xcalloc(1, sizeof *m);
    m->loop = loop;
    m->folders = xcalloc(options->folder_count + 1, sizeof *m->folders);
    for (size_t i = 0; i < options->folder_count; i++)
        m->folders[i] = xstrdup(options->folders[i]);
    m->folder_count = options->folder_count;
    m->engine = xstrdup(options->engine);
    m->cache_file = options->cache_file ? xstrdup(options->cache_file) : NULL;
    m->limit_ms = options->describe_limit_ms;
    m->list = new_list();
    return m;
}

/* A scan on its way finds nobody when it ends; its child ends by its limit. */
void models_destroy(struct models *m)
{
    if (m == NULL) return;
    if (m->scan != NULL) m->scan->models = NULL;
    model_list_unref(m->list);
    free(m->waiters);
    free(m->later);
    free_texts(m->folders, m->folder_count);
    free(m->engine);
    free(m->cache_file);
    free(m);
}

struct model_list *models_list(struct models *m)
{
    return model_list_ref(m->list);
}

const struct model *models_find(const struct models *m, const char *name)
{
    return model_list_find(m->list, name);
}

const struct model *models_find_digest(const struct models *m, const struct digest *digest)
{
    return model_list_find_digest(m->list, digest);
}

/* ---- shipping ---- */

static const struct model_file *find_file(const struct model *model, const char *path)
{
    for (size_t i = 0; i < model->file_count; i++)
        if (strcmp(model->files[i].path, path) == 0) return &model->files[i];
    return NULL;
}

bool model_read(const struct model *model, const char *path, uint64_t offset, void *out,
                size_t size, size_t *read_out, uint64_t *total_out, struct error *err)
{
    const struct model_file *file = find_file(model, path);
    if (file == NULL || offset > file->size_bytes)
        return error_set(err, ERROR_NOT_FOUND, "model %s has no such piece of %.200s", model->name,
                         path);
    int fd = path_open_below(model->folder, path);
    ssize_t n = fd >= 0 ? pread(fd, out, size, (off_t)offset) : -1;
    bool ok = n >= 0 || error_set_errno(err, errno, "cannot read %s/%s", model->folder, path);
    if (fd >= 0) close(fd);
    *read_out = ok ? (size_t)n : 0;
    *total_out = file->size_bytes;
    return ok;
}
