#include "cli/url_list.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"

#define LIST_BYTES_MAX (16 * 1024 * 1024)
#define SUMS "SHA256SUMS"

static struct listed_file *add(struct listing *listing, const char *path, const char *url,
                               struct error *err)
{
    struct listed_file *f = listing_add(listing, path, err);
    if (f) f->url = download_url_beside(url, path);
    return f;
}

static bool take_line(char *line, const char *url, int number, struct listing *listing,
                      struct error *err)
{
    struct digest digest;
    char *path = line + 64;
    line[strcspn(line, "\r")] = 0;
    if (!line[0] || line[0] == '#') return true;
    bool shaped = strlen(line) > 66 && path[0] == ' ' && (path[1] == ' ' || path[1] == '*');
    if (shaped) path[0] = 0;
    if (!shaped || !digest_parse(line, &digest))
        return error_set(err, ERROR_INVALID, SUMS " line %d is not `HEX  PATH`", number);
    path += 2;
    if (strncmp(path, "./", 2) == 0) path += 2;
    struct listed_file *f = add(listing, path, url, err);
    if (!f) return false;
    f->digest = digest;
    f->digest_known = true;
    return true;
}

bool url_list_parse_sums(const char *text, const char *url, struct listing *listing,
                         struct error *err)
{
    char *copy = xstrdup(text), *rest = copy, *line;
    bool ok = true;
    for (int number = 1; ok && (line = strsep(&rest, "\n")); number++)
        ok = take_line(line, url, number, listing, err);
    if (ok && !listing->count) ok = error_set(err, ERROR_INVALID, SUMS " names no file");
    free(copy);
    return ok;
}

static bool is_listed(const struct listing *l, const char *path)
{
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->files[i].path, path) == 0) return true;
    return false;
}

static bool take_shards(const json_t *map, const char *url, struct listing *listing,
                        struct error *err)
{
    const char *tensor;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)map, tensor, value)
    {
        const char *file = json_string_value(value);
        if (!file || strchr(file, '/'))
            return error_set(err, ERROR_INVALID, "the index names no file for the tensor %.100s",
                             tensor);
        if (!is_listed(listing, file) && !add(listing, file, url, err)) return false;
    }
    return true;
}

/* "https://x/a/model.index.json?download=true" -> "model.index.json", unescaped as far as a name
 * may be. */
static char *own_name(const char *url)
{
    size_t end = strcspn(url, "?#"), begin = end;
    while (begin > 0 && url[begin - 1] != '/')
        begin--;
    return xstrndup(url + begin, end - begin);
}

static bool add_itself(const char *url, struct listing *listing, struct error *err)
{
    char *name = own_name(url);
    struct listed_file *f = listing_add(listing, name, err);
    free(name);
    if (!f) return false;
    f->url = xstrdup(url);
    return true;
}

bool url_list_parse_index(const char *text, size_t size, const char *url, struct listing *listing,
                          struct error *err)
{
    json_t *index = json_parse(text, size, "the index", err);
    const json_t *map = json_object_get(index, "weight_map");
    bool ok = index != NULL;
    if (ok && json_object_size(map) == 0)
        ok = error_set(err, ERROR_INVALID, "the index has no weight_map");
    ok = ok && add_itself(url, listing, err) && take_shards(map, url, listing, err);
    json_decref(index);
    return ok;
}

static void choose_all(struct listing *listing)
{
    for (size_t i = 0; i < listing->count; i++)
        listing->files[i].chosen = true;
}

static bool ends_with(const char *text, const char *with)
{
    size_t size = strlen(text), ending = strlen(with);
    return size >= ending && strcmp(text + size - ending, with) == 0;
}

static bool list_sums(struct download *d, const char *url, struct listing *listing,
                      struct error *err)
{
    struct buf text = BUF_INIT;
    char *sums = ends_with(url, "/") ? xasprintf("%s" SUMS, url) : xstrdup(url);
    bool ok = download_text(d, sums, LIST_BYTES_MAX, &text, err) &&
              url_list_parse_sums(buf_text(&text), sums, listing, err);
    free(sums);
    buf_finish(&text);
    return ok;
}

static bool list_index(struct download *d, const char *url, struct listing *listing,
                       struct error *err)
{
    struct buf text = BUF_INIT;
    bool ok = download_text(d, url, LIST_BYTES_MAX, &text, err) &&
              url_list_parse_index(buf_text(&text), text.size, url, listing, err);
    buf_finish(&text);
    return ok;
}

bool url_list(struct download *d, const char *url, struct listing *listing, bool *choose_out,
              struct error *err)
{
    char *name = own_name(url);
    *choose_out = strcmp(name, SUMS) == 0 || !*name;
    bool ok = *choose_out                      ? list_sums(d, url, listing, err)
              : ends_with(name, ".index.json") ? list_index(d, url, listing, err)
                                               : add_itself(url, listing, err);
    if (ok && !*choose_out) choose_all(listing);
    free(name);
    return ok;
}
