/* A segment from a worker, read to its end as `zoe-media check` does: 16x16, any number of frames.
 */
#include "fuzz/fuzz_folder.h"

#include "media/segment_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct frames_shape shape = {
        .width = 16, .height = 16, .rate = {8, 1}, .count = FRAMES_COUNT_ANY};
    struct error err = {0};
    uint8_t rgb[16 * 16 * 3];
    bool end = false, ok = true;
    fuzz_put("segment.mkv", data, size);
    char *path = path_join(fuzz_folder(), "segment.mkv");
    struct segment_reader *r = segment_reader_open(path, &shape, &err);
    if (r != NULL) ZOE_ASSERT(segment_reader_place(r) != NULL);
    while (r != NULL && ok && !end)
        ok = segment_reader_next(r, rgb, &end, &err);
    ZOE_ASSERT((r != NULL && ok) || (err.code != ERROR_NONE && err.message[0] != '\0'));
    segment_reader_destroy(r);
    free(path);
    return 0;
}
