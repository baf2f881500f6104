/* A file from a person, read as `zoe-media inspect` and `zoe-media frames` do: at most eight
 * pictures of it, fitted into 16x16. */
#include "fuzz/fuzz_folder.h"

#include "media/fit.h"
#include "media/libav.h"
#include "media/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {0};
    uint8_t rgb[16 * 16 * 3];
    bool end = false, ok = true;
    libav_route_log();
    fuzz_put("source", data, size);
    char *path = path_join(fuzz_folder(), "source");
    struct source *s = source_open(path, &err);
    struct fit *fit = fit_create(16, 16, false);
    const AVFrame *p = NULL;
    for (int i = 0; s != NULL && ok && i < 8 && (p = source_next(s, &end, &err)) != NULL; i++)
        ok = fit_picture(fit, p, rgb, &err);
    bool told = err.code != ERROR_NONE && err.message[0] != '\0';
    ZOE_ASSERT((s != NULL && ok && (p != NULL || end)) || told);
    fit_destroy(fit);
    source_destroy(s);
    free(path);
    return 0;
}
