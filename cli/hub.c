/* The hub's answer is JSON from outside: every member is looked at before it is used. */
#include "cli/hub.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/xalloc.h"

#define ANSWER_BYTES_MAX (16 * 1024 * 1024)
#define DEFAULT_ENDPOINT "https://huggingface.co"

/* ---- the answer ---- */

static bool is_commit(const char *text)
{
    return text && strlen(text) == 40 && strspn(text, "0123456789abcdef") == 40;
}

/* Card first; else the tag that the hub makes of it. */
static const char *find_licence(const json_t *answer)
{
    static const char TAG[] = "license:";
    const char *card =
        json_string_value(json_object_get(json_object_get(answer, "cardData"), "license"));
    if (card) return card;
    const json_t *tags = json_object_get(answer, "tags");
    for (size_t i = 0; i < json_array_size(tags); i++) {
        const char *tag = json_string_value(json_array_get(tags, i));
        if (tag && strncmp(tag, TAG, strlen(TAG)) == 0) return tag + strlen(TAG);
    }
    return NULL;
}

/* The path below `inside`; NULL = not of it. A file named itself keeps its own name. */
static const char *path_inside(const char *path, const char *inside)
{
    if (!inside) return path;
    size_t size = strlen(inside);
    if (strncmp(path, inside, size) != 0) return NULL;
    if (path[size] == '/') return path + size + 1;
    const char *slash = strrchr(path, '/');
    return path[size] == 0 ? (slash ? slash + 1 : path) : NULL;
}

static char *file_url(const char *endpoint, const struct model_source *s, const char *commit,
                      const char *path)
{
    char *escaped = download_url_escape(path);
    char *url = xasprintf("%s/%s/%s/resolve/%s/%s", endpoint, s->owner, s->name, commit, escaped);
    free(escaped);
    return url;
}

static void take_facts(struct listed_file *f, const json_t *row)
{
    const json_t *size = json_object_get(row, "size"), *lfs = json_object_get(row, "lfs");
    const char *sha = json_string_value(json_object_get(lfs, "sha256"));
    if (json_is_integer(json_object_get(lfs, "size"))) size = json_object_get(lfs, "size");
    f->size_known = json_is_integer(size) && json_integer_value(size) >= 0;
    if (f->size_known) f->size_bytes = (uint64_t)json_integer_value(size);
    f->digest_known = sha && digest_parse(sha, &f->digest);
}

static bool take_file(const json_t *row, const char *endpoint, const struct model_source *s,
                      const char *commit, struct listing *listing, struct error *err)
{
    const char *path = json_string_value(json_object_get(row, "rfilename"));
    const char *below = path ? path_inside(path, s->inside) : NULL;
    if (!path) return error_set(err, ERROR_INVALID, "the hub's answer has a file without a name");
    if (!below) return true;
    struct listed_file *f = listing_add(listing, below, err);
    if (!f) return false;
    take_facts(f, row);
    f->url = file_url(endpoint, s, commit, path);
    return true;
}

static bool take_answer(const json_t *answer, const char *endpoint, const struct model_source *s,
                        struct hub_repository *out, struct listing *listing, struct error *err)
{
    const json_t *files = json_object_get(answer, "siblings");
    const char *commit = json_string_value(json_object_get(answer, "sha"));
    const char *licence = find_licence(answer);
    if (!is_commit(commit) || !json_is_array(files))
        return error_set(err, ERROR_INVALID,
                         "this is not an answer of the hub's API: no commit, no list of files");
    out->commit = xstrdup(commit);
    out->licence = licence ? xstrdup(licence) : NULL;
    bool ok = true;
    for (size_t i = 0; ok && i < json_array_size(files); i++)
        ok = take_file(json_array_get(files, i), endpoint, s, commit, listing, err);
    if (ok && !listing->count)
        ok = error_set(err, ERROR_NOT_FOUND, "%s/%s has no file %s", s->owner, s->name,
                       s->inside ? s->inside : "at all");
    return ok;
}

bool hub_parse(const char *text, size_t size, const char *endpoint, const struct model_source *s,
               struct hub_repository *out, struct listing *listing, struct error *err)
{
    *out = (struct hub_repository){0};
    json_t *answer = json_parse(text, size, "the hub's answer", err);
    bool ok = answer && take_answer(answer, endpoint, s, out, listing, err);
    json_decref(answer);
    return ok;
}

void hub_repository_finish(struct hub_repository *r)
{
    free(r->commit);
    free(r->licence);
    *r = (struct hub_repository){0};
}

/* ---- asking ---- */

static char *find_endpoint(void)
{
    const char *given = getenv("HF_ENDPOINT");
    char *endpoint = xstrdup(given && *given ? given : DEFAULT_ENDPOINT);
    size_t size = strlen(endpoint);
    while (size && endpoint[size - 1] == '/')
        endpoint[--size] = 0;
    return endpoint;
}

bool hub_list(struct download *d, const struct model_source *s, struct hub_repository *out,
              struct listing *listing, struct error *err)
{
    *out = (struct hub_repository){0};
    char *endpoint = find_endpoint();
    char *revision = download_url_escape(s->revision);
    char *url = xasprintf("%s/api/models/%s/%s/revision/%s?blobs=true", endpoint, s->owner, s->name,
                          revision);
    struct buf answer = BUF_INIT;
    bool ok = download_text(d, url, ANSWER_BYTES_MAX, &answer, err) &&
              hub_parse(buf_text(&answer), answer.size, endpoint, s, out, listing, err);
    buf_finish(&answer);
    free(url);
    free(revision);
    free(endpoint);
    return ok;
}
