#include "cli/model_gather.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "cli/file_copy.h"
#include "cli/hub.h"
#include "cli/url_list.h"

#define DEPTH_MAX 3
#define DISK_RESERVE_BYTES (64 * UINT64_C(1024) * 1024)

/* ---- a folder or file here ---- */

static bool list_folder(struct listing *l, const char *root, const char *below, int depth,
                        struct error *err);

static bool list_entry(struct listing *l, const char *root, const char *relative, int depth,
                       struct error *err)
{
    struct stat info;
    char *full = path_join(root, relative);
    bool there = stat(full, &info) == 0, ok = true;
    if (there && S_ISDIR(info.st_mode) && depth < DEPTH_MAX) {
        ok = list_folder(l, root, relative, depth + 1, err);
    } else if (there && S_ISREG(info.st_mode)) {
        struct listed_file *f = listing_add(l, relative, err);
        ok = f != NULL;
        if (ok) {
            f->size_bytes = (uint64_t)info.st_size;
            f->size_known = true;
            f->url = xstrdup(full);
        }
    }
    free(full);
    return ok;
}

/* Links are followed: the hub's own cache holds nothing else. */
static bool list_folder(struct listing *l, const char *root, const char *below, int depth,
                        struct error *err)
{
    char **names;
    size_t count;
    char *here = below ? path_join(root, below) : xstrdup(root);
    bool ok = path_list(here, &names, &count, err);
    free(here);
    if (!ok) return false;
    for (size_t i = 0; ok && i < count; i++) {
        if (names[i][0] == '.') continue;
        char *relative = below ? path_join(below, names[i]) : xstrdup(names[i]);
        ok = list_entry(l, root, relative, depth, err);
        free(relative);
    }
    path_list_free(names, count);
    return ok;
}

static bool list_file(struct listing *l, const char *path, uint64_t size, struct error *err)
{
    struct listed_file *f = listing_add(l, path_basename(path), err);
    if (!f) return false;
    f->size_bytes = size;
    f->size_known = f->chosen = true;
    f->url = xstrdup(path);
    return true;
}

static bool list_path(struct gather *g, bool *choose, struct error *err)
{
    struct stat info;
    const char *path = g->source->text;
    char *real = realpath(path, NULL);
    if (!real || stat(real, &info) != 0) {
        int why = errno;
        free(real);
        return why == ENOENT || why == ENOTDIR
                   ? error_set(err, ERROR_NOT_FOUND,
                               "there is no file or folder %.200s (a repository of the hub is "
                               "written hf:OWNER/NAME)",
                               path)
                   : error_set_errno(err, why, "%.200s", path);
    }
    g->origin = real;
    *choose = S_ISDIR(info.st_mode);
    if (*choose) return list_folder(&g->listing, real, NULL, 0, err);
    return list_file(&g->listing, real, (uint64_t)info.st_size, err);
}

/* ---- listing ---- */

static bool list_hub(struct gather *g, bool *choose, struct error *err)
{
    struct hub_repository repository;
    const struct model_source *s = g->source;
    bool ok = hub_list(g->download, s, &repository, &g->listing, err);
    if (ok)
        g->origin = xasprintf("hf:%s/%s%s%s@%s", s->owner, s->name, s->inside ? "/" : "",
                              s->inside ? s->inside : "", repository.commit);
    if (ok && repository.licence) g->licence = xstrdup(repository.licence);
    hub_repository_finish(&repository);
    *choose = true;
    return ok;
}

static bool list_url(struct gather *g, bool *choose, struct error *err)
{
    g->origin = xstrndup(g->source->text, strcspn(g->source->text, "?#"));
    if (!url_list(g->download, g->source->text, &g->listing, choose, err)) return false;
    if (!g->digest) return true;
    if (g->listing.count != 1)
        return error_set(err, ERROR_USAGE, "--sha256 is for one file; this URL is a list of %zu",
                         g->listing.count);
    g->listing.files[0].digest = *g->digest;
    return g->listing.files[0].digest_known = true;
}

