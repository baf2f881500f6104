#include "cli/transfer.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"
#include "cli/output.h"
#include "cli/progress.h"

#define REDRAW_NS (100 * NS_PER_MS)
#define PACE_AFTER_NS NS_PER_S

void transfer_begin(struct transfer *t, uint64_t total_bytes, bool quiet)
{
    *t = (struct transfer){
        .terminal = output_is_terminal(2), .quiet = quiet, .total_bytes = total_bytes};
}

void transfer_clear(struct transfer *t)
{
    if (t->drawn) fputs("\r\x1b[K", stderr);
    t->drawn = false;
}

void transfer_file(struct transfer *t, const char *path, uint64_t size_bytes, uint64_t before_bytes)
{
    char size[32];
    t->before_bytes = before_bytes;
    snprintf(t->name, sizeof t->name, "%s", path);
    if (t->terminal || t->quiet) return;
    text_size(size_bytes, size, sizeof size);
    fprintf(stderr, "  %s%s%s\n", path, size_bytes ? "  " : "", size_bytes ? size : "");
}

static void add_pace(struct buf *line, const struct transfer *t, uint64_t done, int64_t now)
{
    char pace[32], eta[64];
    int64_t spent = now - t->start_ns;
    if (spent < PACE_AFTER_NS || done <= t->first_bytes) return;
    double per_s = (double)(done - t->first_bytes) * (double)NS_PER_S / (double)spent;
    text_size((uint64_t)per_s, pace, sizeof pace);
    buf_printf(line, "  %s/s", pace);
    if (done >= t->total_bytes) return;
    double left_s = (double)(t->total_bytes - done) / per_s;
    if (left_s > 1e6) return;
    clock_duration_text((int64_t)(left_s * (double)NS_PER_S), eta, sizeof eta);
    buf_printf(line, "  %s left", eta);
}

/* The end of a path tells more than its beginning; a line that is too long would not redraw. */
static void add_name(struct buf *line, const struct transfer *t, int room)
{
    int size = (int)strlen(t->name), shown = size <= room ? size : room - 1;
    if (room < 8) return;
    buf_printf(line, "  %s%s%s%s", output_colour(2, COLOUR_DIM), shown < size ? "…" : "",
               t->name + size - shown, output_colour(2, COLOUR_NONE));
}

static void add_counts(struct buf *line, const struct transfer *t, uint64_t done, int64_t now)
{
    char have[32], all[32];
    text_size(done, have, sizeof have);
    text_size(t->total_bytes, all, sizeof all);
    buf_printf(line, "  %s%s%s", have, t->total_bytes ? " of " : "", t->total_bytes ? all : "");
    add_pace(line, t, done, now);
}

static void print_line(struct transfer *t, uint64_t done, int64_t now)
{
    struct buf counts = BUF_INIT, line = BUF_INIT;
    add_counts(&counts, t, done, now);
    buf_append_text(&line, "\r\x1b[K");
    if (t->total_bytes) progress_bar(&line, (double)done / (double)t->total_bytes);
    buf_append_text(&line, buf_text(&counts));
    add_name(&line, t, output_columns() - PROGRESS_BAR_CELLS - (int)counts.size - 3);
    fputs(buf_text(&line), stderr);
    fflush(stderr);
    t->drawn = true;
    buf_finish(&counts);
    buf_finish(&line);
}

void transfer_draw(struct transfer *t, uint64_t file_bytes)
{
    int64_t now = clock_now_ns();
    uint64_t done = t->before_bytes + file_bytes;
    if (!t->terminal || t->quiet || now - t->last_ns < REDRAW_NS) return;
    if (!t->start_ns) {
        t->start_ns = now;
        t->first_bytes = done;
    }
    t->last_ns = now;
    print_line(t, done, now);
}
