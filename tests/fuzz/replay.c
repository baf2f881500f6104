/* Runs a fuzz target without a fuzzer: over its corpus, then for a while over mutations of the
 * corpus from a fixed seed, so that every build and every sanitizer sees the parsers work on
 * damaged input. With clang and ZOE_FUZZ=ON the same targets are linked with libFuzzer instead.
 * Usage: target CORPUS_FOLDER [SECONDS]. What kills it is left in the file `crash-TARGET`. */
#define _GNU_SOURCE /* program_invocation_short_name */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUTS_MAX 256
#define INPUT_BYTES_MAX 65536
#define ROUNDS_MIN 100
#define SECONDS_DEFAULT 5.0

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

/* ---- what kills it ---- */

static const uint8_t *now_data;
static size_t now_size;
static char crash_path[256];

static void leave_it_behind(void)
{
    FILE *file = now_data ? fopen(crash_path, "wb") : NULL;
    if (!file) return;
    fwrite(now_data, 1, now_size, file);
    fclose(file);
    fprintf(stderr, "the input that did it: %s\n", crash_path);
}

static void on_death(int number)
{
    leave_it_behind();
    signal(number, SIG_DFL);
    raise(number);
}

void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void watch_for_death(void)
{
    snprintf(crash_path, sizeof crash_path, "crash-%s", program_invocation_short_name);
    signal(SIGABRT, on_death);
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(leave_it_behind);
    else
        signal(SIGSEGV, on_death);
}

/* An exact-size copy, so that a sanitizer sees a read one past the end. */
static void run_one(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, data, size);
    now_data = data;
    now_size = size;
    LLVMFuzzerTestOneInput(copy, size);
    now_data = NULL;
    free(copy);
}

static double seconds_since(const struct timespec *start)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

static long run_mutations(const struct input *inputs, int count, double seconds)
{
    static uint8_t work[INPUT_BYTES_MAX];
    uint64_t state = UINT64_C(0x9e3779b97f4a7c15);
    struct timespec start;
    long rounds = 0;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (; rounds < ROUNDS_MIN || seconds_since(&start) < seconds; rounds++) {
        const struct input *in = &inputs[below(&state, (size_t)count)];
        memcpy(work, in->data, in->size);
        run_one(work, mutate(work, in->size, &state));
    }
    return rounds;
}

int main(int argc, char **argv)
{
    static struct input inputs[INPUTS_MAX];
    int count = argc > 1 ? read_corpus(argv[1], inputs) : 0;
    if (count == 0) {
        fprintf(stderr,
                "usage: %s CORPUS_FOLDER [SECONDS]; the folder must hold at least one input\n",
                argv[0]);
        return 2;
    }
    watch_for_death();
    for (int i = 0; i < count; i++)
        run_one(inputs[i].data, inputs[i].size);
    long rounds = run_mutations(inputs, count, argc > 2 ? atof(argv[2]) : SECONDS_DEFAULT);
    for (int i = 0; i < count; i++)
        free(inputs[i].data);
    printf("%d inputs and %ld mutations\n", count, rounds);
    return 0;
}
