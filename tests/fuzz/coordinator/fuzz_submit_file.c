/* A submission from outside, as JSONL and as text, against two models: long clips get a plan, and
 * the second may make those of the first larger. */
#include <stdint.h>

#include "coordinator/models.h"
#include "coordinator/submit_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FACTS(name)                                                                                \
    "{\"name\":\"" name "\",\"family\":\"pattern\",\"words\":[\"a\",\"red\"],\"window\":16,"       \
    "\"frames\":{\"min\":1,\"max\":64,\"step\":1},\"defaults\":{}}"

static struct model first = {.name = (char[]){"m"}, .description = (char[]){FACTS("m")}};
static struct model second = {.name = (char[]){"n"}, .description = (char[]){FACTS("n")}};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct model *both[] = {&first, &second};
    const struct model_list models = {.models = both, .count = 2};
    for (int format = SUBMIT_TEXT; format <= SUBMIT_JSONL; format++) {
        struct submit_input input = {.data = data,
                                     .size_bytes = size,
                                     .format = (enum submit_format)format,
                                     .default_model = "m",
                                     .models = &models};
        struct submit_result result;
        struct error err;
        submit_file_parse(&input, &result, &err);
        submit_result_finish(&result);
    }
    return 0;
}
