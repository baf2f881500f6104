/* cpu_cut: how a convolution is cut into items: boxes of cells (pixels, or Winograd's tiles) within
 * one video, and shares of the output channels where boxes are few. Depends on shapes alone, and on
 * nothing but one video's. */
#ifndef ZOE_ENGINE_BACKEND_CPU_CUT_H
#define ZOE_ENGINE_BACKEND_CPU_CUT_H

#include <stdint.h>

#include "engine/tensor.h"

struct cpu_cut {
    int batch, all_frames, height, width, channels; /* what is cut */
    int frames, rows, columns;                      /* of an item, at most */
    int frame_items, row_items, column_items;
    int shares, share_channels;
};

struct cpu_place { /* of one item */
    int batch, frame, row, column;
    int frames, rows, columns;
    int first, last; /* channels */
};

/* `height` x `width` cells an image of y, about `cells` an item; shares begin at multiples of
 * `panel` channels. */
struct cpu_cut cpu_cut_of(const struct tensor *y, int height, int width, int cells, int panel);
int64_t cpu_cut_items(const struct cpu_cut *cut);
struct cpu_place cpu_cut_place(const struct cpu_cut *cut, int64_t item);

#endif
