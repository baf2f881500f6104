#include "cli/group_table.h"

#include "cli/output.h"

typedef unsigned long long ull;

static void add_row(struct output_table *t, const Farm__Group *g, bool running)
{
    output_table_cell(t, "%s", g->model);
    output_table_cell(t, "%ux%u", g->width, g->height);
    output_table_cell(t, "%u", g->frames);
    output_table_cell(t, "%u", g->steps);
    output_table_cell(t, "%u", g->fps);
    if (*g->method)
        output_table_cell(t, "%u, %s", g->tasks, g->method);
    else
        output_table_cell(t, "%u", g->tasks);
    if (running)
        output_table_cell(t, "%llu/%llu", (ull)g->clips->published, (ull)g->clips->total);
    else
        output_table_cell(t, "%llu", (ull)g->clips->total);
}

void group_table_print(Farm__Group *const *groups, size_t count, bool running)
{
    static const char *const titles[] = {"MODEL", "SIZE",         "FRAMES", "STEPS",
                                         "FPS",   "TASKS A CLIP", "CLIPS"};
    struct output_table *t = output_table_create(titles, 7);
    for (size_t i = 0; i < count; i++)
        add_row(t, groups[i], running);
    output_table_print(t);
}
