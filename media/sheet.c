/* Layout of the contact sheet. All measures are pixels of the PNG. */
#include "media/sheet.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "media/canvas.h"
#include "media/strip.h"

#define MARGIN 44
#define LABEL_WIDTH 248
#define LABEL_GAP 28
#define STRIP_WIDTH 1072 /* eight pictures of 128 and their gaps; other counts share it */
#define PICTURE_GAP 6
#define PICTURE_SIDE_MAX 256
#define PICTURE_RADIUS 5.0
#define ROW_GAP 22
#define ROW_HEIGHT_MIN 92
#define FOOT_HEIGHT 40

static const struct canvas_colour ground = {0.082, 0.086, 0.102, 1};
static const struct canvas_colour panel = {0.125, 0.133, 0.157, 1};
static const struct canvas_colour hairline = {1, 1, 1, 0.11};

static const struct canvas_font title_font = {30, true, {0.965, 0.969, 0.980, 1}};
static const struct canvas_font subtitle_font = {15, false, {0.612, 0.627, 0.678, 1}};
static const struct canvas_font prompt_font = {15, true, {0.925, 0.929, 0.949, 1}};
static const struct canvas_font seed_font = {13.5, false, {0.780, 0.792, 0.839, 1}};
static const struct canvas_font detail_font = {12.5, false, {0.545, 0.561, 0.616, 1}};

struct badge_row {
    const char *state;
    struct canvas_font font;
};

/* The last row is for any other state. */
static const struct badge_row badge_rows[] = {
    {"failed", {12, true, {1.0, 0.450, 0.430, 1}}},
    {"canceled", {12, true, {0.680, 0.690, 0.740, 1}}},
    {"suspect", {12, true, {0.980, 0.740, 0.300, 1}}},
    {NULL, {12, true, {0.480, 0.700, 1.0, 1}}},
};

struct row {
    const struct manifest_clip *clip;
    struct strip strip; /* measured only */
    struct error error; /* why there are no pictures; code ERROR_NONE = there are */
    int height;
};

struct sheet {
    const struct manifest *manifest;
    struct canvas *canvas;
    struct row *rows;
    size_t row_count;
    int columns, picture_side;
    int head_height, height;
};

static const struct canvas_font *badge_font(const char *state)
{
    const struct badge_row *row = badge_rows;
    while (row->state != NULL && strcmp(row->state, state) != 0) {
        row++;
    }
    return &row->font;
}

static void measure_row(const struct sheet *s, struct row *row)
{
    const char *path = row->clip->path;
    if (*path == '\0') {
        (void)error_set(&row->error, ERROR_NOT_FOUND, "no video");
    } else {
        (void)strip_measure(path, s->columns, s->picture_side, s->picture_side, &row->strip,
                            &row->error);
    }
    row->height = row->error.code == ERROR_NONE ? row->strip.height : 0;
    if (row->height < ROW_HEIGHT_MIN) row->height = ROW_HEIGHT_MIN;
}

/* As many rows as the manifest allows and a PNG can hold. */
static void measure(struct sheet *s)
{
    const struct manifest *m = s->manifest;
    s->columns = m->columns > 0 ? m->columns : SHEET_COLUMNS;
    s->picture_side = (STRIP_WIDTH - (s->columns - 1) * PICTURE_GAP) / s->columns;
    if (s->picture_side > PICTURE_SIDE_MAX) s->picture_side = PICTURE_SIDE_MAX;
    s->head_height = MARGIN + (*m->title != '\0' ? 46 : 0) + 42;
    size_t limit = m->limit > 0 ? (size_t)m->limit : SHEET_ROWS;
    if (limit > m->clip_count) limit = m->clip_count;
    s->rows = xcalloc(limit, sizeof(*s->rows));
    s->height = s->head_height;
    while (s->row_count < limit) {
        struct row *row = &s->rows[s->row_count];
        row->clip = &m->clips[s->row_count];
        measure_row(s, row);
        if (s->height + row->height + ROW_GAP + FOOT_HEIGHT + MARGIN > CANVAS_SIDE_MAX) break;
        s->height += row->height + ROW_GAP;
        s->row_count++;
    }
    s->height += MARGIN - ROW_GAP;
    if (s->row_count < m->clip_count) s->height += FOOT_HEIGHT;
    if (s->row_count == 0) s->height += ROW_GAP;
}

static int sheet_width(const struct sheet *s)
{
    int strip = s->columns * (s->picture_side + PICTURE_GAP) - PICTURE_GAP;
    return MARGIN + LABEL_WIDTH + LABEL_GAP + strip + MARGIN;
}

static void draw_head(const struct sheet *s)
{
    const struct manifest *m = s->manifest;
    double width = sheet_width(s) - 2 * MARGIN;
    double y = MARGIN;
    if (*m->title != '\0') {
        (void)canvas_text(s->canvas, MARGIN, y - 6, width, 1, &title_font, m->title);
        y += 40;
    }
    char *line = *m->subtitle != '\0'
                     ? xstrdup(m->subtitle)
                     : xasprintf("%zu clip%s", m->clip_count, m->clip_count == 1 ? "" : "s");
    (void)canvas_text(s->canvas, MARGIN, y, width, 1, &subtitle_font, line);
    free(line);
}

static double draw_seed(const struct sheet *s, const struct manifest_clip *clip, double x, double y)
{
    if (clip->seed[0] == '\0') return 0;
    char *text = xasprintf("seed %s", clip->seed);
    double height = canvas_text(s->canvas, x, y, LABEL_WIDTH, 1, &seed_font, text);
    free(text);
    return height;
}

