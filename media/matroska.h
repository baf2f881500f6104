/* matroska: is a file, as a structure of bytes, exactly one complete Matroska document of the form
 * our writer makes? One EBML header, one segment that ends with the file, inside it only the
 * elements a segment file needs, each with a known length and a CRC-32 that fits, one track,
 * nothing compressed, attached or left over. Decides nothing about pictures and trusts no length.
 * (Source: RFC 8794, RFC 9559.) */
#ifndef ZOE_MEDIA_MATROSKA_H
#define ZOE_MEDIA_MATROSKA_H

#include <stdbool.h>

#include "base/error.h"

/* ERROR_INVALID says what is wrong and at which byte; ERROR_NOT_FOUND, ERROR_IO. Memory is
 * constant. */
bool matroska_check(const char *path, struct error *err);

#endif
