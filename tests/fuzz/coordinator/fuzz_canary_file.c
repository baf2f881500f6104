/* A canary.json from outside: what is taken can be asked. */
#include "fuzz/fuzz_folder.h"

#include <string.h>

#include "coordinator/canary_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first answer to a fingerprint is the one that counts. */
static void judge(const struct canary_file *c)
{
    const struct canary_answer *first = &c->answers[0];
    const char *fingerprint = first->fingerprint != NULL ? first->fingerprint : "a fingerprint";
    ZOE_ASSERT(canary_file_judge(c, fingerprint, &first->frames_sha256) == CANARY_RIGHT);
    (void)canary_file_judge(c, "a fingerprint", &(struct digest){{1}});
}

/* Its own frame is right; one byte less, and every byte another by half of all levels, is not. */
static void compare(const struct canary_file *c)
{
    const size_t size = c->rgb != NULL ? (size_t)c->width * c->height * 3 : 1;
    uint8_t *rgb = xcalloc(size, 1);
    struct bytes seen = {rgb, size};
    if (c->rgb == NULL) {
        ZOE_ASSERT(canary_file_compare(c, seen) == CANARY_UNKNOWN);
    } else {
        ZOE_ASSERT(c->frames == 1);
        memcpy(rgb, c->rgb, size);
        ZOE_ASSERT(canary_file_compare(c, seen) == CANARY_RIGHT);
        for (size_t i = 0; i < size; i++)
            rgb[i] ^= 0x80;
        ZOE_ASSERT(canary_file_compare(c, seen) == CANARY_WRONG);
        seen.size--;
        ZOE_ASSERT(canary_file_compare(c, seen) == CANARY_WRONG);
        ZOE_ASSERT(canary_file_compare(c, (struct bytes){NULL, 0}) == CANARY_WRONG);
    }
    free(rgb);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct canary_file canary;
    struct error err = {0};
    fuzz_put("canary.json", data, size);
    if (canary_file_read(&canary, fuzz_folder(), NULL, &err)) {
        ZOE_ASSERT(canary.recipe != NULL && canary.count > 0);
        judge(&canary);
        compare(&canary);
        canary_file_finish(&canary);
    } else {
        ZOE_ASSERT(err.code != ERROR_NONE && err.message[0] != '\0');
    }
    return 0;
}
