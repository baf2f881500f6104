/* Text taken apart; nothing is looked at or asked. */
#include "cli/model_source.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/xalloc.h"

#define HUB "hf:"
#define TEXT_MAX 2000

static bool is_hub_part(const char *text)
{
    if (!isalnum((unsigned char)text[0]) || strlen(text) > 96) return false;
    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("._-", *c)) return false;
    return true;
}

static bool is_revision(const char *text)
{
    if (!*text || strlen(text) > 100 || strstr(text, "..")) return false;
    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("._-/", *c)) return false;
    return text[0] != '/' && text[0] != '-';
}

static bool bad_hub(struct error *err, const char *text)
{
    return error_set(err, ERROR_USAGE,
                     "'%.200s' is not hf:OWNER/NAME, hf:OWNER/NAME/FILE or either with @REVISION",
                     text);
}

/* OWNER/NAME[/INSIDE], cut in place. */
static bool take_hub(struct model_source *s, char *place, struct error *err)
{
    char *name = strchr(place, '/');
    if (!name) return bad_hub(err, s->text);
    *name++ = 0;
    char *inside = strchr(name, '/');
    if (inside) *inside++ = 0;
    if (!is_hub_part(place) || !is_hub_part(name)) return bad_hub(err, s->text);
    if (inside && !path_is_safe_relative(inside)) return bad_hub(err, s->text);
    s->owner = xstrdup(place);
    s->name = xstrdup(name);
    s->inside = inside ? xstrdup(inside) : NULL;
    return true;
}

static bool parse_hub(struct model_source *s, struct error *err)
{
    char *place = xstrdup(s->text + strlen(HUB));
    char *at = strchr(place, '@');
    if (at) *at++ = 0;
    bool ok = take_hub(s, place, err);
    if (ok && at && !is_revision(at)) ok = bad_hub(err, s->text);
    s->revision = xstrdup(at ? at : "main");
    s->kind = MODEL_SOURCE_HUB;
    free(place);
    return ok;
}

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* A page of the hub is not a file: say how its repository is written. */
static bool parse_url(struct model_source *s, struct error *err)
{
    static const char HUB_PAGE[] = "https://huggingface.co/";
    s->kind = MODEL_SOURCE_URL;
    if (!starts(s->text, HUB_PAGE) || strstr(s->text, "/resolve/")) return true;
    const char *place = s->text + strlen(HUB_PAGE);
    const char *slash = strchr(place, '/');
    size_t size = slash ? (size_t)(slash - place) + 1 + strcspn(slash + 1, "/") : strlen(place);
    return error_set(err, ERROR_USAGE, "that is a page of the hub; write hf:%.*s",
                     (int)(size < 200 ? size : 200), place);
}

bool model_source_parse(const char *text, struct model_source *out, struct error *err)
{
    *out = (struct model_source){.text = xstrdup(text)};
    bool ok = true;
    if (!*text || strlen(text) > TEXT_MAX)
        ok = error_set(err, ERROR_USAGE, "a model is a PATH, a URL or hf:OWNER/NAME");
    else if (starts(text, HUB))
        ok = parse_hub(out, err);
    else if (starts(text, "https://") || starts(text, "http://"))
        ok = parse_url(out, err);
    else if (strstr(text, "://"))
        ok = error_set(err, ERROR_USAGE, "'%.200s': only https:// and http:// are fetched", text);
    if (!ok) model_source_finish(out);
    return ok;
}

void model_source_finish(struct model_source *s)
{
    free(s->text);
    free(s->owner);
    free(s->name);
    free(s->inside);
    free(s->revision);
    *s = (struct model_source){0};
}

bool model_name_is_valid(const char *name)
{
    if (!isalnum((unsigned char)name[0]) || strlen(name) > MODEL_NAME_MAX) return false;
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("._-", *c)) return false;
    return true;
}

bool model_name_check(const char *name, struct error *err)
{
    if (model_name_is_valid(name)) return true;
    return error_set(err, ERROR_USAGE,
                     "'%.80s' cannot be a model's name: letters, digits, '.', '_' and '-', at most "
                     "%d, a letter or digit first",
                     name, MODEL_NAME_MAX);
}

/* ---- a name for it ---- */

static const char *const ENDINGS[] = {
    ".index.json", ".fp16.safetensors", ".safetensors", ".ckpt", ".pth", ".pt", ".bin"};

static size_t cut_ending(const char *text, size_t size)
{
    for (size_t i = 0; i < sizeof ENDINGS / sizeof *ENDINGS; i++) {
        size_t ending = strlen(ENDINGS[i]);
        if (size > ending && strncmp(text + size - ending, ENDINGS[i], ending) == 0)
            return size - ending;
    }
    return size;
}

/* The last part of a path or URL, its query and slashes at the end left out. */
static const char *last_part(const char *text, size_t *size)
{
    size_t end = strstr(text, "://") ? strcspn(text, "?#") : strlen(text);
    while (end > 1 && text[end - 1] == '/')
        end--;
    size_t begin = end;
    while (begin > 0 && text[begin - 1] != '/')
        begin--;
    *size = end - begin;
    return text + begin;
}

/* A list of files is named by where it lies. */
static const char *telling_part(const struct model_source *s, size_t *size)
{
    static const char SUMS[] = "SHA256SUMS";
    const char *part = last_part(s->text, size);
    if (s->kind != MODEL_SOURCE_URL || *size != strlen(SUMS) || strncmp(part, SUMS, *size) != 0)
        return part;
    char *folder = xstrndup(s->text, (size_t)(part - s->text));
    size_t at = (size_t)(last_part(folder, size) - folder);
    free(folder);
    return s->text + at;
}

void model_source_suggest(const struct model_source *s, char out[MODEL_NAME_MAX + 1])
{
    size_t size, n = 0;
    const char *part = telling_part(s, &size);
    if (s->kind == MODEL_SOURCE_HUB) {
        part = s->inside ? last_part(s->inside, &size) : s->name;
        if (!s->inside) size = strlen(part);
    }
    size = cut_ending(part, size);
    for (size_t i = 0; i < size && n < MODEL_NAME_MAX; i++) {
        unsigned char c = (unsigned char)part[i];
        bool fine = isalnum(c) || (n && strchr("._-", c));
        if (fine)
            out[n++] = (char)tolower(c);
        else if (n && out[n - 1] != '-')
            out[n++] = '-';
    }
    while (n && out[n - 1] == '-')
        n--;
    out[n] = 0;
    if (!n) strcpy(out, "model");
}
