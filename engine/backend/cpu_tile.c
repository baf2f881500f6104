/* cpu_tile: products of a tile of rows with panels of a matrix. */
#include "base/xalloc.h"
#include "engine/backend/cpu.h"

/* So much of a panel and of six rows stays in the nearest caches. */
#define DEPTH_BLOCK 512

void cpu_tile_rows(struct cpu_tile *t, int count, const float *x, ptrdiff_t x_step, float *y,
                   ptrdiff_t y_step)
{
    ZOE_ASSERT(count <= CPU_TILE_ROWS);
    t->row_count = count;
    for (int i = 0; i < count; i++) {
        t->rows[i] = x + i * x_step;
        t->out[i] = y + i * y_step;
    }
}

/* A block of a panel from element `at` on: as it lies, or widened into `room`. */
static const float *panel_at(const struct cpu_kernels *k, const struct cpu_matrix *m, size_t at,
                             const struct cpu_product *product, float *room)
{
    if (m->narrow == NULL) return m->panels + at;
    k->widen(m->dtype, m->narrow + at,
             (ptrdiff_t)product->segment_count * product->depth * k->width, room);
    return room;
}

/* One block of depth for all panels: `product` has rows, segments and depth. */
static void multiply_block(const struct cpu_kernels *k, struct cpu_product *product,
                           const struct cpu_tile_product *p, const float *start, int depth_at)
{
    float room[DEPTH_BLOCK * CPU_PANEL_MAX];
    const struct cpu_matrix *m = p->matrix;
    for (int column = p->first; column < p->last; column += k->width) {
        product->panel =
            panel_at(k, m, (size_t)column * (size_t)m->depth + (size_t)depth_at * (size_t)k->width,
                     product, room);
        product->start = start != NULL ? start + column : NULL;
        product->column = column - p->first + p->out_first;
        product->columns = cpu_least(k->width, p->last - column);
        k->product(product);
    }
}

void cpu_tile_multiply(const struct cpu_kernels *k, const struct cpu_tile *t,
                       const struct cpu_tile_product *p)
{
    struct cpu_product product = {.row_count = t->row_count, .rows = t->rows, .out = t->out};
    product.add = t->has_add ? t->add : NULL;
    const float *start = t->start;
    const int segment_step = p->depth < DEPTH_BLOCK ? DEPTH_BLOCK / p->depth : 1;
    for (int s = 0; s < p->segment_count; s += segment_step)
        for (int d = 0; d < p->depth; d += DEPTH_BLOCK) {
            ptrdiff_t segments[DEPTH_BLOCK];
            product.segment_count = cpu_least(segment_step, p->segment_count - s);
            product.depth = cpu_least(DEPTH_BLOCK, p->depth - d);
            for (int i = 0; i < product.segment_count; i++)
                segments[i] = p->segments[s + i] + d;
            product.segments = segments;
            multiply_block(k, &product, p, start, p->depth_first + s * p->depth + d);
            product.add = (const float *const *)t->out;
            start = NULL;
        }
}
