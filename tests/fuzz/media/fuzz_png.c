/* A PNG, walked, read as `zoe-media probe` does, and given another text when it is sound. */
#include "fuzz/fuzz_folder.h"

#include <string.h>

#include "base/buf.h"
#include "media/png_check.h"
#include "media/png_chunks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add_and_find(struct bytes png)
{
    static const char text[] = "another";
    struct error err = {0};
    struct buf more = BUF_INIT;
    ZOE_ASSERT(
        png_chunks_add_text(png, "Fuzz", (struct bytes){(const uint8_t *)text, 7}, &more, &err));
    const struct bytes whole = {more.data, more.size};
    ZOE_ASSERT(png_chunks_check(whole, &err));
    const struct bytes found = png_chunks_find_text(whole, "Fuzz");
    ZOE_ASSERT(found.size == 7 && memcmp(found.data, text, 7) == 0);
    buf_finish(&more);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {0};
    struct png_info info;
    if (png_chunks_check((struct bytes){data, size}, &err))
        add_and_find((struct bytes){data, size});
    fuzz_put("x.png", data, size);
    char *path = path_join(fuzz_folder(), "x.png");
    if (png_check_read(path, &info, &err))
        png_info_finish(&info);
    else
        ZOE_ASSERT(err.code != ERROR_NONE && err.message[0] != '\0');
    free(path);
    return 0;
}