bool gather_list(struct gather *g, struct error *err)
{
    static bool (*const LIST[])(struct gather *, bool *, struct error *) = {
        [MODEL_SOURCE_PATH] = list_path,
        [MODEL_SOURCE_URL] = list_url,
        [MODEL_SOURCE_HUB] = list_hub,
    };
    bool choose = false;
    if (!LIST[g->source->kind](g, &choose, err)) return false;
    g->form = LISTING_SINGLE;
    return !choose || model_choice_make(&g->listing, g->full, g->source->text, &g->form, err);
}

void gather_finish(struct gather *g)
{
    listing_finish(&g->listing);
    free(g->origin);
    free(g->licence);
    g->origin = g->licence = NULL;
}

/* ---- bringing ---- */

/* What an earlier call brought is kept when it is what the list promises. */
static bool keep_or_drop(const struct listed_file *f, const char *to, struct error *err)
{
    struct stat info;
    struct digest found;
    uint64_t size;
    if (stat(to, &info) != 0) return true;
    bool same = !f->size_known || (uint64_t)info.st_size == f->size_bytes;
    if (same && f->digest_known) {
        if (!digest_of_file(to, &found, &size, err)) return false;
        same = digest_equal(&found, &f->digest);
    }
    return same || unlink(to) == 0 || error_set_errno(err, errno, "%s", to);
}

static bool bring(struct gather *g, const struct listed_file *f, const char *folder,
                  struct error *err)
{
    char *to = path_join(folder, f->path), *parent = path_dirname(to);
    struct download_file file = {.url = f->url,
                                 .to = to,
                                 .size_bytes = f->size_bytes,
                                 .size_known = f->size_known,
                                 .digest = f->digest,
                                 .digest_known = f->digest_known};
    bool ok = path_make_folders(parent, 0700, err);
    if (ok && g->download)
        ok = keep_or_drop(f, to, err) && download_file(g->download, &file, err);
    else
        ok = ok && file_copy(f->url, to, f->size_bytes, err);
    free(parent);
    free(to);
    return ok;
}

static uint64_t present_bytes(const struct gather *g, const char *folder)
{
    uint64_t sum = 0;
    struct stat info;
    for (size_t i = 0; i < g->listing.count; i++) {
        if (!g->listing.files[i].chosen) continue;
        char *to = path_join(folder, g->listing.files[i].path), *part = xasprintf("%s.part", to);
        if (stat(to, &info) == 0 || stat(part, &info) == 0) sum += (uint64_t)info.st_size;
        free(part);
        free(to);
    }
    return sum;
}

static bool has_room(const struct gather *g, const char *folder, struct error *err)
{
    size_t count;
    uint64_t need = listing_chosen_bytes(&g->listing, &count), free_bytes, total;
    uint64_t have = g->download ? present_bytes(g, folder) : 0;
    char need_text[32], free_text[32];
    need = need > have ? need - have : 0;
    if (!path_free_bytes(folder, &free_bytes, &total, err)) return false;
    if (free_bytes >= need + DISK_RESERVE_BYTES) return true;
    text_size(need, need_text, sizeof need_text);
    text_size(free_bytes, free_text, sizeof free_text);
    return error_set(err, ERROR_FULL, "%s are needed in %s and %s are free", need_text, folder,
                     free_text);
}

bool gather_files(struct gather *g, const char *folder, struct error *err)
{
    uint64_t done = 0;
    if (!has_room(g, folder, err)) return false;
    for (size_t i = 0; i < g->listing.count; i++) {
        const struct listed_file *f = &g->listing.files[i];
        if (!f->chosen) continue;
        if (g->on_file) g->on_file(g->context, f, done);
        if (!bring(g, f, folder, err)) return false;
        done += f->size_bytes;
    }
    return true;
}