static double draw_details(const struct sheet *s, const struct row *row, double x, double y)
{
    if (row->error.code != ERROR_NONE) return 0;
    const struct frames_shape *source = &row->strip.source;
    char *text = source->count == 1 ? xasprintf("%d×%d", source->width, source->height)
                                    : xasprintf("%d×%d · %lld frames · %.3g s", source->width,
                                                source->height, (long long)source->count,
                                                frames_seconds(source->rate, source->count));
    double height = canvas_text(s->canvas, x, y, LABEL_WIDTH, 1, &detail_font, text);
    free(text);
    return height;
}

static void draw_badges(const struct sheet *s, const struct manifest_clip *clip, double x, double y)
{
    bool plain = *clip->state == '\0' || strcmp(clip->state, "published") == 0;
    if (!plain) x += canvas_badge(s->canvas, x, y, badge_font(clip->state), clip->state) + 6;
    if (*clip->suspect == '\0') return;
    char *text = xasprintf("suspect: %s", clip->suspect);
    (void)canvas_badge(s->canvas, x, y, badge_font("suspect"), text);
    free(text);
}

/* Lines left for the prompt beside a picture of that height. */
static int prompt_lines(int row_height)
{
    int lines = (row_height - 46) / 21;
    return lines < 2 ? 2 : lines > 8 ? 8 : lines;
}

static void draw_label(const struct sheet *s, const struct row *row, double y)
{
    const struct manifest_clip *clip = row->clip;
    const char *prompt = *clip->prompt != '\0' ? clip->prompt : "(no prompt)";
    y -= 2; /* the capitals, not the line, stand level with the picture's edge */
    y += canvas_text(s->canvas, MARGIN, y, LABEL_WIDTH, prompt_lines(row->height), &prompt_font,
                     prompt);
    y += 5;
    y += draw_seed(s, clip, MARGIN, y);
    y += draw_details(s, row, MARGIN, y) + 6;
    draw_badges(s, clip, MARGIN, y);
}

static void draw_missing(const struct sheet *s, const struct row *row, double x, double y)
{
    const struct canvas_box box = {x, y, sheet_width(s) - MARGIN - x, row->height};
    canvas_fill(s->canvas, &box, PICTURE_RADIUS, panel);
    const struct canvas_box middle = {x + 24, y, box.width - 48, box.height};
    const char *why = *row->clip->note != '\0' ? row->clip->note : row->error.message;
    canvas_text_centred(s->canvas, &middle, &seed_font, why);
}

static bool draw_strip(const struct sheet *s, const struct strip *strip, double x, double y,
                       struct error *err)
{
    for (int i = 0; i < strip->count; i++) {
        double at = x + i * (s->picture_side + PICTURE_GAP);
        at += floor((s->picture_side - strip->width) / 2.0);
        if (!canvas_picture(s->canvas, at, y, strip->pictures[i], strip->width, strip->height,
                            PICTURE_RADIUS, err)) {
            return false;
        }
        const struct canvas_box box = {at, y, strip->width, strip->height};
        canvas_outline(s->canvas, &box, PICTURE_RADIUS, hairline);
    }
    return true;
}

/* Of a clip that tells scenes, a picture of each where they have room. */
static bool load_scenes(const struct sheet *s, const struct manifest_clip *clip, struct strip *out)
{
    int64_t frames[MANIFEST_COLUMNS_MAX];
    if (clip->scene_count < 2 || clip->scene_count > (size_t)s->columns) return false;
    for (size_t i = 0; i < clip->scene_count; i++)
        frames[i] = clip->scenes[i].frame;
    return strip_load_at(clip->path, frames, (int)clip->scene_count, s->picture_side,
                         s->picture_side, out, NULL);
}

static bool load_pictures(const struct sheet *s, struct row *row, struct strip *out)
{
    if (row->error.code != ERROR_NONE) return false;
    return load_scenes(s, row->clip, out) ||
           strip_load(row->clip->path, s->columns, s->picture_side, s->picture_side, out,
                      &row->error);
}

/* One strip is held at a time. A file that cannot be read is not the sheet's failure. */
static bool draw_row(const struct sheet *s, struct row *row, double y, struct error *err)
{
    const double x = MARGIN + LABEL_WIDTH + LABEL_GAP;
    struct strip strip = {.pictures = NULL};
    bool ok = true;
    if (load_pictures(s, row, &strip)) {
        ok = draw_strip(s, &strip, x, y, err);
    } else {
        draw_missing(s, row, x, y);
    }
    draw_label(s, row, y);
    strip_finish(&strip);
    return ok;
}

static bool draw(struct sheet *s, struct sheet_result *out, struct error *err)
{
    draw_head(s);
    double y = s->head_height;
    for (size_t i = 0; i < s->row_count; i++) {
        if (!draw_row(s, &s->rows[i], y, err)) return false;
        if (s->rows[i].error.code != ERROR_NONE) out->unreadable++;
        y += s->rows[i].height + ROW_GAP;
    }
    size_t more = s->manifest->clip_count - s->row_count;
    if (more == 0) return true;
    char *text = xasprintf("and %zu more", more);
    (void)canvas_text(s->canvas, MARGIN, y, LABEL_WIDTH, 1, &subtitle_font, text);
    free(text);
    return true;
}

bool sheet_write(const struct manifest *m, const char *path, struct sheet_result *out,
                 struct error *err)
{
    struct sheet s = {.manifest = m};
    measure(&s);
    *out = (struct sheet_result){
        .width = sheet_width(&s), .height = s.height, .rows = (int64_t)s.row_count};
    s.canvas = canvas_create(out->width, out->height, ground, err);
    bool ok = s.canvas != NULL && draw(&s, out, err) && canvas_write_png(s.canvas, path, err);
    canvas_destroy(s.canvas);
    free(s.rows);
    return ok;
}
