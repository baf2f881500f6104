/* One frame of noise through a model's decoder, as a whole or in bands.
 *
 *   bench_bands MODEL WIDTH HEIGHT ROWS [OUT]   ROWS 0: as the size wants it; OUT: pixels, float32
 *   bench_bands --plan MODEL WIDTH HEIGHT ROWS  what it would take; the folder needs no weights
 *
 * Two threads. Prints seconds, bytes and operations. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/xalloc.h"
#include "engine/model/vae.h"

#define MIB 1048576.0

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool decode(struct vae *v, int height, int width, const char *path, struct error *err)
{
    const int channels = vae_config_of(v)->latent_channels,
              factor = vae_config_factor(vae_config_of(v));
    const size_t count = (size_t)height * (size_t)width;
    const size_t pixels = count * (size_t)(factor * factor * vae_config_of(v)->out_channels);
    float *in = xcalloc(count * (size_t)channels, sizeof *in), *out = xcalloc(pixels, sizeof *out);
    for (size_t i = 0; i < count * (size_t)channels; i++)
        in[i] = sinf((float)i * 1.3f) + cosf((float)i * 0.001f);
    const double start = seconds_now();
    const bool ok = vae_decode(v, height, width, in, out, err);
    printf("decode %.2f s\n", seconds_now() - start);
    FILE *f = path != NULL ? fopen(path, "wb") : NULL;
    if (f != NULL && (fwrite(out, sizeof *out, pixels, f) != pixels || fclose(f) != 0))
        perror(path);
    free(in);
    free(out);
    return ok;
}

static void report(const struct ops *ops)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("tensors %.1f MiB, live %.1f MiB, workspace %.1f MiB, peak RSS %.1f MiB, %.2f GFLOP\n",
           (double)ops->planned_bytes / MIB, (double)ops->live_bytes / MIB,
           (double)ops->backend->usage(ops->context).workspace_bytes / MIB,
           (double)usage.ru_maxrss / 1024, ops_flops(ops) * 1e-9);
}

int main(int argc, char **argv)
{
    struct error err = {0};
    const bool plan = argc > 1 && strcmp(argv[1], "--plan") == 0;
    argv += plan, argc -= plan;
    if (argc < 5) return fprintf(stderr, "bench_bands [--plan] MODEL WIDTH HEIGHT ROWS [OUT]\n"), 2;
    struct ops *ops = ops_new("cpu", 2, &err);
    if (ops != NULL) ops->sketch = plan;
    struct model_parts *parts = ops != NULL ? model_parts_open(argv[1], NULL, &err) : NULL;
    struct vae *v = parts != NULL ? vae_open(parts, ops, &err) : NULL;
    bool ok = v != NULL;
    if (ok) {
        const int factor = vae_config_factor(vae_config_of(v));
        const int width = atoi(argv[2]) / factor, height = atoi(argv[3]) / factor;
        vae_set_bands(v, atoi(argv[4]));
        ok = vae_plan_decode(v, height, width, &err) &&
             (plan || decode(v, height, width, argv[5], &err));
    }
    if (ok) report(ops);
    if (!ok) fprintf(stderr, "bench_bands: %s\n", err.message);
    vae_close(v);
    model_parts_close(parts);
    ops_free(ops);
    return ok ? 0 : 1;
}
