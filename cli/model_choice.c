/* A table of forms of weights, each with its rank, and three small sets of names. */
#include "cli/model_choice.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/xalloc.h"

/* ---- listing ---- */

struct listed_file *listing_add(struct listing *l, const char *path, struct error *err)
{
    if (!path_is_safe_relative(path)) {
        error_set(err, ERROR_INVALID, "the list of files names '%.200s', which is no safe path",
                  path);
        return NULL;
    }
    if (l->count >= MODEL_LISTING_MAX) {
        error_set(err, ERROR_REFUSED, "more than %d files: name the model's own folder or file",
                  MODEL_LISTING_MAX);
        return NULL;
    }
    l->files = xrealloc_array(l->files, l->count + 1, sizeof *l->files);
    l->files[l->count] = (struct listed_file){.path = xstrdup(path)};
    return &l->files[l->count++];
}

void listing_finish(struct listing *l)
{
    for (size_t i = 0; i < l->count; i++) {
        free(l->files[i].path);
        free(l->files[i].url);
    }
    free(l->files);
    *l = (struct listing){0};
}

uint64_t listing_chosen_bytes(const struct listing *l, size_t *count_out)
{
    uint64_t sum = 0;
    *count_out = 0;
    for (size_t i = 0; i < l->count; i++) {
        if (!l->files[i].chosen) continue;
        sum += l->files[i].size_bytes;
        (*count_out)++;
    }
    return sum;
}

static int by_path(const void *a, const void *b)
{
    const struct listed_file *x = a, *y = b;
    return strcmp(x->path, y->path);
}

static struct listed_file *find(const struct listing *l, const char *path)
{
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->files[i].path, path) == 0) return &l->files[i];
    return NULL;
}

const char *model_listing_form_name(enum model_listing_form form)
{
    static const char *const NAMES[] = {"diffusers", "original", "single"};
    return NAMES[form];
}

/* ---- weights of one folder ---- */

/* Patterns of file names without their folder; the first that is there stands for the weights. An
 * index names the shards that follow it. */
struct weights_form {
    const char *lead;   /* the file, or the index */
    const char *shards; /* or NULL */
};

#define FORMS(stem, end, endindex)                                                                 \
    {stem ".fp16" end, NULL}, {stem endindex ".index.fp16.json", stem ".fp16-*" end},              \
        {stem ".fp16" endindex ".index.json", stem ".fp16-*" end}, {stem end, NULL},               \
        {stem endindex ".index.json", stem "-*" end}, {stem ".bf16" end, NULL},                    \
        {stem ".non_ema" end, NULL},                                                               \
    {                                                                                              \
        stem ".fp16.non_ema" end, NULL                                                             \
    }

static const struct weights_form WEIGHTS[] = {
    FORMS("diffusion_pytorch_model", ".safetensors", ".safetensors"),
    FORMS("model", ".safetensors", ".safetensors"),
    FORMS("diffusion_pytorch_model", ".bin", ".bin"),
    FORMS("pytorch_model", ".bin", ".bin"),
};
#define WEIGHTS_COUNT (sizeof WEIGHTS / sizeof *WEIGHTS)

static bool in_folder(const char *path, const char *folder, size_t folder_size)
{
    return strncmp(path, folder, folder_size) == 0 && path[folder_size] == '/' &&
           !strchr(path + folder_size + 1, '/');
}

/* Chooses what matches `pattern` in the folder; how many there were. */
static int choose_matching(struct listing *l, const char *folder, const char *pattern)
{
    size_t size = strlen(folder);
    int count = 0;
    for (size_t i = 0; i < l->count; i++) {
        struct listed_file *f = &l->files[i];
        if (!in_folder(f->path, folder, size)) continue;
        if (fnmatch(pattern, f->path + size + 1, 0) != 0) continue;
        f->chosen = true;
        count++;
    }
    return count;
}

static bool is_half(const struct weights_form *w)
{
    return strstr(w->lead, "fp16") || strstr(w->lead, "bf16");
}

static bool is_bin(const struct weights_form *w)
{
    return strstr(w->lead, ".bin") != NULL;
}

static bool choose_form(struct listing *l, const char *folder, const struct weights_form *w)
{
    char *lead = path_join(folder, w->lead);
    struct listed_file *f = find(l, lead);
    free(lead);
    if (!f) return false;
    f->chosen = true;
    if (w->shards) choose_matching(l, folder, w->shards);
    return true;
}

/* Rows stand in the order of preference; `full` looks for the 32-bit ones first. */
static void choose_weights(struct listing *l, const char *folder, bool full)
{
    for (int bin = 0; bin < 2; bin++)
        for (int pass = full ? 0 : 1; pass < 2; pass++)
            for (size_t i = 0; i < WEIGHTS_COUNT; i++) {
                if (is_bin(&WEIGHTS[i]) != (bin == 1)) continue;
                if (pass == 0 && is_half(&WEIGHTS[i])) continue;
                if (choose_form(l, folder, &WEIGHTS[i])) return;
            }
}

/* ---- forms of models ---- */

static const char *const COMPONENTS[] = {"unet", "vae", "text_encoder", "tokenizer", "scheduler"};

