/* The bar counts finished clips plus the part done of the running ones, so that it moves during
 * long renders too. */
#include "cli/progress.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "cli/output.h"

void progress_begin(struct progress *p)
{
    *p = (struct progress){.terminal = output_is_terminal(2), .tenths = -1};
}

void progress_clear(struct progress *p)
{
    if (p->terminal && p->drawn) fputs("\r\x1b[K", stderr);
    p->drawn = false;
}

/* Of the clip of a running attempt; 1 when it is not said. */
static uint32_t tasks_of(const Farm__Clips *clips, uint32_t clip)
{
    for (size_t i = 0; clips && i < clips->n_clips; i++)
        if (clips->clips[i]->index == clip && clips->clips[i]->tasks) return clips->clips[i]->tasks;
    return 1;
}

static double part_done(const Farm__Batch *b, const Farm__Clips *clips)
{
    const Farm__Counts *c = b->clips;
    double done = (double)(c->published + c->failed + c->canceled) + 0.95 * (double)c->publishing;
    for (size_t i = 0; clips && i < clips->n_clips; i++)
        if (clips->clips[i]->tasks)
            done += 0.9 * clips->clips[i]->tasks_done / clips->clips[i]->tasks;
    for (size_t i = 0; i < b->n_running; i++)
        if (b->running[i]->steps)
            done += 0.9 * b->running[i]->step / b->running[i]->steps /
                    tasks_of(clips, b->running[i]->attempt->clip);
    return c->total ? done / (double)c->total : 1;
}

void progress_bar(struct buf *line, double part)
{
    part = part < 0 ? 0 : part > 1 ? 1 : part;
    static const char *const EIGHTHS[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    int eighths = (int)(part * PROGRESS_BAR_CELLS * 8);
    buf_append_text(line, output_colour(2, COLOUR_BLUE));
    int cells = 0;
    for (; cells < eighths / 8; cells++)
        buf_append_text(line, "█");
    if (eighths % 8 && cells < PROGRESS_BAR_CELLS) {
        buf_append_text(line, EIGHTHS[eighths % 8]);
        cells++;
    }
    buf_append_text(line, output_colour(2, COLOUR_DIM));
    for (; cells < PROGRESS_BAR_CELLS; cells++)
        buf_append_text(line, "·");
    buf_append_text(line, output_colour(2, COLOUR_NONE));
}

static void add_tasks(struct buf *line, const Farm__Clips *clips)
{
    unsigned long long done = 0, all = 0;
    for (size_t i = 0; clips && i < clips->n_clips; i++) {
        done += clips->clips[i]->tasks_done;
        all += clips->clips[i]->tasks;
    }
    if (all) buf_printf(line, " (%llu/%llu tasks)", done, all);
}

static void add_counts(struct buf *line, const Farm__Batch *b, const Farm__Clips *clips)
{
    const Farm__Counts *c = b->clips;
    buf_printf(line, "  %llu/%llu clips", (unsigned long long)c->published,
               (unsigned long long)c->total);
    if (c->running) buf_printf(line, ", %llu rendering", (unsigned long long)c->running);
    add_tasks(line, clips);
    if (c->failed)
        buf_printf(line, ", %s%llu failed%s", output_colour(2, COLOUR_RED),
                   (unsigned long long)c->failed, output_colour(2, COLOUR_NONE));
    if (strcmp(b->state, "paused") == 0) buf_append_text(line, ", paused");
    if (!b->eta_ms || c->published + c->failed == c->total) return;
    char eta[64];
    clock_duration_text((int64_t)b->eta_ms * NS_PER_MS, eta, sizeof eta);
    buf_printf(line, ", ETA %s", eta);
}

static void add_waiting(struct buf *line, const Farm__Batch *b)
{
    if (b->clips->running || b->clips->publishing || !b->n_reasons) return;
    buf_printf(line, "  (%s)", b->reasons[0]->message);
}

void progress_draw(struct progress *p, const Farm__Batch *batch, const Farm__Clips *clips)
{
    struct buf line = BUF_INIT;
    double part = part_done(batch, clips);
    if (p->terminal) {
        buf_append_text(&line, "\r\x1b[K");
        progress_bar(&line, part);
    }
    add_counts(&line, batch, clips);
    add_waiting(&line, batch);
    int tenths = (int)(part * 10);
    if (p->terminal)
        fputs(buf_text(&line), stderr);
    else if (tenths > p->tenths)
        fprintf(stderr, "%3d %%%s\n", (int)(part * 100), buf_text(&line));
    if (tenths > p->tenths) p->tenths = tenths;
    p->drawn = true;
    fflush(stderr);
    buf_finish(&line);
}
