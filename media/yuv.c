/* BT.709 in integers. With Kr 0.2126, Kg 0.7152, Kb 0.0722 and L the weighted sum times 10000:
 *
 *     Y  = 16  + 219 L / (255 * 10000)
 *     Cb = 128 + 224 (10000 B - L) / (255 * 18556)          18556 = 2 (1 - Kb) * 10000
 *     Cr = 128 + 224 (10000 R - L) / (255 * 15748)          15748 = 2 (1 - Kr) * 10000
 *
 * rounded once, to the nearest. */
#include "media/yuv.h"

#define LUMA_DIVISOR (255 * 10000)
#define CHROMA_PIXELS 4

struct colour {
    int r, g, b;
};

static int weighted(struct colour c)
{
    return 2126 * c.r + 7152 * c.g + 722 * c.b;
}

static struct colour pixel(const uint8_t *row, int x)
{
    const uint8_t *p = row + (ptrdiff_t)x * 3;
    return (struct colour){p[0], p[1], p[2]};
}

static void convert_luma_row(const uint8_t *rgb, int width, uint8_t *out)
{
    for (int x = 0; x < width; x++) {
        int scaled = 219 * weighted(pixel(rgb, x));
        out[x] = (uint8_t)(16 + (scaled + LUMA_DIVISOR / 2) / LUMA_DIVISOR);
    }
    if (width % 2 != 0) out[width] = out[width - 1];
}

static struct colour add(struct colour a, struct colour b)
{
    return (struct colour){a.r + b.r, a.g + b.g, a.b + b.b};
}

/* Of the pixels x and x + 1. */
static struct colour pair(const uint8_t *row, int width, int x)
{
    return add(pixel(row, x), pixel(row, x + 1 < width ? x + 1 : x));
}

static uint8_t chroma(int component, int luma, int span)
{
    int64_t divisor = (int64_t)CHROMA_PIXELS * 255 * span;
    int64_t scaled = (int64_t)224 * ((int64_t)10000 * component - luma);
    return (uint8_t)((scaled + 128 * divisor + divisor / 2) / divisor);
}

static void convert_chroma_row(const uint8_t *upper, const uint8_t *lower, int width, uint8_t *u,
                               uint8_t *v)
{
    for (int x = 0; x < width; x += 2) {
        struct colour sum = add(pair(upper, width, x), pair(lower, width, x));
        int luma = weighted(sum);
        u[x / 2] = chroma(sum.b, luma, 18556);
        v[x / 2] = chroma(sum.r, luma, 15748);
    }
}

void yuv_from_rgb(const uint8_t *rgb, int width, int height, const struct yuv_planes *out)
{
    const ptrdiff_t stride = (ptrdiff_t)width * 3;
    for (int y = 0; y < height; y += 2) {
        const uint8_t *upper = rgb + y * stride;
        const uint8_t *lower = y + 1 < height ? upper + stride : upper;
        convert_luma_row(upper, width, out->y + y * out->y_stride);
        convert_luma_row(lower, width, out->y + (y + 1) * out->y_stride);
        convert_chroma_row(upper, lower, width, out->u + y / 2 * out->uv_stride,
                           out->v + y / 2 * out->uv_stride);
    }
}
