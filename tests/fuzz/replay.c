/* Runs a fuzz target without a fuzzer: over its corpus, then over mutations of the corpus from a
 * fixed seed, so that every build and every sanitizer sees the parsers work on damaged input. With
 * clang and ZOE_FUZZ=ON the same targets are linked with libFuzzer instead. Usage: target
 * CORPUS_FOLDER [ROUNDS]. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUTS_MAX 256
#define INPUT_BYTES_MAX 65536

struct input {
    uint8_t *data;
    size_t size;
};

static uint64_t next_random(uint64_t *state) /* xorshift64*, Vigna 2014 */
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

static size_t below(uint64_t *state, size_t bound)
{
    return bound ? (size_t)(next_random(state) % bound) : 0;
}

static struct input read_file(const char *folder, const char *name)
{
    char path[4096];
    struct input in = {malloc(INPUT_BYTES_MAX), 0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (file) {
        in.size = fread(in.data, 1, INPUT_BYTES_MAX, file);
        fclose(file);
    }
    return in;
}

static int read_corpus(const char *folder, struct input *inputs)
{
    int count = 0;
    DIR *dir = opendir(folder);
    struct dirent *entry;
    while (dir && (entry = readdir(dir)) != NULL && count < INPUTS_MAX)
        if (entry->d_name[0] != '.') inputs[count++] = read_file(folder, entry->d_name);
    if (dir) closedir(dir);
    return count;
}

/* One to eight edits: flipped bits, bytes at their extremes, cuts, doubled pieces. */
static size_t mutate(uint8_t *data, size_t size, uint64_t *state)
{
    static const uint8_t EXTREMES[] = {0, 1, 0x7f, 0x80, 0xff, '"', '{', '\n'};
    size_t edits = 1 + below(state, 8);
    while (edits-- && size) {
        size_t at = below(state, size), kind = below(state, 5);
        if (kind == 0) data[at] ^= (uint8_t)(1u << below(state, 8));
        if (kind == 1) data[at] = EXTREMES[below(state, sizeof EXTREMES)];
        if (kind == 2) size = at;
        if (kind == 3 && size < INPUT_BYTES_MAX / 2) {
            memmove(data + size, data + at, size - at);
            size += size - at;
        }
        if (kind == 4) data[at] = (uint8_t)next_random(state);
    }
    return size;
}

/* An exact-size copy, so that a sanitizer sees a read one past the end. */
static void run_one(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

int main(int argc, char **argv)
{
    static struct input inputs[INPUTS_MAX];
    static uint8_t work[INPUT_BYTES_MAX];
    long rounds = argc > 2 ? atol(argv[2]) : 2000;
    uint64_t state = UINT64_C(0x9e3779b97f4a7c15);
    int count = argc > 1 ? read_corpus(argv[1], inputs) : 0;
    if (count == 0) {
        fprintf(stderr,
                "usage: %s CORPUS_FOLDER [ROUNDS]; the folder must hold at least one input\n",
                argv[0]);
        return 2;
    }
    for (int i = 0; i < count; i++)
        run_one(inputs[i].data, inputs[i].size);
    for (long r = 0; r < rounds; r++) {
        const struct input *in = &inputs[below(&state, (size_t)count)];
        memcpy(work, in->data, in->size);
        run_one(work, mutate(work, in->size, &state));
    }
    for (int i = 0; i < count; i++)
        free(inputs[i].data);
    printf("%d inputs and %ld mutations\n", count, rounds);
    return 0;
}
