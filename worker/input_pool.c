#include "worker/input_pool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "base/table.h"
#include "base/xalloc.h"

#define DEATHS 2 /* M1: then the file is at fault */

struct entry { /* one key that somebody holds or waits for */
    struct input_wanted wanted;
    bool queued;
    struct entry *next; /* in the queue */
};

struct hold {
    struct attempt_name name;
    struct entry *entry;
    struct hold *next;
};

struct input_pool {
    struct input_pool_options options;
    char *folder, *media;
    uv_loop_t *loop;
    uv_async_t later;     /* a result is told from the loop, not from within a call */
    struct table entries; /* key -> struct entry */
    struct hold *holds;
    struct entry *first, *last; /* queue; its first is at work */
    bool working;
    int deaths;       /* of children over the file of the first */
    uint64_t fetched; /* bytes of the file of the first, for its progress */
    struct input_fetch *fetch;
    struct input_convert *convert;
    bool closing;
};

/* ---- the folder ---- */

static char *path_of(const struct input_pool *in, const struct digest *digest, const char *suffix)
{
    char hex[DIGEST_TEXT_SIZE];
    digest_text(digest, hex);
    return xasprintf("%s/%s%s", in->folder, hex, suffix);
}

/* Where what is wanted stands when it is ready. */
static char *path_of_wanted(const struct input_pool *in, const struct input_wanted *w)
{
    return path_of(in, &w->key, w->as_it_is ? "" : ".raw");
}

static bool has_size(const char *path, const struct input_shape *shape)
{
    struct stat info;
    const int64_t pixels = shape->width * shape->height * shape->frames;
    return stat(path, &info) == 0 && info.st_size == pixels * (shape->gray ? 1 : 3);
}

/* Pictures that are not what they were made as (a repaired disk) are made again. */
static bool stands(const char *path, const struct input_wanted *w)
{
    if (!path_exists(path)) return false;
    if (w->as_it_is || has_size(path, &w->shape)) return true;
    log_warn("%s has another size than its pictures: they are made again", path);
    (void)unlink(path);
    return false;
}

char *input_pool_find(struct input_pool *in, const struct digest *key)
{
    const struct entry *e = table_get(&in->entries, key->bytes, DIGEST_BYTES);
    char *path = e ? path_of_wanted(in, &e->wanted) : NULL;
    if (path && stands(path, &e->wanted)) {
        path_touch(path);
        return path;
    }
    free(path);
    return NULL;
}

/* File names begin with a digest; those of keys and files that somebody holds stay. */
static bool is_held(const struct input_pool *in, const char *name)
{
    const struct entry *e;
    for (size_t i = 0; (e = table_next(&in->entries, &i, NULL, NULL)) != NULL;) {
        char key[DIGEST_TEXT_SIZE], file[DIGEST_TEXT_SIZE];
        digest_text(&e->wanted.key, key);
        digest_text(&e->wanted.file, file);
        if (strncmp(name, key, DIGEST_TEXT_SIZE - 1) == 0) return true;
        if (strncmp(name, file, DIGEST_TEXT_SIZE - 1) == 0) return true;
    }
    return false;
}

struct cached {
    char *path;
    uint64_t size_bytes;
    struct timespec used;
};

static int by_age(const void *a, const void *b)
{
    const struct cached *x = a, *y = b;
    return clock_compare(&x->used, &y->used);
}

/* Every file of the folder; those that are held have no path. */
static struct cached *list_files(const struct input_pool *in, size_t *count_out)
{
    char **names = NULL;
    size_t count = 0;
    *count_out = 0;
    if (!path_list(in->folder, &names, &count, NULL)) return NULL;
    struct cached *files = xcalloc(count + 1, sizeof *files);
    for (size_t i = 0; i < count; i++) {
        struct stat info;
        char *path = path_join(in->folder, names[i]);
        if (stat(path, &info) == 0) {
            struct cached *file = &files[(*count_out)++];
            *file = (struct cached){path, (uint64_t)info.st_size, info.st_mtim};
            path = NULL;
            if (is_held(in, names[i])) {
                free(file->path);
                file->path = NULL;
            }
        }
        free(path);
    }
    path_list_free(names, count);
    return files;
}

