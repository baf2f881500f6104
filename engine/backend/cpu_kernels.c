#include "engine/backend/cpu_kernels.h"

extern const struct cpu_kernels cpu_kernels_portable;
#if defined(__x86_64__)
extern const struct cpu_kernels cpu_kernels_avx2;
#endif

/* From the slowest to the fastest. */
static const struct cpu_kernels *const rows[] = {
    &cpu_kernels_portable,
#if defined(__x86_64__)
    &cpu_kernels_avx2,
#endif
};

#define ROW_COUNT ((int)(sizeof rows / sizeof rows[0]))

const struct cpu_kernels *const *cpu_kernels_all(int *count_out)
{
    *count_out = ROW_COUNT;
    return rows;
}

const struct cpu_kernels *cpu_kernels_best(void)
{
    int row = ROW_COUNT - 1;
    while (!rows[row]->runs_here())
        row--;
    return rows[row];
}
