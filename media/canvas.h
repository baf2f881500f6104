/* canvas: the little of cairo and pango that a contact sheet needs: text that wraps and ends in an
 * ellipsis, filled and outlined boxes, pictures, a PNG in the end. Lengths in pixels, origin at the
 * top left. Text is UTF-8; glyphs the machine has no font for show as boxes. Internal to the room.
 */
#ifndef ZOE_MEDIA_CANVAS_H
#define ZOE_MEDIA_CANVAS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define CANVAS_SIDE_MAX 32000 /* cairo's own limit is 32767 */

struct canvas;

struct canvas_colour {
    double red, green, blue, alpha; /* 0..1 */
};

struct canvas_font {
    double size;
    bool bold;
    struct canvas_colour colour;
};

struct canvas_box {
    double x, y, width, height;
};

struct canvas *canvas_create(int width, int height, struct canvas_colour background,
                             struct error *err);
void canvas_destroy(struct canvas *c); /* NULL is fine */

/* At most `lines` lines within `width`, from (x, y) down; returns the height used. */
double canvas_text(struct canvas *c, double x, double y, double width, int lines,
                   const struct canvas_font *font, const char *text);
/* One line in the middle of a box. */
void canvas_text_centred(struct canvas *c, const struct canvas_box *box,
                         const struct canvas_font *font, const char *text);
/* A small label with a tinted ground; returns its width. */
double canvas_badge(struct canvas *c, double x, double y, const struct canvas_font *font,
                    const char *text);

void canvas_fill(struct canvas *c, const struct canvas_box *box, double radius,
                 struct canvas_colour colour);
void canvas_outline(struct canvas *c, const struct canvas_box *box, double radius,
                    struct canvas_colour colour);
/* `pixels`: width * height * 4 bytes as in strip.h, copied; one pixel each, corners rounded. */
bool canvas_picture(struct canvas *c, double x, double y, const uint8_t *pixels, int width,
                    int height, double radius, struct error *err);

bool canvas_write_png(struct canvas *c, const char *path, struct error *err);

#endif
