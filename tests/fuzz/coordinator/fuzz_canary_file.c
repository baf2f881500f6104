/* A canary.json from outside: what is taken can be asked. */
#include "fuzz/fuzz_folder.h"

#include "coordinator/canary_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct canary_file canary;
    struct error err = {0};
    struct digest digest = {{1}};
    fuzz_put("canary.json", data, size);
    if (canary_file_read(&canary, fuzz_folder(), NULL, &err)) {
        ZOE_ASSERT(canary.recipe != NULL);
        (void)canary_file_judge(&canary, "a fingerprint", &digest);
        canary_file_finish(&canary);
    } else {
        ZOE_ASSERT(err.code != ERROR_NONE && err.message[0] != '\0');
    }
    return 0;
}
