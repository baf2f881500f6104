#include "engine/folder/tokenizer_copy.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "engine/text/vocabulary.h"

#define SD1_TEXT_WIDTH 768
#define LENGTH 77

const char *tokenizer_default_pad(int64_t text_width)
{
    return text_width == SD1_TEXT_WIDTH ? "<|endoftext|>" : "!";
}

static bool write_json(const char *folder, const char *name, json_t *value, struct error *err)
{
    char *path = path_join(folder, name), *text = json_line(value);
    const bool ok = path_write_atomic(path, text, strlen(text), 0644, err);
    free(text);
    free(path);
    json_decref(value);
    return ok;
}

static bool copy(const char *from, const char *to, const char *name, struct error *err)
{
    char *source = path_join(from, name), *target = path_join(to, name);
    struct buf data = BUF_INIT;
    const bool ok = path_read(source, VOCABULARY_FILE_LIMIT_BYTES, &data, err) &&
                    path_write_atomic(target, data.data, data.size, 0644, err);
    buf_finish(&data);
    free(source);
    free(target);
    return ok;
}

static bool has(const char *folder, const char *name)
{
    char *path = path_join(folder, name);
    const bool found = path_exists(path);
    free(path);
    return found;
}

static bool spell_vocabulary(const char *from, const char *to, struct error *err)
{
    struct table ids;
    int size;
    table_init(&ids);
    const bool ok = vocabulary_read(from, &ids, &size, err);
    json_t *vocabulary = json_object();
    const void *symbol;
    void *value;
    for (size_t at = 0; ok && (value = table_next(&ids, &at, &symbol, NULL)) != NULL;)
        json_object_set_new(vocabulary, symbol, json_integer((intptr_t)value - 1));
    table_finish(&ids);
    if (ok) return write_json(to, "vocab.json", vocabulary, err);
    json_decref(vocabulary);
    return false;
}

static json_t *special_tokens(int64_t text_width)
{
    return json_pack("{s:s, s:s, s:s, s:s}", "bos_token", "<|startoftext|>", "eos_token",
                     "<|endoftext|>", "pad_token", tokenizer_default_pad(text_width), "unk_token",
                     "<|endoftext|>");
}

static json_t *tokenizer_config(void)
{
    return json_pack("{s:s, s:i, s:b, s:b}", "tokenizer_class", "CLIPTokenizer", "model_max_length",
                     LENGTH, "do_lower_case", 1, "add_prefix_space", 0);
}

bool tokenizer_copy(const char *from, const char *to, int64_t text_width, struct error *err)
{
    const char *const special = "special_tokens_map.json", *const config = "tokenizer_config.json";
    if (!copy(from, to, "merges.txt", err)) return false;
    if (!(has(from, "vocab.json") ? copy(from, to, "vocab.json", err)
                                  : spell_vocabulary(from, to, err)))
        return false;
    if (!(has(from, special) ? copy(from, to, special, err)
                             : write_json(to, special, special_tokens(text_width), err)))
        return false;
    return has(from, config) ? copy(from, to, config, err)
                             : write_json(to, config, tokenizer_config(), err);
}
