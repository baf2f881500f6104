/* A model folder from outside, one of its JSON files broken: the first byte says which. */
#include "fuzz/fuzz_folder.h"

#include "base/json.h"
#include "engine/engine.h"
#include "engine/schedule/noise_schedule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const files[] = {"zoetrope.json",
                                    "model_index.json",
                                    "unet/config.json",
                                    "scheduler/scheduler_config.json",
                                    "vae/config.json",
                                    "text_encoder/config.json",
                                    "tokenizer/tokenizer_config.json"};
#define FILES (sizeof(files) / sizeof(files[0]))

static void lay_out(void)
{
    for (size_t i = 1; i < FILES; i++) {
        char *sound = path_join(TEST_DATA "/tiny", files[i]);
        fuzz_link(files[i], sound);
        free(sound);
    }
    char *manifest = path_join(fuzz_folder(), files[0]);
    (void)unlink(manifest);
    free(manifest);
}

static void read_schedule(void)
{
    struct noise_schedule schedule;
    struct error err = {0};
    char *path = path_join(fuzz_folder(), files[3]);
    if (noise_schedule_read(path, &schedule, &err)) noise_schedule_finish(&schedule);
    free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {0};
    if (size == 0) return 0;
    const char *broken = files[data[0] % FILES];
    lay_out();
    char *path = path_join(fuzz_folder(), broken);
    (void)unlink(path);
    fuzz_put(broken, data + 1, size - 1);
    json_t *facts = engine_describe(fuzz_folder(), &err);
    ZOE_ASSERT(facts != NULL || (err.code != ERROR_NONE && err.message[0] != '\0'));
    json_decref(facts);
    read_schedule();
    free(path);
    return 0;
}
