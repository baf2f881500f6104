#include "worker/model_room.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "base/text.h"
#include "base/xalloc.h"

static const char PART[] = ".part";

struct stored {
    char *path;
    struct digest digest;
    bool is_part;
    struct timespec used;
    uint64_t size_bytes;
};

struct stored_list {
    struct stored *items;
    size_t count;
};

/* ---- the folder ---- */

static bool read_name(const char *name, struct stored *out)
{
    const size_t length = strnlen(name, DIGEST_TEXT_SIZE - 1);
    char hex[DIGEST_TEXT_SIZE] = {0};
    memcpy(hex, name, length);
    out->is_part = strcmp(name + length, PART) == 0;
    return (out->is_part || name[length] == '\0') && digest_parse(hex, &out->digest);
}

static void add(struct stored_list *list, const char *folder, const char *name)
{
    struct stat info;
    struct stored one = {.path = path_join(folder, name)};
    if (!read_name(name, &one) || lstat(one.path, &info) != 0 || !S_ISDIR(info.st_mode)) {
        free(one.path);
        return;
    }
    one.used = info.st_mtim;
    list->items[list->count++] = one;
}

static int by_age(const void *a, const void *b)
{
    const struct stored *x = a, *y = b;
    return clock_compare(&x->used, &y->used);
}

/* Least recently used first. */
static struct stored_list list_stored(const char *folder)
{
    struct stored_list list = {NULL, 0};
    char **names;
    size_t count;
    if (!path_list(folder, &names, &count, NULL)) return list;
    list.items = xcalloc(count + 1, sizeof *list.items);
    for (size_t i = 0; i < count; i++)
        add(&list, folder, names[i]);
    path_list_free(names, count);
    qsort(list.items, list.count, sizeof *list.items, by_age);
    return list;
}

static void finish(struct stored_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i].path);
    free(list->items);
}

/* ---- removing ---- */

/* What is cut short leaves a part, never a model with holes. */
static void remove_stored(const struct stored *s, const char *why)
{
    struct error err = {0};
    char size[32];
    char *part = s->is_part ? xstrdup(s->path) : xasprintf("%s%s", s->path, PART);
    text_size(s->size_bytes, size, sizeof size);
    log_info("%s (%s) is removed: %s", s->path, size, why);
    const bool renamed =
        s->is_part || (path_remove_tree(part, &err) && path_rename_durable(s->path, part, &err));
    if (!renamed || !path_remove_tree(part, &err)) log_warn("%s", err.message);
    free(part);
}

void model_room_tidy(const char *folder)
{
    const time_t least = time(NULL) - MODEL_ROOM_PART_S;
    struct stored_list list = list_stored(folder);
    for (size_t i = 0; i < list.count; i++) {
        struct stored *s = &list.items[i];
        if (!s->is_part || s->used.tv_sec >= least) continue;
        s->size_bytes = path_tree_bytes(s->path);
        remove_stored(s, "nobody went on with it for a week");
    }
    finish(&list);
}

/* Keeps of the list what may go; their size. */
static uint64_t keep_removable(struct stored_list *list, model_room_needs needs, void *context)
{
    uint64_t sum = 0;
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        struct stored one = list->items[i];
        if (needs(context, &one.digest)) {
            free(one.path);
            continue;
        }
        one.size_bytes = path_tree_bytes(one.path);
        sum += one.size_bytes;
        list->items[kept++] = one;
    }
    list->count = kept;
    return sum;
}

bool model_room_make(const char *folder, uint64_t bytes, model_room_needs needs, void *context)
{
    struct stored_list list = list_stored(folder);
    const bool enough = keep_removable(&list, needs, context) >= bytes;
    uint64_t gone = 0;
    for (size_t i = 0; enough && gone < bytes; i++) {
        remove_stored(&list.items[i], "another model needs the room");
        gone += list.items[i].size_bytes;
    }
    finish(&list);
    return enough;
}
