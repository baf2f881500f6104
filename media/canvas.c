/* Drawing with cairo and pango. */
#include "media/canvas.h"

#include <math.h>
#include <pango/pangocairo.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/xalloc.h"

#define FONT_FAMILIES "Inter, Noto Sans, Cantarell, Helvetica Neue, DejaVu Sans, sans-serif"
#define BADGE_INSET_X 7.0
#define BADGE_INSET_Y 2.0
#define BADGE_TINT 0.16
#define QUARTER_TURN 1.57079632679489661923
#define LINE_SPACING 1.25f

struct canvas {
    cairo_surface_t *surface;
    cairo_t *cairo;
    PangoFontMap *fonts; /* our own, so that it can be freed */
    PangoContext *pango;
};

static void set_colour(cairo_t *cairo, struct canvas_colour colour)
{
    cairo_set_source_rgba(cairo, colour.red, colour.green, colour.blue, colour.alpha);
}

struct canvas *canvas_create(int width, int height, struct canvas_colour background,
                             struct error *err)
{
    struct canvas *c = xcalloc(1, sizeof(*c));
    c->surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height);
    c->cairo = cairo_create(c->surface);
    cairo_status_t status = cairo_status(c->cairo);
    if (status != CAIRO_STATUS_SUCCESS) {
        (void)error_set(err, ERROR_NO_MEMORY, "a picture of %dx%d: %s", width, height,
                        cairo_status_to_string(status));
        canvas_destroy(c);
        return NULL;
    }
    c->fonts = pango_cairo_font_map_new();
    c->pango = pango_font_map_create_context(c->fonts);
    pango_cairo_update_context(c->cairo, c->pango);
    set_colour(c->cairo, background);
    cairo_paint(c->cairo);
    return c;
}

void canvas_destroy(struct canvas *c)
{
    if (c == NULL) return;
    if (c->pango != NULL) g_object_unref(c->pango);
    if (c->fonts != NULL) g_object_unref(c->fonts);
    cairo_destroy(c->cairo);
    cairo_surface_destroy(c->surface);
    free(c);
}

/* Line breaks and other controls become spaces: a label is one paragraph. */
static char *one_paragraph(const char *text)
{
    char *copy = xstrdup(text);
    for (char *p = copy; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) *p = ' ';
    }
    return copy;
}

static PangoLayout *lay_out(struct canvas *c, double width, int lines,
                            const struct canvas_font *font, const char *text)
{
    PangoLayout *layout = pango_layout_new(c->pango);
    PangoFontDescription *description = pango_font_description_new();
    pango_font_description_set_family_static(description, FONT_FAMILIES);
    pango_font_description_set_absolute_size(description, font->size * PANGO_SCALE);
    pango_font_description_set_weight(description,
                                      font->bold ? PANGO_WEIGHT_SEMIBOLD : PANGO_WEIGHT_NORMAL);
    pango_layout_set_font_description(layout, description);
    pango_font_description_free(description);
    pango_layout_set_width(layout, width > 0 ? (int)(width * PANGO_SCALE) : -1);
    pango_layout_set_height(layout, -lines);
    pango_layout_set_wrap(layout, PANGO_WRAP_WORD_CHAR);
    pango_layout_set_ellipsize(layout, width > 0 ? PANGO_ELLIPSIZE_END : PANGO_ELLIPSIZE_NONE);
    pango_layout_set_line_spacing(layout, LINE_SPACING);
    char *paragraph = one_paragraph(text);
    pango_layout_set_text(layout, paragraph, -1);
    free(paragraph);
    return layout;
}

static void show(struct canvas *c, PangoLayout *layout, double x, double y,
                 struct canvas_colour colour)
{
    set_colour(c->cairo, colour);
    cairo_move_to(c->cairo, round(x), round(y));
    pango_cairo_show_layout(c->cairo, layout);
}

double canvas_text(struct canvas *c, double x, double y, double width, int lines,
                   const struct canvas_font *font, const char *text)
{
    PangoLayout *layout = lay_out(c, width, lines, font, text);
    int height;
    pango_layout_get_pixel_size(layout, NULL, &height);
    show(c, layout, x, y, font->colour);
    g_object_unref(layout);
    return height;
}

