/* Sound from a person, decoded to its end as `zoe-media inspect` does. */
#include "fuzz/fuzz_folder.h"

#include "media/sound.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {0};
    struct sound_info info;
    fuzz_put("sound", data, size);
    char *path = path_join(fuzz_folder(), "sound");
    if (sound_measure(path, &info, &err))
        ZOE_ASSERT(info.samples > 0 && info.rate >= SOUND_RATE_MIN && info.channels > 0);
    else
        ZOE_ASSERT(err.code != ERROR_NONE && err.message[0] != '\0');
    free(path);
    return 0;
}