static void tidy(struct input_pool *in)
{
    size_t count = 0;
    uint64_t total = 0;
    struct cached *files = list_files(in, &count);
    if (count > 1) qsort(files, count, sizeof *files, by_age);
    for (size_t i = 0; i < count; i++)
        total += files[i].size_bytes;
    for (size_t i = 0; i < count; i++) {
        if (files[i].path && total > INPUT_POOL_BYTES && unlink(files[i].path) == 0)
            total -= files[i].size_bytes;
        free(files[i].path);
    }
    free(files);
}

/* A second name is enough: both folders are in the state folder. */
void input_pool_adopt(struct input_pool *in, const struct digest *digest, const char *path)
{
    char *place = path_of(in, digest, "");
    if (link(path, place) != 0 && errno != EEXIST)
        log_debug("%s: %s", place, strerror(errno)); /* then it is fetched */
    free(place);
    tidy(in);
}

/* ---- one after the other ---- */

static void work(struct input_pool *in);

static struct entry *take_first(struct input_pool *in)
{
    struct entry *e = in->first;
    in->first = e->next;
    if (in->first == NULL) in->last = NULL;
    e->next = NULL;
    e->queued = false;
    in->working = false;
    in->fetched = 0;
    in->deaths = 0;
    return e;
}

static bool has_holder(const struct input_pool *in, const struct entry *e)
{
    for (const struct hold *h = in->holds; h; h = h->next)
        if (h->entry == e) return true;
    return false;
}

static void drop_if_unused(struct input_pool *in, struct entry *e)
{
    if (e->queued || has_holder(in, e)) return;
    (void)table_remove(&in->entries, e->wanted.key.bytes, DIGEST_BYTES);
    free(e);
}

static void end_first(struct input_pool *in, const struct error *err)
{
    struct entry *e = take_first(in);
    struct digest key = e->wanted.key;
    char *path = err == NULL ? path_of_wanted(in, &e->wanted) : NULL;
    if (err != NULL) log_error("input: %s", err->message);
    in->options.done(in->options.context, &key, path, err);
    free(path);
    e = table_get(&in->entries, key.bytes, DIGEST_BYTES); /* who heard of it may have let it go */
    if (e != NULL) drop_if_unused(in, e);
    (void)uv_async_send(&in->later);
}

static void end_first_as(struct input_pool *in, enum error_code code, const struct error *err)
{
    struct error copy = *err;
    copy.code = code;
    end_first(in, &copy);
}

static void on_converted(void *context, const struct error *err);

static void on_written(void *context, uint64_t bytes)
{
    struct input_pool *in = context;
    in->options.progress(in->options.context, &in->first->wanted.key, in->fetched + bytes);
}

static void convert(struct input_pool *in)
{
    struct error err = {0};
    const struct input_wanted *w = &in->first->wanted;
    char *source = path_of(in, &w->file, ""), *out = path_of_wanted(in, w);
    path_touch(source);
    struct input_convert_options options = {.program = in->media,
                                            .source = source,
                                            .out = out,
                                            .shape = w->shape,
                                            .context = in,
                                            .progress = on_written,
                                            .done = on_converted};
    in->convert = input_convert_start(in->loop, &options, &err);
    free(source);
    free(out);
    if (in->convert == NULL) end_first(in, &err);
}

static void on_converted(void *context, const struct error *err)
{
    struct input_pool *in = context;
    const bool died = err != NULL && err->code == ERROR_FAILED;
    in->convert = NULL;
    if (died && ++in->deaths < DEATHS) {
        log_warn("input: %s; once more", err->message);
        convert(in);
    } else if (died) {
        end_first_as(in, ERROR_INVALID, err);
    } else {
        end_first(in, err);
    }
}

/* Whatever is wrong with what came, or did not come: nobody has looked at the file itself. */
static void on_fetched(void *context, const struct error *err)
{
    struct input_pool *in = context;
    if (err != NULL && err->code == ERROR_INVALID)
        end_first_as(in, ERROR_IO, err);
    else if (err != NULL || in->first->wanted.as_it_is)
        end_first(in, err);
    else
        convert(in);
}

