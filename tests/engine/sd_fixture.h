/* sd_fixture: the tiny Stable Diffusion folders of golden_sd.py. */
#ifndef ZOE_TESTS_ENGINE_SD_FIXTURE_H
#define ZOE_TESTS_ENGINE_SD_FIXTURE_H

#include "tiny_copy.h"

#include "base/path.h"

#define TOKENS 77
#define WIDTH 16
#define STEPS 4
#define PROMPT "a red fox runs through the snow"
#define NEGATIVE "night"

enum { LATENTS = 4 * 4 * 6, PIXELS = 3 * 32 * 48 };

static const struct sd {
    const char *name, *pad, *scheduler; /* what its folder defaults to */
} kinds[] = {{"tiny-sd1", "<|endoftext|>", "ddim"}, {"tiny-sd2", "!", "ddim"}};

#define KIND_COUNT (sizeof kinds / sizeof kinds[0])

static const int thread_counts[] = {1, 2, 4};

static inline char *folder_of(const struct sd *sd)
{
    return path_join(TEST_DATA, sd->name);
}

static inline char *part_of(const struct sd *sd, const char *part)
{
    char *folder = folder_of(sd), *path = path_join(folder, part);
    free(folder);
    return path;
}

static inline struct safetensors *open_golden(const struct sd *sd)
{
    struct error err = {0};
    char *path = part_of(sd, "golden.safetensors");
    struct safetensors *golden = safetensors_open(path, &err);
    free(path);
    expect_ok(golden != NULL, &err);
    return golden;
}

/* Runs `check` for each kind of folder on each backend with each number of threads. */
static inline void for_all(void (*check)(const struct sd *sd, const struct engine_options *options))
{
    int count;
    const struct backend *const *backends = backend_all(&count);
    for (size_t k = 0; k < KIND_COUNT; k++)
        for (int b = 0; b < count; b++)
            for (size_t t = 0; t < sizeof thread_counts / sizeof thread_counts[0]; t++)
                check(&kinds[k], &(struct engine_options){.backend = backends[b]->name,
                                                          .threads = thread_counts[t]});
}

#endif