static const struct {
    const char *folder, *pattern;
} SMALL_FILES[] = {
    {"unet", "config.json"},
    {"vae", "config.json"},
    {"text_encoder", "config.json"},
    {"tokenizer", "vocab.json"},
    {"tokenizer", "merges.txt"},
    {"tokenizer", "special_tokens_map.json"},
    {"tokenizer", "tokenizer_config.json"},
    {"tokenizer", "added_tokens.json"},
    {"scheduler", "scheduler_config.json"},
};

static const char *const TOP_FILES[] = {
    "model_index.json", "zoetrope.json", "canary.json", "configuration.json",
    "README.md",        "LICENSE*",      "LICENCE*",    "license*",
};

static const char *const ORIGINAL_FILES[] = {
    "text2video_pytorch_model.pth", "text2video_pytorch_model.safetensors",
    "VQGAN_autoencoder.pth",        "VQGAN_autoencoder.safetensors",
    "open_clip_pytorch_model.bin",  "open_clip_pytorch_model.safetensors",
};

static const char *const SINGLE_ENDINGS[] = {"*.safetensors", "*.ckpt", "*.pth", "*.pt", "*.bin"};

static void choose_top(struct listing *l, const char *const *patterns, size_t count)
{
    for (size_t i = 0; i < l->count; i++)
        for (size_t p = 0; p < count; p++)
            if (!strchr(l->files[i].path, '/') && fnmatch(patterns[p], l->files[i].path, 0) == 0)
                l->files[i].chosen = true;
}

/* Those of one folder, or of all (NULL). */
static void choose_small_files(struct listing *l, const char *folder)
{
    for (size_t i = 0; i < sizeof SMALL_FILES / sizeof *SMALL_FILES; i++)
        if (!folder || strcmp(SMALL_FILES[i].folder, folder) == 0)
            choose_matching(l, SMALL_FILES[i].folder, SMALL_FILES[i].pattern);
}

static void choose_diffusers(struct listing *l, bool full)
{
    choose_small_files(l, NULL);
    for (size_t i = 0; i < sizeof COMPONENTS / sizeof *COMPONENTS; i++)
        choose_weights(l, COMPONENTS[i], full);
}

static bool is_single(const char *path)
{
    if (strchr(path, '/')) return false;
    for (size_t i = 0; i < sizeof SINGLE_ENDINGS / sizeof *SINGLE_ENDINGS; i++)
        if (fnmatch(SINGLE_ENDINGS[i], path, 0) == 0) return true;
    return false;
}

static bool refuse_several(const struct listing *l, size_t count, const char *what,
                           struct error *err)
{
    struct buf names = BUF_INIT;
    for (size_t i = 0; i < l->count && names.size < 200; i++)
        if (is_single(l->files[i].path))
            buf_printf(&names, "%s%s", names.size ? ", " : "", l->files[i].path);
    error_set(err, ERROR_INVALID, "%s holds %zu single-file models; add one of them: %s", what,
              count, buf_text(&names));
    buf_finish(&names);
    return false;
}

/* X_unet.ENDING and X_text_encoder.ENDING are one LoRA in two files. */
static bool choose_pair(struct listing *l)
{
    static const char UNET[] = "_unet.";
    for (size_t i = 0; i < l->count; i++) {
        char *path = l->files[i].path, *at = strstr(path, UNET);
        if (!at || !is_single(path)) continue;
        char *other = xasprintf("%.*s_text_encoder.%s", (int)(at - path), path, at + strlen(UNET));
        struct listed_file *text = find(l, other);
        free(other);
        if (!text) continue;
        l->files[i].chosen = text->chosen = true;
        return true;
    }
    return false;
}

static bool choose_single(struct listing *l, const char *what, struct error *err)
{
    struct listed_file *only = NULL;
    size_t count = 0;
    for (size_t i = 0; i < l->count; i++) {
        if (!is_single(l->files[i].path)) continue;
        only = &l->files[i];
        count++;
    }
    if (!count)
        return error_set(err, ERROR_INVALID,
                         "%s holds no model: neither model_index.json (diffusers), "
                         "text2video_pytorch_model.pth (ModelScope) nor a .safetensors, .ckpt or "
                         ".pt file on top",
                         what);
    if (count == 2 && choose_pair(l)) return true;
    if (count > 1) return refuse_several(l, count, what, err);
    only->chosen = true;
    return true;
}

/* A folder that only has a zoetrope.json (the family `pattern`) is whole as it is. */
static bool is_described(const struct listing *l)
{
    for (size_t i = 0; i < l->count; i++)
        if (is_single(l->files[i].path)) return false;
    return find(l, "zoetrope.json") != NULL;
}

bool model_choice_make(struct listing *l, bool full, const char *what,
                       enum model_listing_form *form_out, struct error *err)
{
    if (l->count) qsort(l->files, l->count, sizeof *l->files, by_path);
    choose_top(l, TOP_FILES, sizeof TOP_FILES / sizeof *TOP_FILES);
    if (find(l, "model_index.json")) {
        *form_out = LISTING_DIFFUSERS;
        choose_diffusers(l, full);
        return true;
    }
    choose_small_files(l, "tokenizer"); /* a person's own; CLIP's is shipped */
    if (find(l, ORIGINAL_FILES[0]) || find(l, ORIGINAL_FILES[1])) {
        *form_out = LISTING_ORIGINAL;
        choose_top(l, ORIGINAL_FILES, sizeof ORIGINAL_FILES / sizeof *ORIGINAL_FILES);
        return true;
    }
    *form_out = LISTING_SINGLE;
    return is_described(l) || choose_single(l, what, err);
}