static bool ask(void *context, Farm__Envelope *envelope)
{
    struct input_pool *in = context;
    return in->options.ask(in->options.context, envelope);
}

static void on_bytes(void *context, uint64_t bytes)
{
    struct input_pool *in = context;
    in->fetched = bytes;
    in->options.progress(in->options.context, &in->first->wanted.key, bytes);
}

static uint64_t spare_bytes(void *context)
{
    struct input_pool *in = context;
    return in->options.spare_bytes(in->options.context);
}

static void work(struct input_pool *in)
{
    if (in->working || in->first == NULL || in->closing) return;
    const struct input_wanted *w = &in->first->wanted;
    in->working = true;
    tidy(in);
    char *ready = input_pool_find(in, &w->key), *source = path_of(in, &w->file, "");
    if (ready != NULL)
        end_first(in, NULL);
    else if (path_exists(source))
        convert(in);
    else
        input_fetch_start(in->fetch, &w->file, source);
    free(ready);
    free(source);
}

static void on_later(uv_async_t *async)
{
    work(async->data);
}

bool input_pool_want(struct input_pool *in, const struct digest *key)
{
    struct entry *e = table_get(&in->entries, key->bytes, DIGEST_BYTES);
    if (e == NULL) return false;
    if (e->queued) return true;
    e->queued = true;
    if (in->last)
        in->last->next = e;
    else
        in->first = e;
    in->last = e;
    (void)uv_async_send(&in->later);
    return true;
}

/* ---- who needs what ---- */

static struct entry *entry_of(struct input_pool *in, const struct input_wanted *wanted)
{
    struct entry *e = table_get(&in->entries, wanted->key.bytes, DIGEST_BYTES);
    if (e != NULL) return e;
    e = xcalloc(1, sizeof *e);
    e->wanted = *wanted;
    (void)table_set(&in->entries, wanted->key.bytes, DIGEST_BYTES, e);
    return e;
}

void input_pool_hold(struct input_pool *in, const struct input_wanted *wanted,
                     const struct attempt_name *name)
{
    struct entry *e = entry_of(in, wanted);
    for (struct hold *h = in->holds; h; h = h->next)
        if (h->entry == e && attempt_name_equal(&h->name, name)) return;
    struct hold *h = xcalloc(1, sizeof *h);
    *h = (struct hold){*name, e, in->holds};
    in->holds = h;
}

void input_pool_release(struct input_pool *in, const struct attempt_name *name)
{
    for (struct hold **at = &in->holds; *at;) {
        struct hold *h = *at;
        if (!attempt_name_equal(&h->name, name)) {
            at = &h->next;
            continue;
        }
        *at = h->next;
        drop_if_unused(in, h->entry);
        free(h);
    }
}

struct input_fetch *input_pool_fetch(struct input_pool *in)
{
    return in->fetch;
}

/* ---- life ---- */

struct input_pool *input_pool_create(uv_loop_t *loop, const struct input_pool_options *options,
                                     struct error *err)
{
    char *folder = path_join(options->state_folder, "inputs");
    if (!path_make_folders(folder, 0700, err)) {
        free(folder);
        return NULL;
    }
    struct input_pool *in = xcalloc(1, sizeof *in);
    in->options = *options;
    in->folder = folder;
    in->media = xstrdup(options->media);
    in->loop = loop;
    table_init(&in->entries);
    ZOE_ASSERT(uv_async_init(loop, &in->later, on_later) == 0);
    in->later.data = in;
    struct input_fetch_host host = {in, ask, on_bytes, spare_bytes, on_fetched};
    in->fetch = input_fetch_create(loop, &host);
    tidy(in);
    return in;
}

static void on_async_closed(uv_handle_t *handle)
{
    struct input_pool *in = handle->data;
    while (in->holds) {
        struct hold *h = in->holds;
        in->holds = h->next;
        free(h);
    }
    table_finish_all(&in->entries);
    free(in->folder);
    free(in->media);
    free(in);
}

void input_pool_close(struct input_pool *in)
{
    in->closing = true;
    if (in->convert) input_convert_cancel(in->convert);
    input_fetch_close(in->fetch);
    uv_close((uv_handle_t *)&in->later, on_async_closed);
}
