/* A submission from outside, as JSONL and as text, against one model. */
#include <stdint.h>

#include "coordinator/models.h"
#include "coordinator/submit_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct model model = {
    .name = (char[]){"m"},
    .description = (char[]){"{\"name\":\"m\",\"family\":\"pattern\",\"words\":[\"a\",\"red\"],"
                            "\"frames\":{\"min\":1,\"max\":64,\"step\":1},\"defaults\":{}}"}};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct model *one[] = {&model};
    const struct model_list models = {.models = one, .count = 1};
    for (int format = SUBMIT_TEXT; format <= SUBMIT_JSONL; format++) {
        struct submit_input input = {.data = data,
                                     .size_bytes = size,
                                     .format = (enum submit_format)format,
                                     .models = &models};
        struct submit_result result;
        struct error err;
        submit_file_parse(&input, &result, &err);
        submit_result_finish(&result);
    }
    return 0;
}
