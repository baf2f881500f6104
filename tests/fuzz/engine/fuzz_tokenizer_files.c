/* A tokenizer's files from outside, one of them broken: the first byte says which, and whether the
 * vocabulary has to follow from the merges. What opens must be able to encode. */
#include "fuzz/fuzz_folder.h"

#include "engine/text/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const files[] = {"vocab.json", "merges.txt", "special_tokens_map.json",
                                    "tokenizer_config.json"};
#define FILES (sizeof(files) / sizeof(files[0]))

static void lay_out(void)
{
    for (size_t i = 0; i < FILES; i++) {
        char *sound = path_join(TEST_DATA "/tiny/tokenizer", files[i]);
        fuzz_link(files[i], sound);
        free(sound);
    }
}

static void encode(const struct tokenizer *t)
{
    int32_t ids[TOKENIZER_LENGTH_MAX];
    const int count = tokenizer_encode(t, "A red fox, in snow! \xc3\xa9", ids);
    ZOE_ASSERT(count >= 0 && tokenizer_length(t) <= TOKENIZER_LENGTH_MAX);
    for (int i = 0; i < tokenizer_length(t); i++)
        ZOE_ASSERT(ids[i] >= 0 && ids[i] < tokenizer_vocabulary(t));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {0};
    if (size == 0) return 0;
    const char *broken = files[data[0] % FILES];
    lay_out();
    char *path = path_join(fuzz_folder(), broken);
    (void)unlink(path);
    fuzz_put(broken, data + 1, size - 1);
    if (data[0] / FILES % 2 != 0) {
        char *vocab = path_join(fuzz_folder(), files[0]);
        (void)unlink(vocab);
        free(vocab);
    }
    struct tokenizer *t = tokenizer_open(fuzz_folder(), "!", &err);
    if (t != NULL)
        encode(t);
    else
        ZOE_ASSERT(err.code != ERROR_NONE && err.message[0] != '\0');
    tokenizer_close(t);
    free(path);
    return 0;
}
