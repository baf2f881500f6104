/* model_probe: see the header. `zoe-engine describe` runs as a child, so that a model's files are
 * parsed outside of this process. */
#include "coordinator/model_probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/canary_recipe.h"
#include "base/json.h"
#include "base/log.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "coordinator/engine_child.h"

#define DEPTH_MAX MODEL_DIGEST_DEPTH_MAX

/* ---- signature ---- */

static bool add_file(struct digest_stream *s, const char *path, struct error *err)
{
    struct stat st;
    char line[128];
    if (stat(path, &st) != 0) return error_set_errno(err, errno, "%s", path);
    int size = snprintf(line, sizeof line, " %lld %lld.%09ld\n", (long long)st.st_size,
                        (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    digest_update(s, path, strlen(path));
    digest_update(s, line, (size_t)size);
    return true;
}

static bool add_folder(struct digest_stream *s, const char *folder, int depth, struct error *err)
{
    char **names;
    size_t count;
    if (depth > DEPTH_MAX) return error_set(err, ERROR_INVALID, "%s is nested too deep", folder);
    if (!path_list(folder, &names, &count, err)) return false;
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++) {
        char *path = path_join(folder, names[i]);
        bool recipe = depth == 0 && strcmp(names[i], "train") == 0;
        if (!recipe && path_is_folder(path))
            ok = add_folder(s, path, depth + 1, err);
        else if (!recipe)
            ok = add_file(s, path, err);
        free(path);
    }
    path_list_free(names, count);
    return ok;
}

bool model_probe_signature(const char *folder, const char *engine, struct digest *out,
                           struct error *err)
{
    struct digest_stream s;
    digest_begin(&s);
    if (!add_file(&s, engine, err) || !add_folder(&s, folder, 0, err)) return false;
    *out = digest_end(&s);
    return true;
}

/* ---- describing ---- */

static bool describe(const char *engine, const char *folder, int64_t limit_ms, struct buf *answer,
                     struct error *err)
{
    const char *const arguments[] = {"zoe-engine", "describe", "--model", folder, NULL};
    int status;
    if (!engine_child_run(engine, arguments, limit_ms, answer, &status, err)) return false;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
    return error_set(err, ERROR_INVALID, "zoe-engine cannot read this folder (status %d)", status);
}

/* ---- probing ---- */

static uint32_t fact_u32(const json_t *facts, const char *name)
{
    const json_int_t value = json_integer_value(json_object_get(facts, name));
    return value > 0 && value <= UINT16_MAX ? (uint32_t)value : 0;
}

static void take_facts(struct model *m, const json_t *facts)
{
    m->latent_channels = fact_u32(facts, "latent_channels");
    m->spatial_factor = fact_u32(facts, "spatial_factor");
    const char *family = json_string_value(json_object_get(facts, "family"));
    m->is_lora = family != NULL && strcmp(family, "lora") == 0;
    m->description = json_canonical(facts);
}

static bool take_description(struct model *m, const struct buf *answer, struct error *err)
{
    const char *name;
    json_t *facts = json_parse(buf_text(answer), answer->size, "zoe-engine describe", err);
    bool ok = facts != NULL && json_get_text(facts, "name", &name, "describe", err);
    if (ok) {
        free(m->name);
        m->name = xstrdup(name);
        take_facts(m, facts);
    }
    json_decref(facts);
    return ok;
}

static void adopt_files(struct model *m)
{
    m->files = m->owned.items;
    m->file_count = m->owned.count;
    m->size_bytes = m->owned.total_bytes;
    m->digest = model_digest_of(&m->owned);
}

struct model *model_probe(const char *folder, const char *engine, int64_t limit_ms)
{
    struct model *m = xcalloc(1, sizeof *m);
    struct buf answer = BUF_INIT;
    struct error err;
    error_clear(&err);
    m->folder = xstrdup(folder);
    m->name = xstrdup(path_basename(folder));
    bool ok = describe(engine, folder, limit_ms, &answer, &err) &&
              take_description(m, &answer, &err) && model_digest_list(folder, &m->owned, &err);
    if (ok) adopt_files(m);
    if (!ok) m->problem = xstrdup(err.message);
    if (m->description == NULL) m->description = xstrdup("");
    buf_finish(&answer);
    return m;
}

void model_probe_free(struct model *m)
{
    if (m == NULL) return;
    model_digest_finish(&m->owned);
    canary_file_finish(&m->canary);
    free(m->name);
    free(m->folder);
    free(m->description);
    free(m->problem);
    free(m);
}

/* ---- canary ---- */

/* A canary.json that cannot be used says nothing: what is rendered is judged by agreement. */
static void find_canary(struct model *m, const json_t *facts, bool tells)
{
    struct error err = {0};
    if (canary_file_read(&m->canary, m->folder, &m->digest, &err)) return;
    if (err.code != ERROR_NOT_FOUND && tells) log_warn("%s", err.message);
    if (!canary_file_derive(&m->canary, facts, &err) && tells)
        log_warn("model %s has no canary: %s", m->name, err.message);
}

void model_probe_canary(struct model *m, bool tells)
{
    json_t *facts = json_parse(m->description, strlen(m->description), "description", NULL);
    if (facts != NULL && canary_recipe_is_for(facts)) find_canary(m, facts, tells);
    json_decref(facts);
}

/* ---- cache ---- */

json_t *model_probe_pack(const struct model *m, const struct digest *signature)
{
    char hex[DIGEST_TEXT_SIZE];
    digest_text(signature, hex);
    json_t *files = json_array();
    json_t *entry = json_pack("{ss ss ss so}", "signature", hex, "name", m->name, "description",
                              m->description, "files", files);
    for (size_t i = 0; i < m->file_count; i++) {
        digest_text(&m->files[i].digest, hex);
        json_array_append_new(
            files, json_pack("[sIs]", m->files[i].path, (json_int_t)m->files[i].size_bytes, hex));
    }
    return entry;
}

static bool unpack_files(const json_t *list, struct model_files *out)
{
    size_t count = json_array_size(list);
    out->items = xcalloc(count + 1, sizeof *out->items);
    for (size_t i = 0; i < count; i++) {
        const json_t *row = json_array_get(list, i);
        const char *path = json_string_value(json_array_get(row, 0));
        const char *hex = json_string_value(json_array_get(row, 2));
        struct model_file *f = &out->items[out->count++];
        f->size_bytes = (uint64_t)json_integer_value(json_array_get(row, 1));
        out->total_bytes += f->size_bytes;
        f->path = xstrdup(path ? path : "");
        if (path == NULL || hex == NULL || !digest_parse(hex, &f->digest)) return false;
    }
    return count > 0;
}

struct model *model_probe_unpack(const json_t *entry, const char *folder,
                                 const struct digest *signature)
{
    char hex[DIGEST_TEXT_SIZE];
    const char *known = json_string_value(json_object_get(entry, "signature"));
    const char *name = json_string_value(json_object_get(entry, "name"));
    const char *description = json_string_value(json_object_get(entry, "description"));
    digest_text(signature, hex);
    if (known == NULL || strcmp(known, hex) != 0 || name == NULL || description == NULL)
        return NULL;
    struct model *m = xcalloc(1, sizeof *m);
    m->folder = xstrdup(folder);
    m->name = xstrdup(name);
    json_t *facts = json_parse(description, strlen(description), "description", NULL);
    const bool described = facts != NULL;
    if (described) take_facts(m, facts);
    json_decref(facts);
    if (described && unpack_files(json_object_get(entry, "files"), &m->owned)) {
        adopt_files(m);
        return m;
    }
    model_probe_free(m);
    return NULL;
}
