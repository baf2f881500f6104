#include "engine/lora/lora_pair.h"

#include <math.h>
#include <string.h>

const char lora_misfit[] = "its shape does not fit the module";

static bool is_float(const struct tensor_entry *e)
{
    return e->dtype == TENSOR_F32 || e->dtype == TENSOR_F16 || e->dtype == TENSOR_BF16;
}

const char *lora_pair_array(struct tensor_file *file, const struct tensor_entry *e,
                            struct weight_array *out)
{
    if (!is_float(e)) return "it holds no floats";
    const void *data = tensor_file_data(file, e, NULL);
    *out = (struct weight_array){data, e->dtype, e->count};
    return data != NULL ? NULL : "it cannot be read";
}

/* How the flat product [rows][columns] lies in the weight. A kernel k of loralib makes factors k
 * times as wide on both sides; in time the product then has k numbers for each one of the
 * weight. */
static bool place_product(const struct lora_module *m, struct lora_delta *d)
{
    const int64_t kernel = m->rank > 2 ? m->dim[2] : 1;
    const bool in_time = m->rank == 5 && m->dim[3] == 1 && m->dim[4] == 1;
    d->kind = LORA_PRODUCT;
    d->mean = 1;
    if (m->embedding && d->rows == m->dim[1] && d->columns == m->dim[0]) {
        d->kind = LORA_PRODUCT_TURNED;
        return true;
    }
    if (d->rows == m->dim[0]) return d->columns == m->count / m->dim[0];
    if (d->rows != m->dim[0] * kernel || d->columns != m->dim[1] * kernel) return false;
    if (!in_time) return m->rank == 4 && m->dim[3] == kernel;
    d->kind = LORA_PRODUCT_MEAN;
    d->mean = (int)kernel;
    return true;
}

const char *lora_pair_fit(const struct lora_module *m, struct tensor_file *file,
                          const struct tensor_entry *up, const struct tensor_entry *down,
                          struct lora_delta *out)
{
    if (m->rank < 2 || m->count == 0 || up->rank < 2 || down->rank < 2 || up->count == 0 ||
        down->count == 0)
        return lora_misfit;
    out->rank = down->dim[0];
    out->rows = up->dim[0];
    out->columns = down->count / out->rank;
    if (up->count / out->rows != out->rank) return "its two factors have different ranks";
    if (!place_product(m, out)) return lora_misfit;
    const char *why = lora_pair_array(file, up, &out->up);
    return why != NULL ? why : lora_pair_array(file, down, &out->down);
}

bool lora_pair_scale(struct tensor_file *file, const struct tensor_entry *alpha, int64_t rank,
                     float *out)
{
    float value;
    struct weight_array array;
    const void *data = alpha->count == 1 ? tensor_file_data(file, alpha, NULL) : NULL;
    if (data == NULL) return false;
    if (alpha->dtype == TENSOR_I64) {
        int64_t whole;
        memcpy(&whole, data, sizeof whole);
        value = (float)whole;
    } else {
        if (lora_pair_array(file, alpha, &array) != NULL) return false;
        weight_array_read(&array, 0, 1, &value);
    }
    *out = value / (float)rank;
    return isfinite(*out) != 0;
}
