#include "engine/folder/model_folder.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/path.h"
#include "base/recipe.h"
#include "base/xalloc.h"
#include "engine/model/config_rules.h"
#include "engine/model/family.h"

#define FILE_LIMIT_BYTES ((size_t)4 << 20)
#define FACTS_SCHEMA 1
#define NAME_MAX_BYTES 64
#define WINDOW_MAX 1024

static const struct config_rule rules[] = {
    {"name", CONFIG_READ, NULL},   {"family", CONFIG_READ, NULL},  {"licence", CONFIG_READ, NULL},
    {"window", CONFIG_READ, NULL}, {"summary", CONFIG_READ, NULL}, {"defaults", CONFIG_READ, NULL},
    {"words", CONFIG_READ, NULL},  {"config", CONFIG_READ, NULL},  {"base", CONFIG_READ, NULL},
    {NULL, CONFIG_IGNORE, NULL},
};

static json_t *read_optional(const char *folder, const char *name, struct error *err)
{
    char *path = path_join(folder, name);
    json_t *value =
        path_exists(path) ? json_parse_file(path, FILE_LIMIT_BYTES, err) : json_object();
    if (value != NULL && !json_is_object(value)) {
        error_set(err, ERROR_INVALID, "%s: not an object", path);
        json_decref(value);
        value = NULL;
    }
    free(path);
    return value;
}

static bool check_defaults(const json_t *manifest, const char *path, struct error *err)
{
    json_t *defaults = json_object_get(manifest, "defaults");
    if (defaults == NULL) return true;
    json_t *copy = json_deep_copy(defaults);
    struct error why = {0};
    const bool ok = json_is_object(copy) ? recipe_check(copy, &why)
                                         : error_set(&why, ERROR_INVALID, "not an object");
    json_decref(copy);
    if (ok) return true;
    return error_set(err, ERROR_INVALID, "%s/zoetrope.json: \"defaults\": %s", path, why.message);
}

static bool check_words(const json_t *manifest, const char *path, struct error *err)
{
    const json_t *words = json_object_get(manifest, "words"), *word;
    size_t i;
    bool ok = words == NULL || json_is_array(words);
    json_array_foreach(words, i, word) ok = ok && json_is_string(word);
    return ok ? true
              : error_set(err, ERROR_INVALID, "%s/zoetrope.json: \"words\" must be a list of words",
                          path);
}

/* A name is a word that can stand in a path, a flag and a log line. */
static bool name_is_plain(const char *name)
{
    const size_t length = strlen(name);
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    return length >= 1 && length <= NAME_MAX_BYTES && name[0] != '.' && name[0] != '-' &&
           strspn(name, plain) == length;
}

static char *own_name(const char *path)
{
    char *trimmed = xstrdup(path);
    for (size_t end = strlen(trimmed); end > 1 && trimmed[end - 1] == '/'; end--)
        trimmed[end - 1] = '\0';
    char *name = xstrdup(path_basename(trimmed));
    free(trimmed);
    return name;
}

static bool read_name(struct model_folder *m, struct error *err)
{
    const char *name;
    char *folder = own_name(m->path);
    const bool ok = json_get_text_or(m->manifest, "name", folder, &name, "zoetrope.json", err);
    if (ok) m->name = xstrdup(name);
    free(folder);
    if (!ok || name_is_plain(m->name)) return ok;
    return error_set(err, ERROR_INVALID,
                     "%s: \"%.64s\" cannot be a model's name (letters, digits, - _ .)", m->path,
                     m->name);
}

/* By the manifest's family, else by the pipeline that diffusers would choose. */
static bool find_family(struct model_folder *m, struct error *err)
{
    const char *name, *pipeline;
    if (!json_get_text_or(m->manifest, "family", NULL, &name, "zoetrope.json", err)) return false;
    if (name != NULL) {
        m->family = family_find(name);
        if (m->family != NULL) return true;
        return error_set(err, ERROR_INVALID, "%s/zoetrope.json: no family is called \"%s\"",
                         m->path, name);
    }
    m->parts = model_parts_open(m->path, m->manifest, err);
    if (m->parts == NULL) return false;
    pipeline = model_parts_pipeline(m->parts, err);
    if (pipeline == NULL) return false;
    m->family = family_find_pipeline(pipeline);
    if (m->family != NULL) return true;
    return error_set(err, ERROR_INVALID, "%s: a pipeline \"%s\" is not built", m->path, pipeline);
}

static bool open_parts(struct model_folder *m, struct error *err)
{
    if (m->parts == NULL && m->family->has_parts)
        m->parts = model_parts_open(m->path, m->manifest, err);
    return m->parts != NULL || !m->family->has_parts;
}

bool model_folder_open(struct model_folder *m, const char *path, struct error *err)
{
    memset(m, 0, sizeof *m);
    if (!path_exists(path))
        return error_set(err, ERROR_NOT_FOUND, "%s: no such model folder", path);
    m->path = xstrdup(path);
    m->manifest = read_optional(path, "zoetrope.json", err);
    if (m->manifest != NULL && config_rules_check(m->manifest, rules, "zoetrope.json", err) &&
        check_defaults(m->manifest, path, err) && check_words(m->manifest, path, err) &&
        read_name(m, err) && find_family(m, err) && open_parts(m, err))
        return true;
    model_folder_close(m);
    return false;
}

void model_folder_close(struct model_folder *m)
{
    model_parts_close(m->parts);
    free(m->path);
    free(m->name);
    json_decref(m->manifest);
    memset(m, 0, sizeof *m);
}

static void copy_member(json_t *facts, const json_t *manifest, const char *key)
{
    json_t *value = json_object_get(manifest, key);
    json_object_set_new(facts, key, value != NULL ? json_deep_copy(value) : json_null());
}

static bool copy_manifest(json_t *facts, const json_t *manifest, struct error *err)
{
    int64_t window;
    const char *text;
    if (!json_get_int_or(manifest, "window", 1, &window, "zoetrope.json", err) ||
        !json_get_text_or(manifest, "summary", NULL, &text, "zoetrope.json", err) ||
        !json_get_text_or(manifest, "licence", NULL, &text, "zoetrope.json", err))
        return false;
    if (window < 1 || window > WINDOW_MAX)
        return error_set(err, ERROR_INVALID, "zoetrope.json: \"window\" must be within 1..%d",
                         WINDOW_MAX);
    copy_member(facts, manifest, "summary");
    copy_member(facts, manifest, "licence");
    copy_member(facts, manifest, "window");
    copy_member(facts, manifest, "words");
    json_t *defaults = json_object_get(manifest, "defaults");
    json_object_set_new(facts, "defaults",
                        defaults != NULL ? json_deep_copy(defaults) : json_object());
    return true;
}

json_t *model_folder_facts(const struct model_folder *m, struct error *err)
{
    json_t *facts =
        json_pack("{s:i, s:s, s:s, s:s}", "schema", FACTS_SCHEMA, "name", m->name, "family",
                  m->family->name, "output", m->family->image ? "image" : "video");
    ZOE_ASSERT(facts != NULL);
    json_object_set_new(facts, "notes", json_array());
    json_object_set_new(facts, "loras", json_boolean(m->family->takes_loras));
    if (copy_manifest(facts, m->manifest, err) && m->family->describe(m, facts, err)) return facts;
    json_decref(facts);
    return NULL;
}
