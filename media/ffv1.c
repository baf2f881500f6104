/* Slice footers of FFV1 version 3: 3 bytes of length, one of status, 4 of CRC, read from the back.
 */
#include "media/ffv1.h"

#include <libavutil/crc.h>

#define FOOTER_BYTES 8

static bool slice_intact(const uint8_t *slice, size_t size_bytes)
{
    const uint8_t *status = slice + size_bytes - 5;
    /* Over a slice and its own CRC the register ends at zero. */
    return *status == 0 && av_crc(av_crc_get_table(AV_CRC_32_IEEE), 0, slice, size_bytes) == 0;
}

bool ffv1_slices_intact(const uint8_t *packet, size_t size_bytes)
{
    if (size_bytes == 0) return false;
    while (size_bytes > 0) {
        if (size_bytes <= FOOTER_BYTES) return false;
        const uint8_t *footer = packet + size_bytes - FOOTER_BYTES;
        size_t body = (size_t)footer[0] << 16 | (size_t)footer[1] << 8 | footer[2];
        if (body == 0 || body > size_bytes - FOOTER_BYTES) return false;
        size_bytes -= body + FOOTER_BYTES;
        if (!slice_intact(packet + size_bytes, body + FOOTER_BYTES)) return false;
    }
    return true;
}
