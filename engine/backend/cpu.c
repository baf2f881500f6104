/* cpu: the backend's table, its context and its memory. */
#include "engine/backend/cpu.h"

#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "engine/tensor_arena.h"

#define ALIGN_FLOATS 16

struct backend_context *cpu_open_with(const struct cpu_kernels *kernels, struct threads *threads,
                                      struct error *err)
{
    struct backend_context *c = alloc_checked(1, sizeof *c, "cpu backend", err);
    if (c == NULL) return NULL;
    c->threads = threads;
    c->kernels = kernels;
    return c;
}

static struct backend_context *cpu_open(struct threads *threads, struct error *err)
{
    return cpu_open_with(cpu_kernels_best(), threads, err);
}

static void cpu_close(struct backend_context *c)
{
    if (c == NULL) return;
    free(c->scratch);
    free(c->shared);
    free(c);
}

/* OpenBLAS decides bits only where products are left to it. */
static void cpu_variant(const struct backend_context *c, char *out, size_t out_size)
{
    char version[32] = "";
    if (!c->kernels->uses_blas) {
        snprintf(out, out_size, "%s", c->kernels->name);
        return;
    }
    sscanf(openblas_get_config(), "OpenBLAS %31s", version);
    snprintf(out, out_size, "%s/openblas-%s-%s", c->kernels->name, version,
             openblas_get_corename());
}

/* ---- memory ---- */

static void *aligned(size_t size_bytes, const char *what, struct error *err)
{
    void *memory = NULL;
    if (size_bytes == 0) size_bytes = ARENA_ALIGN_BYTES;
    if (posix_memalign(&memory, ARENA_ALIGN_BYTES, size_bytes) == 0) return memory;
    error_set(err, ERROR_NO_MEMORY, "no memory for %zu bytes of %s", size_bytes, what);
    return NULL;
}

static void *cpu_memory_new(struct backend_context *c, size_t size_bytes, struct error *err)
{
    (void)c;
    return aligned(size_bytes, "tensors", err);
}

static void cpu_memory_free(struct backend_context *c, void *memory)
{
    (void)c;
    free(memory);
}

static void cpu_plan_begin(struct backend_context *c)
{
    c->planning = true;
}

static bool grow(float **memory, size_t *size, size_t wanted, size_t times, struct error *err)
{
    size_t count, bytes;
    if (wanted <= *size) return true;
    free(*memory);
    *memory = NULL;
    *size = 0;
    if (!size_mul(wanted, times, &count) || !size_mul(count, sizeof(float), &bytes))
        return error_set(err, ERROR_NO_MEMORY, "the workspace does not fit an address space");
    *memory = aligned(bytes, "workspace", err);
    if (*memory == NULL) return false;
    *size = wanted;
    return true;
}

static bool cpu_plan_end(struct backend_context *c, struct error *err)
{
    c->planning = false;
    if (c->failure.code != ERROR_NONE) {
        if (err != NULL) *err = c->failure;
        error_clear(&c->failure);
        return false;
    }
    return grow(&c->scratch, &c->scratch_size, c->scratch_wanted, (size_t)threads_count(c->threads),
                err) &&
           grow(&c->shared, &c->shared_size, c->shared_wanted, 1, err);
}

static struct backend_usage cpu_usage(const struct backend_context *c)
{
    const size_t threads = (size_t)threads_count(c->threads);
    return (struct backend_usage){
        .workspace_bytes = (c->scratch_wanted * threads + c->shared_wanted) * sizeof(float),
        .transformed_bytes = c->transformed_bytes};
}

static void want(size_t *most, size_t count)
{
    const size_t wanted = cpu_round_up(count, ALIGN_FLOATS);
    if (wanted > *most) *most = wanted;
}

bool cpu_planned(struct backend_context *c, size_t scratch, size_t shared)
{
    if (c->planning) {
        want(&c->scratch_wanted, scratch);
        want(&c->shared_wanted, shared);
        return true;
    }
    ZOE_ASSERT(scratch <= c->scratch_size && shared <= c->shared_size);
    return false;
}

float *cpu_scratch(const struct backend_context *c, int thread)
{
    return c->scratch + (size_t)thread * c->scratch_size;
}

/* ---- host ---- */

static void cpu_write(struct backend_context *c, struct tensor *y, const float *host)
{
    if (c->planning) return;
    memcpy(y->data, host, (size_t)tensor_count(y) * sizeof *host);
}

static void cpu_read(struct backend_context *c, const struct tensor *x, float *host)
{
    if (c->planning) return;
    memcpy(host, x->data, (size_t)tensor_count(x) * sizeof *host);
}

static void cpu_sync(struct backend_context *c)
{
    (void)c;
}

extern const struct backend backend_cpu;
const struct backend backend_cpu = {
    .name = "cpu",
    .device = "host",
    .open = cpu_open,
    .close = cpu_close,
    .variant = cpu_variant,
    .prepare = cpu_weight_prepare,
    .release = cpu_weight_release,
    .memory_new = cpu_memory_new,
    .memory_free = cpu_memory_free,
    .plan_begin = cpu_plan_begin,
    .plan_end = cpu_plan_end,
    .usage = cpu_usage,
    .write = cpu_write,
    .read = cpu_read,
    .sync = cpu_sync,
    .conv2d = cpu_conv_2d,
    .conv_time = cpu_conv_time,
    .linear = cpu_linear,
    .group_norm = cpu_norm_group,
    .group_sums = cpu_norm_sums,
    .group_norm_by = cpu_norm_group_by,
    .layer_norm = cpu_norm_layer,
    .attention = cpu_attention,
    .activate = cpu_simple_activate,
    .add = cpu_simple_add,
    .add_channels = cpu_simple_add_channels,
    .concat = cpu_simple_concat,
    .resize = cpu_simple_resize,
    .repeat = cpu_simple_repeat,
    .embed = cpu_simple_embed,
    .conv2d_fused = cpu_conv_2d_fused,
    .conv_time_fused = cpu_conv_time_fused,
    .linear_fused = cpu_linear_fused,
    .feed_forward_fused = cpu_linear_feed_forward,
};
