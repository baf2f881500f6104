#include "engine/lora/lora_base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "base/xalloc.h"
#include "engine/lora/lora_original.h"

struct lora_base {
    struct lora_module *modules;
    int count, capacity;
    struct table by_name; /* diffusers' -> index + 1, while tensors are added */
    struct table aliases; /* joined spelling -> index + 1 */
};

static void *as_value(int index)
{
    return (void *)(uintptr_t)(index + 1); /* NOLINT: an index, never a place */
}

static int as_index(const void *value)
{
    return (int)(uintptr_t)value - 1;
}

struct lora_base *lora_base_new(void)
{
    struct lora_base *b = xcalloc(1, sizeof *b);
    table_init(&b->by_name);
    table_init(&b->aliases);
    return b;
}

void lora_base_free(struct lora_base *b)
{
    if (b == NULL) return;
    for (int i = 0; i < b->count; i++)
        free(b->modules[i].name);
    free(b->modules);
    table_finish(&b->by_name);
    table_finish(&b->aliases);
    free(b);
}

/* ---- adding ---- */

static struct lora_module *module_of(struct lora_base *b, const char *name, bool text)
{
    const void *known = table_get_text(&b->by_name, name);
    if (known != NULL) return &b->modules[as_index(known)];
    if (b->count == b->capacity) {
        b->capacity = b->capacity == 0 ? 256 : 2 * b->capacity;
        b->modules = xrealloc_array(b->modules, (size_t)b->capacity, sizeof *b->modules);
    }
    struct lora_module *m = &b->modules[b->count];
    memset(m, 0, sizeof *m);
    m->name = xstrdup(name);
    m->text = text;
    table_set_text(&b->by_name, name, as_value(b->count++));
    return m;
}

static bool ends_with(const char *text, const char *ending)
{
    const size_t length = strlen(text), tail = strlen(ending);
    return length > tail && strcmp(text + length - tail, ending) == 0;
}

void lora_base_add(struct lora_base *b, bool text, const char *tensor, int rank, const int64_t *dim)
{
    char name[LORA_NAME_SIZE];
    const bool weight = ends_with(tensor, ".weight");
    if ((!weight && !ends_with(tensor, ".bias")) || strlen(tensor) >= sizeof name) return;
    strcpy(name, tensor);
    *strrchr(name, '.') = '\0';
    int64_t count = 1;
    for (int i = 0; i < rank; i++)
        count *= dim[i]; /* an open file's: they fit */
    struct lora_module *m = module_of(b, name, text);
    if (!weight) {
        m->bias_count = count;
        return;
    }
    m->rank = rank;
    memcpy(m->dim, dim, (size_t)rank * sizeof *dim);
    m->count = count;
    m->embedding = text && ends_with(name, "_embedding");
}

static void note_level(struct lora_layout *layout, const char *name)
{
    int level, index;
    if (sscanf(name, "down_blocks.%2d.resnets.%2d", &level, &index) == 2 && index >= layout->layers)
        layout->layers = index + 1;
    if (sscanf(name, "up_blocks.%2d.attentions.%2d", &level, &index) == 2 && level >= 0 &&
        level < 32)
        layout->up_attends |= 1u << level;
    if (strstr(name, "temp_convs.") != NULL) layout->temporal = true;
}

static void add_alias(struct lora_base *b, const char *spelling, int index)
{
    char joined[LORA_NAME_SIZE];
    if (lora_key_join(spelling, joined) && table_get_text(&b->aliases, joined) == NULL)
        table_set_text(&b->aliases, joined, as_value(index));
}

void lora_base_finish(struct lora_base *b)
{
    struct lora_layout layout = {0};
    char original[LORA_NAME_SIZE];
    for (int i = 0; i < b->count; i++) {
        if (!b->modules[i].text) note_level(&layout, b->modules[i].name);
        add_alias(b, b->modules[i].name, i);
    }
    for (int i = 0; i < b->count; i++)
        if (lora_original_name(&layout, b->modules[i].text, b->modules[i].name, original))
            add_alias(b, original, i);
}

/* ---- asking ---- */

int lora_base_count(const struct lora_base *b)
{
    return b->count;
}

const struct lora_module *lora_base_at(const struct lora_base *b, int index)
{
    return &b->modules[index];
}

int lora_base_find(const struct lora_base *b, const char *joined)
{
    return as_index(table_get_text(&b->aliases, joined));
}

/* ---- walking ---- */

/* In which order a class registers its parts. No name stands in two classes in different orders,
 * so one list serves them all; two pairs changed places between versions and kinds of UNet. */
static const char *const registration[] = {
    "conv_in",
    "time_embedding",
    "transformer_in",
    "down_blocks",
    "up_blocks",
    "mid_block",
    "linear_1",
    "linear_2",
    "resnets",
    "temp_convs",
    "attentions",
    "temp_attentions",
    "downsamplers",
    "upsamplers",
    "norm",
    "proj_in",
    "transformer_blocks",
    "proj_out",
    "norm1",
    "conv1",
    "attn1",
    "time_emb_proj",
    "norm2",
    "conv2",
    "attn2",
    "norm3",
    "conv3",
    "conv4",
    "conv_shortcut",
    "ff",
    "to_q",
    "to_k",
    "to_v",
    "to_out",
    "conv_norm_out",
    "conv_out",
    "embeddings",
    "encoder",
    "token_embedding",
    "position_embedding",
    "self_attn",
    "k_proj",
    "v_proj",
    "q_proj",
    "out_proj",
    "layer_norm1",
    "mlp",
    "fc1",
    "fc2",
    "layer_norm2",
    "final_layer_norm",
};

