/* Latents or a checkpoint from a worker, as `zoe-media latents` looks at them. */
#include "fuzz/fuzz_folder.h"

#include "media/latents_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct latents_wanted wanted = {
        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
        7,
        24,
        3,
        LATENTS_STEP_ANY,
        0,
        0,
        0};
    struct error err = {0};
    struct latents_info info;
    fuzz_put("x.latents", data, size);
    char *path = path_join(fuzz_folder(), "x.latents");
    if (latents_check(path, &wanted, &info, &err))
        ZOE_ASSERT(info.task == 7 && info.first == 24 && info.frames == 3);
    else
        ZOE_ASSERT(err.code != ERROR_NONE && err.message[0] != '\0');
    free(path);
    return 0;
}
