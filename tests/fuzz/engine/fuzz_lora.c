/* A LoRA file from outside against a small base: whatever is matched can be merged. */
#define _GNU_SOURCE /* memfd_create */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "engine/lora/lora_set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FLOATS_MAX 1024

static const struct {
    const char *name;
    bool text;
    int rank;
    int64_t dim[5];
} tensors[] = {
    {"conv_in.weight", false, 4, {4, 2, 3, 3}},
    {"conv_in.bias", false, 1, {4}},
    {"transformer_in.proj_in.weight", false, 2, {4, 4}},
    {"down_blocks.0.resnets.0.conv1.weight", false, 4, {4, 4, 3, 3}},
    {"down_blocks.0.temp_convs.0.conv1.2.weight", false, 5, {4, 4, 3, 1, 1}},
    {"down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight", false, 2, {4, 4}},
    {"down_blocks.0.attentions.0.transformer_blocks.0.ff.net.0.proj.weight", false, 2, {8, 4}},
    {"mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0.weight", false, 2, {4, 4}},
    {"text_model.encoder.layers.0.self_attn.q_proj.weight", true, 2, {4, 4}},
    {"text_model.embeddings.position_embedding.weight", true, 2, {7, 4}},
};

#define TENSORS (sizeof tensors / sizeof tensors[0])

static struct lora_base *make_base(void)
{
    struct lora_base *base = lora_base_new();
    for (size_t i = 0; i < TENSORS; i++)
        lora_base_add(base, tensors[i].text, tensors[i].name, tensors[i].rank, tensors[i].dim);
    lora_base_finish(base);
    return base;
}

static void merge_all(const struct lora_set *set, struct threads *threads)
{
    static const float zeros[FLOATS_MAX];
    for (size_t i = 0; i < TENSORS; i++) {
        struct weight_array array = {zeros, TENSOR_F32, 1};
        for (int k = 0; k < tensors[i].rank; k++)
            array.count *= tensors[i].dim[k];
        if (lora_set_changes(set, tensors[i].name))
            free(lora_set_merge(set, tensors[i].name, &array, threads, NULL));
    }
}

static void match(const char *path, const struct lora_base *base, struct threads *threads)
{
    json_t *loras = json_pack("[{ss sf}]", "path", path, "strength", 0.5);
    struct lora_set *set = lora_set_open(loras, base, NULL);
    if (set != NULL) {
        json_decref(lora_set_report(set));
        merge_all(set, threads);
    }
    lora_set_close(set);
    json_decref(loras);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[32];
    const int fd = memfd_create("input", MFD_CLOEXEC);
    if (fd < 0) return 0;
    struct threads *threads = threads_new(1, NULL);
    struct lora_base *base = make_base();
    ZOE_ASSERT(threads != NULL);
    if (write(fd, data, size) == (ssize_t)size) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        match(path, base, threads);
    }
    lora_base_free(base);
    threads_free(threads);
    close(fd);
    return 0;
}
