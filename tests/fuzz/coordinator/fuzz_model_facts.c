/* What `zoe-engine describe` says of a model, much of which stands in the folder's zoetrope.json:
 * as the cache of models keeps it, and as a submission is checked against it. */
#include "fuzz/fuzz_folder.h"

#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "coordinator/model_probe.h"
#include "coordinator/models.h"
#include "coordinator/submit_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void submit_against(struct model *model)
{
    static const char text[] = "{\"prompt\":\"a red fox\",\"num_frames\":8,\"width\":64}\n";
    struct model *one[] = {model};
    const struct model_list models = {.models = one, .count = 1};
    struct submit_input input = {.data = (const uint8_t *)text,
                                 .size_bytes = sizeof(text) - 1,
                                 .format = SUBMIT_JSONL,
                                 .models = &models};
    struct submit_result result;
    struct error err = {0};
    submit_file_parse(&input, &result, &err);
    submit_result_finish(&result);
}

static void unpack(const json_t *entry)
{
    struct digest signature = {{0}};
    struct model *model = model_probe_unpack(entry, "/models/m", &signature);
    if (model != NULL) model_probe_free(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {0};
    json_t *facts = json_parse((const char *)data, size, "facts", &err);
    if (facts == NULL) return 0;
    char *text = xstrndup((const char *)data, size);
    struct model model = {.name = (char[]){"m"}, .description = text};
    if (json_is_object(facts)) submit_against(&model);
    unpack(facts);
    json_decref(facts);
    free(text);
    return 0;
}
