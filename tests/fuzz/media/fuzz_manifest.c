/* A manifest of a contact sheet or a page; its recipes come from sidecars. */
#include "fuzz/fuzz_folder.h"

#include <string.h>

#include "media/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct manifest m;
    struct error err = {0};
    fuzz_put("manifest.json", data, size);
    char *path = path_join(fuzz_folder(), "manifest.json");
    if (manifest_load(&m, path, &err)) {
        for (size_t i = 0; i < m.clip_count; i++)
            ZOE_ASSERT(m.clips[i].prompt != NULL &&
                       strlen(m.clips[i].seed) < sizeof m.clips[i].seed);
        manifest_finish(&m);
    } else {
        ZOE_ASSERT(err.code != ERROR_NONE && err.message[0] != '\0');
    }
    free(path);
    return 0;
}
