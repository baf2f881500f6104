/* A zoe.conf from outside. */
#include "fuzz/fuzz_folder.h"

#include "base/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const known[] = {"coordinator", "server_key", "model", NULL};
    struct config config = {0};
    struct error err = {0};
    fuzz_put("zoe.conf", data, size);
    char *path = path_join(fuzz_folder(), "zoe.conf");
    if (config_load(&config, path, known, &err)) {
        for (size_t i = 0; known[i] != NULL; i++)
            (void)config_get(&config, known[i]);
    } else {
        ZOE_ASSERT(err.code != ERROR_NONE && err.message[0] != '\0');
    }
    config_finish(&config);
    free(path);
    return 0;
}
