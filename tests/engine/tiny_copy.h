/* tiny_copy: a folder of a test's own, copies and edits of the tiny model in it. */
#ifndef ZOE_TESTS_ENGINE_TINY_COPY_H
#define ZOE_TESTS_ENGINE_TINY_COPY_H

#include "fixture.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"

/* mkdtemp; scratch_remove frees it. */
static inline char *scratch_folder(void)
{
    const char *base = getenv("TMPDIR");
    char *folder;
    if (base == NULL || base[0] == '\0') base = "/tmp";
    folder = xasprintf("%s/zoe-engine-XXXXXX", base);
    assert_non_null(mkdtemp(folder));
    return folder;
}

static inline void scratch_remove(char *folder)
{
    struct error err = {0};
    expect_ok(path_remove_tree(folder, &err), &err);
    free(folder);
}

static inline char *scratch_path(const char *folder, const char *name)
{
    return path_join(folder, name);
}

static inline void scratch_write(const char *folder, const char *name, const void *data,
                                 size_t size)
{
    struct error err = {0};
    char *path = path_join(folder, name), *parent = path_dirname(path);
    expect_ok(path_make_folders(parent, 0700, &err), &err);
    expect_ok(path_write_atomic(path, data, size, 0600, &err), &err);
    free(parent);
    free(path);
}

static inline void scratch_write_text(const char *folder, const char *name, const char *text)
{
    scratch_write(folder, name, text, strlen(text));
}

static inline void scratch_copy(const char *from, const char *folder, const char *name)
{
    struct error err = {0};
    struct buf data = BUF_INIT;
    char *source = path_join(from, name);
    expect_ok(path_read(source, (size_t)64 << 20, &data, &err), &err);
    scratch_write(folder, name, data.data, data.size);
    buf_finish(&data);
    free(source);
}

/* A diffusers folder without its goldens. */
static inline void scratch_copy_model(const char *model, const char *folder)
{
    static const char *const files[] = {"model_index.json",
                                        "scheduler/scheduler_config.json",
                                        "text_encoder/config.json",
                                        "text_encoder/model.safetensors",
                                        "tokenizer/merges.txt",
                                        "tokenizer/special_tokens_map.json",
                                        "tokenizer/tokenizer_config.json",
                                        "tokenizer/vocab.json",
                                        "unet/config.json",
                                        "unet/diffusion_pytorch_model.safetensors",
                                        "vae/config.json",
                                        "vae/diffusion_pytorch_model.safetensors"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        scratch_copy(model, folder, files[i]);
}

static inline void scratch_copy_tiny(const char *folder)
{
    scratch_copy_model(TINY, folder);
}

/* Sets (or with "null" sets to null, with NULL removes) one member of a JSON file. */
static inline void scratch_edit(const char *folder, const char *name, const char *key,
                                const char *value)
{
    struct error err = {0};
    char *path = path_join(folder, name);
    json_t *object = json_parse_file(path, 1 << 20, &err);
    expect_ok(object != NULL, &err);
    if (value == NULL)
        json_object_del(object, key);
    else
        json_object_set_new(object, key, json_loads(value, JSON_DECODE_ANY, NULL));
    char *text = json_pretty(object);
    scratch_write(folder, name, text, strlen(text));
    free(text);
    json_decref(object);
    free(path);
}

#endif
