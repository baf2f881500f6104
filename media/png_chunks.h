/* png_chunks: the chunks of a PNG, walked and checked (bounds, names, CRC), and texts in them.
 * libav neither writes nor reads international text. A text stands uncompressed in an iTXt chunk
 * behind IHDR: UTF-8 under a keyword such as "Comment", as any PNG tool shows it. Pure.
 *
 * Source: PNG (Portable Network Graphics) Specification, third edition, sections 5, 11.2 and 11.3.
 */
#ifndef ZOE_MEDIA_PNG_CHUNKS_H
#define ZOE_MEDIA_PNG_CHUNKS_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"

#define PNG_CHUNKS_TITLE "Title"
#define PNG_CHUNKS_COMMENT "Comment"

struct png_head {
    int width, height; /* pixels, 1 .. 2^31 - 1 */
    int bit_depth, colour_type, interlace;
};

/* Signature and IHDR; the first PNG_HEAD_BYTES of a file are enough. ERROR_INVALID. */
#define PNG_HEAD_BYTES 33
bool png_chunks_head(struct bytes png, struct png_head *out, struct error *err);

/* From the signature to IEND with nothing behind it; ERROR_INVALID says where and what is wrong,
 * also for animations. */
bool png_chunks_check(struct bytes png, struct error *err);

/* The whole PNG again, with the text behind its IHDR; appended to `out`. `png` has been checked.
 * ERROR_USAGE when the text holds a NUL or is no UTF-8, or when it is too long for a chunk. */
bool png_chunks_add_text(struct bytes png, const char *keyword, struct bytes text, struct buf *out,
                         struct error *err);

/* The first text of that keyword, borrowed from `png`, which has been checked; data NULL: none. */
struct bytes png_chunks_find_text(struct bytes png, const char *keyword);

#endif
