/* libav: the few things every use of the FFmpeg libraries needs: errors in our form, log lines in
 * our log, paths that can only be files. Internal to the room. */
#ifndef ZOE_MEDIA_LIBAV_H
#define ZOE_MEDIA_LIBAV_H

#include <stdbool.h>

#include "base/error.h"

/* Sets `err` from a negative libav code, appending its words; always returns false. Damaged data is
 * ERROR_INVALID, a full disk ERROR_FULL, memory ERROR_NO_MEMORY, the rest ERROR_IO. */
bool libav_error(struct error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define LIBAV_LOG_LINES 20

/* Warnings and errors of the libraries go to log.h as warnings, LIBAV_LOG_LINES of a process: a
 * file may be damaged in each packet. Everything else goes nowhere. Process-wide; call it first
 * thing. */
void libav_route_log(void);

/* Between the two, what is opened uses no vector instructions, which round sound differently from
 * processor to processor; it stays so for what was opened. Process-wide. */
int libav_plain_begin(void);
void libav_plain_end(int flags); /* what begin returned */

/* "file:PATH", so that no part of a name is ever taken for a protocol. Caller frees. */
char *libav_file_url(const char *path);

#endif