void canvas_text_centred(struct canvas *c, const struct canvas_box *box,
                         const struct canvas_font *font, const char *text)
{
    PangoLayout *layout = lay_out(c, box->width, 1, font, text);
    int width, height;
    pango_layout_get_pixel_size(layout, &width, &height);
    show(c, layout, box->x + (box->width - width) / 2, box->y + (box->height - height) / 2,
         font->colour);
    g_object_unref(layout);
}

double canvas_badge(struct canvas *c, double x, double y, const struct canvas_font *font,
                    const char *text)
{
    PangoLayout *layout = lay_out(c, 0, 1, font, text);
    int width, height;
    pango_layout_get_pixel_size(layout, &width, &height);
    const struct canvas_box box = {x, y, width + 2 * BADGE_INSET_X, height + 2 * BADGE_INSET_Y};
    struct canvas_colour ground = font->colour;
    ground.alpha = BADGE_TINT;
    canvas_fill(c, &box, box.height / 2, ground);
    show(c, layout, x + BADGE_INSET_X, y + BADGE_INSET_Y, font->colour);
    g_object_unref(layout);
    return box.width;
}

static void trace(cairo_t *cairo, const struct canvas_box *box, double radius)
{
    double right = box->x + box->width;
    double bottom = box->y + box->height;
    double r = fmin(radius, fmin(box->width, box->height) / 2);
    cairo_new_sub_path(cairo);
    cairo_arc(cairo, right - r, box->y + r, r, -QUARTER_TURN, 0);
    cairo_arc(cairo, right - r, bottom - r, r, 0, QUARTER_TURN);
    cairo_arc(cairo, box->x + r, bottom - r, r, QUARTER_TURN, 2 * QUARTER_TURN);
    cairo_arc(cairo, box->x + r, box->y + r, r, 2 * QUARTER_TURN, 3 * QUARTER_TURN);
    cairo_close_path(cairo);
}

void canvas_fill(struct canvas *c, const struct canvas_box *box, double radius,
                 struct canvas_colour colour)
{
    trace(c->cairo, box, radius);
    set_colour(c->cairo, colour);
    cairo_fill(c->cairo);
}

void canvas_outline(struct canvas *c, const struct canvas_box *box, double radius,
                    struct canvas_colour colour)
{
    /* Half a pixel inwards, so that the line covers whole pixels. */
    const struct canvas_box inner = {box->x + 0.5, box->y + 0.5, box->width - 1, box->height - 1};
    trace(c->cairo, &inner, radius);
    set_colour(c->cairo, colour);
    cairo_set_line_width(c->cairo, 1);
    cairo_stroke(c->cairo);
}

bool canvas_picture(struct canvas *c, double x, double y, const uint8_t *pixels, int width,
                    int height, double radius, struct error *err)
{
    cairo_surface_t *picture = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height);
    if (cairo_surface_status(picture) != CAIRO_STATUS_SUCCESS) {
        cairo_surface_destroy(picture);
        return error_set(err, ERROR_NO_MEMORY, "a picture of %dx%d", width, height);
    }
    unsigned char *rows = cairo_image_surface_get_data(picture);
    int stride = cairo_image_surface_get_stride(picture);
    for (int row = 0; row < height; row++) {
        memcpy(rows + (ptrdiff_t)row * stride, pixels + (ptrdiff_t)row * width * 4,
               (size_t)width * 4);
    }
    cairo_surface_mark_dirty(picture);
    cairo_set_source_surface(c->cairo, picture, x, y);
    cairo_pattern_set_filter(cairo_get_source(c->cairo), CAIRO_FILTER_NEAREST);
    trace(c->cairo, &(struct canvas_box){x, y, width, height}, radius);
    cairo_fill(c->cairo);
    cairo_surface_destroy(picture);
    return true;
}

static cairo_status_t append_bytes(void *context, const unsigned char *data, unsigned int size)
{
    buf_append(context, data, size);
    return CAIRO_STATUS_SUCCESS;
}

bool canvas_write_png(struct canvas *c, const char *path, struct error *err)
{
    struct buf png = BUF_INIT;
    cairo_status_t status = cairo_surface_write_to_png_stream(c->surface, append_bytes, &png);
    bool ok = status == CAIRO_STATUS_SUCCESS;
    if (ok) {
        ok = path_write_atomic(path, png.data, png.size, 0644, err);
    } else {
        (void)error_set(err, ERROR_INTERNAL, "%s: %s", path, cairo_status_to_string(status));
    }
    buf_finish(&png);
    return ok;
}