#define REGISTRATIONS ((int)(sizeof registration / sizeof registration[0]))

enum { WALK_EARLY_FEED_FORWARD = 1, WALK_ATTENTION_FIRST = 2 };

static int registered(const char *part, size_t length)
{
    for (int i = 0; i < REGISTRATIONS; i++)
        if (strlen(registration[i]) == length && strncmp(registration[i], part, length) == 0)
            return i;
    return REGISTRATIONS;
}

static bool is_part(const char *part, size_t length, const char *name)
{
    return strlen(name) == length && strncmp(part, name, length) == 0;
}

/* Twice the place in the list, or the odd number after the part that one is moved behind:
 * diffusers before 0.18 made the feed-forward before the second attention; blocks without time
 * make their attentions before their residual blocks. */
static int place_of(const char *part, size_t length, int variant)
{
    if ((variant & WALK_EARLY_FEED_FORWARD) != 0 && is_part(part, length, "ff"))
        return 2 * registered("attn1", 5) + 1;
    if ((variant & WALK_ATTENTION_FIRST) != 0 && is_part(part, length, "attentions"))
        return 2 * registered("linear_2", 8) + 1;
    return 2 * registered(part, length);
}

static int compare_parts(const char *a, size_t a_length, const char *b, size_t b_length,
                         int variant)
{
    if (a[0] >= '0' && a[0] <= '9' && b[0] >= '0' && b[0] <= '9') {
        const long x = strtol(a, NULL, 10), y = strtol(b, NULL, 10);
        return x < y ? -1 : x > y;
    }
    return place_of(a, a_length, variant) - place_of(b, b_length, variant);
}

static int compare_names(const char *a, const char *b, int variant)
{
    for (;;) {
        const size_t a_length = strcspn(a, "."), b_length = strcspn(b, ".");
        const int order = compare_parts(a, a_length, b, b_length, variant);
        if (order != 0) return order;
        a += a_length;
        b += b_length;
        if (*a == '\0' || *b == '\0') return (*a != '\0') - (*b != '\0');
        a++;
        b++;
    }
}

/* Where objects of a class stand: the last part of their path, or the one before a number. */
static const struct {
    const char *name, *part;
} class_places[] = {
    {"CrossAttention", "attn1"},
    {"CrossAttention", "attn2"},
    {"Attention", "attn1"},
    {"Attention", "attn2"},
    {"GEGLU", "net"},
    {"FeedForward", "ff"},
    {"ResnetBlock2D", "resnets"},
    {"TemporalConvLayer", "temp_convs"},
    {"Transformer2DModel", "attentions"},
    {"TransformerTemporalModel", "temp_attentions"},
    {"TransformerTemporalModel", "transformer_in"},
    {"BasicTransformerBlock", "transformer_blocks"},
    {"CLIPEncoderLayer", "layers"},
    {"CLIPAttention", "self_attn"},
    {"CLIPMLP", "mlp"},
};

static bool has_part(const char *name, const char *part)
{
    const size_t length = strlen(part);
    for (const char *at = name; (at = strstr(at, part)) != NULL; at += length)
        if ((at == name || at[-1] == '.') && at[length] == '.') return true;
    return false;
}

/* GEGLU is the first of the feed-forward's net; its second linear layer lies outside. */
static bool lies_under(const struct lora_module *m, const char *class_name)
{
    if (strncmp(class_name, "UNet", 4) == 0) return !m->text;
    if (strncmp(class_name, "CLIPText", 8) == 0) return m->text;
    if (strcmp(class_name, "GEGLU") == 0 && strstr(m->name, "net.0.") == NULL) return false;
    for (size_t i = 0; i < sizeof class_places / sizeof class_places[0]; i++)
        if (strcmp(class_places[i].name, class_name) == 0 &&
            has_part(m->name, class_places[i].part))
            return true;
    return false;
}

static bool is_wanted(const struct lora_module *m, bool text, const json_t *classes)
{
    const json_t *item;
    size_t i;
    if (m->text != text || m->rank < 2 || m->embedding) return false;
    if (classes == NULL) return !text || lies_under(m, "CLIPEncoderLayer");
    json_array_foreach(classes, i, item)
    {
        if (json_is_string(item) && lies_under(m, json_string_value(item))) return true;
    }
    return false;
}

int lora_base_walk(const struct lora_base *b, bool text, const json_t *classes, int variant,
                   int *out)
{
    int count = 0;
    for (int i = 0; i < b->count; i++) {
        if (!is_wanted(&b->modules[i], text, classes)) continue;
        int at = count++;
        const char *name = b->modules[i].name;
        /* Insertion from the back: the few hundred names come nearly sorted. */
        for (; at > 0 && compare_names(b->modules[out[at - 1]].name, name, variant) > 0; at--)
            out[at] = out[at - 1];
        out[at] = i;
    }
    return count;
}
