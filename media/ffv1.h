/* ffv1: the checksums inside an FFV1 picture. libavcodec only reports a slice whose CRC is wrong
 * and then fills it from the picture before; a segment with such a slice must be refused, so the
 * slices are checked here, before decoding. (Source: RFC 9043, sections 4.6 and 4.9.3: slice
 * footer.) */
#ifndef ZOE_MEDIA_FFV1_H
#define ZOE_MEDIA_FFV1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True when `packet` is a whole number of slices, at least one, each with a CRC that fits and no
 * recorded error. */
bool ffv1_slices_intact(const uint8_t *packet, size_t size_bytes);

#endif
