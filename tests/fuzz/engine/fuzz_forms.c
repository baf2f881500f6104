/* Models in the older forms from outside; the first byte says which file is the input: a
 * checkpoint, a configuration.json, an index of shards. Every part gives a view and a
 * configuration, or says what is wrong. */
#include "fuzz/fuzz_folder.h"

#include "engine/engine.h"
#include "engine/folder/model_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
    const char *folder, *file;
} inputs[] = {
    {"checkpoint", "checkpoint/model.safetensors"},
    {"original", "original/configuration.json"},
    {"sharded", "sharded/unet/diffusion_pytorch_model.safetensors.index.json"},
};
#define INPUTS (sizeof(inputs) / sizeof(inputs[0]))

static void lay_out(void)
{
    fuzz_link("original/text2video_pytorch_model.pth",
              TEST_DATA "/forms/original/text2video_pytorch_model.pth");
    fuzz_link("original/VQGAN_autoencoder.pth", TEST_DATA "/forms/original/VQGAN_autoencoder.pth");
    fuzz_link("sharded/unet/config.json", TEST_DATA "/tiny/unet/config.json");
    fuzz_link("sharded/unet/a.safetensors",
              TEST_DATA "/tiny/vae/diffusion_pytorch_model.safetensors");
    fuzz_link("checkpoint/model.safetensors", "/dev/null");
}

static void open_parts(const char *folder)
{
    struct error err = {0};
    struct model_parts *parts = model_parts_open(folder, NULL, &err);
    ZOE_ASSERT(parts != NULL || err.message[0] != '\0');
    for (int i = 0; parts != NULL && i < PART_COUNT; i++) {
        const enum model_part part = (enum model_part)i;
        err = (struct error){0};
        ZOE_ASSERT(model_parts_config(parts, part, NULL, &err) != NULL || err.message[0] != '\0');
        if (part >= PART_WITH_TENSORS) continue;
        err = (struct error){0};
        ZOE_ASSERT(model_parts_tensors(parts, part, &err) != NULL || err.message[0] != '\0');
    }
    model_parts_close(parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {0};
    if (size == 0) return 0;
    const size_t which = data[0] % INPUTS;
    lay_out();
    char *file = path_join(fuzz_folder(), inputs[which].file);
    char *folder = path_join(fuzz_folder(), inputs[which].folder);
    (void)unlink(file);
    fuzz_put(inputs[which].file, data + 1, size - 1);
    open_parts(folder);
    json_t *facts = engine_describe(folder, &err);
    ZOE_ASSERT(facts != NULL || err.message[0] != '\0');
    json_decref(facts);
    free(folder);
    free(file);
    return 0;
}
