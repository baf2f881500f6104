#include "cli/render_target.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/path.h"
#include "cli/models_asked.h"

bool render_target_suits(const char *target, const char *model, enum output_kind kind,
                         struct error *err)
{
    const char *name = path_basename(target), *dot = strrchr(name, '.');
    const char *wanted = output_kind_extension(kind);
    if (dot == NULL || dot == name || strcasecmp(dot + 1, wanted) == 0) return true;
    return error_set(err, ERROR_USAGE, "-o %s: %s makes a%s %s, so the name has to end in .%s",
                     target, model, kind == OUTPUT_IMAGE ? "n" : "", output_kind_name(kind),
                     wanted);
}

static bool check_answer(const Farm__Models *list, const char *target, const char *model,
                         struct error *err)
{
    enum output_kind kind = OUTPUT_VIDEO;
    if (list->n_models == 0) return true;
    const char *text = list->models[0]->description;
    json_t *facts = json_parse(text, strlen(text), "description", NULL);
    const char *output = json_string_value(json_object_get(facts, "output"));
    const bool known = output == NULL || output_kind_find(output, &kind);
    json_decref(facts);
    return !known || render_target_suits(target, model, kind, err);
}

bool render_target_check(struct zclient *client, const char *target, const char *model,
                         int64_t limit_ns, struct error *err)
{
    struct error why = {0};
    struct message *answer = models_asked(client, model, limit_ns, &why);
    if (answer == NULL && why.code == ERROR_NOT_FOUND) return true;
    if (answer == NULL) return error_set(err, why.code, "%s", why.message);
    const bool ok = check_answer(answer->envelope->models, target, model, err);
    message_free(answer);
    return ok;
}
