#include "coordinator/state_check_batch.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/path.h"
#include "coordinator/rebuild.h"

/* ---- prompts ---- */

static bool is_another(const struct prompts *p, const char *batch, struct error *err)
{
    char *path = prompts_path(p, batch);
    error_set(err, ERROR_STATE, "%s is of another batch", path);
    free(path);
    return false;
}

bool state_check_prompts(struct prompts *p, const struct state_check_batch *b, bool deep,
                         struct error *err)
{
    uint64_t prompts = 0, clips = 0;
    uint32_t groups = 0;
    if (!prompts_totals(p, b->id, &prompts, &clips, &groups, err)) return false;
    if (prompts != b->prompts || clips != b->clips || groups != b->groups)
        return is_another(p, b->id, err);
    return !deep || prompts_check(p, b->id, err);
}

/* ---- batch.json ---- */

static bool read_about(const json_t *about, const struct state_check_batch *b, struct error *err)
{
    struct rebuild_facts facts;
    if (!rebuild_facts_read(about, &facts, err)) return false;
    const bool same = strcmp(facts.id, b->id) == 0 && facts.prompts == b->prompts &&
                      facts.clips == b->clips && facts.groups == b->groups;
    rebuild_facts_finish(&facts);
    return same || error_set(err, ERROR_INVALID, "it is of another batch");
}

bool state_check_about(const char *path, const struct state_check_batch *b, bool deep,
                       struct error *err)
{
    if (!path_exists(path)) return error_set(err, ERROR_NOT_FOUND, "%s is missing", path);
    if (!deep) return true;
    json_t *about = json_parse_file(path, REBUILD_FILE_BYTES, err);
    if (about == NULL) return false;
    const bool ok = read_about(about, b, err);
    json_decref(about);
    if (!ok) error_wrap(err, "%s", path);
    return ok;
}
