/* Latents that another task left, as a window takes them. */
#include "fuzz/fuzz_folder.h"

#include <math.h>

#include "engine/latents.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHANNELS = 1, FRAMES = 4, SIDE = 2, COUNT = CHANNELS * FRAMES * SIDE * SIDE };

static void check(bool ok, const float *values, const struct error *err)
{
    for (int i = 0; ok && i < COUNT; i++)
        ZOE_ASSERT(isfinite(values[i]));
    ZOE_ASSERT(ok || (err->code != ERROR_NONE && err->message[0] != '\0'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct latents_facts want = {
        .task = -1, .channels = CHANNELS, .height = SIDE, .width = SIDE};
    static const struct latents_window window = {24, FRAMES, CHANNELS, SIDE, SIDE};
    struct error err = {0};
    struct latents_file f;
    fuzz_put("x.latents", data, size);
    char *path = path_join(fuzz_folder(), "x.latents");
    if (latents_open(&f, path, &want, &err)) {
        float values[COUNT] = {0};
        const struct latents_file both[] = {f, f};
        check(latents_take(&f, &window, 25, 2, values, &err), values, &err);
        check(latents_average(both, 2, "latents", &window, values, &err), values, &err);
        check(latents_average(both, 1, "prediction", &window, values, &err), values, &err);
        check(latents_fade(&f, &f, &window, values, &err), values, &err);
        latents_close(&f);
    } else {
        check(false, NULL, &err);
    }
    free(path);
    return 0;
}
