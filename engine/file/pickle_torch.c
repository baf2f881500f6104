#include "engine/file/pickle_torch.h"

#include <string.h>

#include "engine/file/pickle_machine.h"

static const struct {
    const char *name;
    enum tensor_dtype dtype;
} storages[] = {
    {"torch FloatStorage", TENSOR_F32},     {"torch HalfStorage", TENSOR_F16},
    {"torch BFloat16Storage", TENSOR_BF16}, {"torch DoubleStorage", TENSOR_F64},
    {"torch LongStorage", TENSOR_I64},      {"torch IntStorage", TENSOR_I32},
    {"torch ShortStorage", TENSOR_I16},     {"torch CharStorage", TENSOR_I8},
    {"torch ByteStorage", TENSOR_U8},       {"torch BoolStorage", TENSOR_BOOL},
};

/* ---- storages ---- */

static const struct pickle_value *item(const struct pickle_value *list, size_t index)
{
    return index < list->items.count ? list->items.at[index] : NULL;
}

static bool is(const struct pickle_value *value, enum pickle_kind kind)
{
    return value != NULL && value->kind == kind;
}

static void make_inert(struct pickle_value *out, const char *name)
{
    out->kind = PICKLE_INERT;
    out->text = name;
}

/* ('storage', class, key, device, elements) */
void pickle_torch_storage(const struct pickle_value *id, struct pickle_value *out)
{
    make_inert(out, "a persistent id");
    if (!is(id, PICKLE_TUPLE)) return;
    const struct pickle_value *class = item(id, 1), *key = item(id, 2), *count = item(id, 4);
    if (!is(class, PICKLE_CLASS) || !is(key, PICKLE_TEXT) || !is(count, PICKLE_INT) ||
        count->integer < 0)
        return;
    make_inert(out, class->text);
    for (size_t i = 0; i < sizeof storages / sizeof storages[0]; i++)
        if (strcmp(storages[i].name, class->text) == 0) {
            out->kind = PICKLE_STORAGE;
            out->storage = (struct pickle_storage){key->text, storages[i].dtype, count->integer};
        }
}

/* ---- tensors ---- */

static bool read_numbers(const struct pickle_value *list, int64_t *out, int *count_out)
{
    if (!is(list, PICKLE_TUPLE) && !is(list, PICKLE_LIST)) return false;
    if (list->items.count > PICKLE_RANK_MAX) return false;
    for (size_t i = 0; i < list->items.count; i++) {
        if (!is(list->items.at[i], PICKLE_INT) || list->items.at[i]->integer < 0) return false;
        out[i] = list->items.at[i]->integer;
    }
    *count_out = (int)list->items.count;
    return true;
}

/* (storage, offset, sizes, strides, ..) */
static void make_tensor(const struct pickle_value *args, struct pickle_value *out)
{
    const struct pickle_value *storage = item(args, 0), *offset = item(args, 1);
    struct pickle_tensor tensor = {.storage = storage};
    int strides = 0;
    tensor.sound = storage != NULL && is(offset, PICKLE_INT) && offset->integer >= 0 &&
                   read_numbers(item(args, 2), tensor.dim, &tensor.rank) &&
                   read_numbers(item(args, 3), tensor.stride, &strides) && strides == tensor.rank;
    if (tensor.sound) tensor.offset = offset->integer;
    out->kind = PICKLE_TENSOR;
    out->tensor = tensor;
}

/* () or ([(key, value), ..],) */
static void make_dict(const struct pickle_value *args, struct pickle_value *out)
{
    const struct pickle_value *pairs = item(args, 0);
    out->kind = PICKLE_DICT;
    out->items = (struct pickle_list){0};
    if (!is(pairs, PICKLE_LIST) && !is(pairs, PICKLE_TUPLE)) return;
    for (size_t i = 0; i < pairs->items.count; i++) {
        const struct pickle_value *pair = pairs->items.at[i];
        if ((!is(pair, PICKLE_LIST) && !is(pair, PICKLE_TUPLE)) || pair->items.count != 2) continue;
        pickle_list_add(&out->items, pair->items.at[0]);
        pickle_list_add(&out->items, pair->items.at[1]);
    }
}

static const struct {
    const char *name;
    void (*make)(const struct pickle_value *args, struct pickle_value *out);
} makers[] = {
    {"collections OrderedDict", make_dict},
    {"torch._utils _rebuild_tensor", make_tensor},
    {"torch._utils _rebuild_tensor_v2", make_tensor},
};

static const char *const wrappers[] = {
    "torch._utils _rebuild_parameter",
    "torch._utils _rebuild_parameter_with_state",
};

struct pickle_value *pickle_torch_pass(const struct pickle_value *maker, struct pickle_value *args)
{
    if (!is(maker, PICKLE_CLASS) || !is(args, PICKLE_TUPLE) || args->items.count == 0) return NULL;
    for (size_t i = 0; i < sizeof wrappers / sizeof wrappers[0]; i++)
        if (strcmp(wrappers[i], maker->text) == 0) return args->items.at[0];
    return NULL;
}

void pickle_torch_make(const struct pickle_value *maker, const struct pickle_value *args,
                       struct pickle_value *out)
{
    const bool named = is(maker, PICKLE_CLASS) || is(maker, PICKLE_INERT);
    make_inert(out, named ? maker->text : "an object");
    if (!is(maker, PICKLE_CLASS) || !is(args, PICKLE_TUPLE)) return;
    for (size_t i = 0; i < sizeof makers / sizeof makers[0]; i++)
        if (strcmp(makers[i].name, maker->text) == 0) makers[i].make(args, out);
}
