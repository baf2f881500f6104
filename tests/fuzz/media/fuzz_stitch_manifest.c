/* Which segments make a clip, as the stitcher is told. */
#include "fuzz/fuzz_folder.h"

#include "media/stitch_manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stitch_manifest m;
    struct error err = {0};
    fuzz_put("stitch.json", data, size);
    char *path = path_join(fuzz_folder(), "stitch.json");
    if (stitch_manifest_load(&m, path, &err)) {
        int64_t frames = m.before != NULL ? m.before_frames : 0;
        for (int i = 0; i < m.count; i++) {
            ZOE_ASSERT(m.paths[i][0] != '\0' && m.facts[i].frames > 0);
            frames += m.facts[i].frames;
        }
        ZOE_ASSERT(m.count > 0 && frames == m.frames);
        stitch_manifest_finish(&m);
    } else {
        ZOE_ASSERT(err.code != ERROR_NONE && err.message[0] != '\0');
    }
    free(path);
    return 0;
}
