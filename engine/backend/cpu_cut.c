#include "engine/backend/cpu_cut.h"

#include "engine/backend/cpu.h"

#define ITEMS_WANTED 8 /* of one video */

/* At least four panels a share: each share gathers the input anew. */
static int shares_of(int items, int panels)
{
    const int wanted = cpu_pieces(ITEMS_WANTED, items);
    const int possible = panels / 4 > 1 ? panels / 4 : 1;
    return cpu_least(wanted, possible);
}

struct cpu_cut cpu_cut_of(const struct tensor *y, int height, int width, int cells, int panel)
{
    struct cpu_cut cut = {y->batch, y->frames, height, width, y->channels, 1, 0, 0, 0, 0, 0, 0, 0};
    cut.columns = cpu_least(width, cells);
    cut.rows = cpu_least(height, cpu_pieces(cells, cut.columns));
    if (cut.rows == height && cut.columns == width && height * width < cells)
        cut.frames = cpu_least(y->frames, cells / (height * width));
    cut.frame_items = cpu_pieces(y->frames, cut.frames);
    cut.row_items = cpu_pieces(height, cut.rows);
    cut.column_items = cpu_pieces(width, cut.columns);
    const int panels = cpu_pieces(y->channels, panel);
    cut.shares = shares_of(cut.frame_items * cut.row_items * cut.column_items, panels);
    cut.share_channels = cpu_pieces(panels, cut.shares) * panel;
    return cut;
}

int64_t cpu_cut_items(const struct cpu_cut *cut)
{
    return (int64_t)cut->batch * cut->frame_items * cut->row_items * cut->column_items *
           cut->shares;
}

struct cpu_place cpu_cut_place(const struct cpu_cut *cut, int64_t item)
{
    struct cpu_place p;
    p.first = (int)(item % cut->shares) * cut->share_channels;
    p.last = cpu_least(p.first + cut->share_channels, cut->channels);
    item /= cut->shares;
    p.column = (int)(item % cut->column_items) * cut->columns;
    p.columns = cpu_least(cut->columns, cut->width - p.column);
    item /= cut->column_items;
    p.row = (int)(item % cut->row_items) * cut->rows;
    p.rows = cpu_least(cut->rows, cut->height - p.row);
    item /= cut->row_items;
    p.frame = (int)(item % cut->frame_items) * cut->frames;
    p.frames = cpu_least(cut->frames, cut->all_frames - p.frame);
    p.batch = (int)(item / cut->frame_items);
    return p;
}
