/* json: jansson with our rules: strict UTF-8, no duplicate keys, limits on size and depth, errors
 * that say where.
 *
 * A `json_t *` returned here is a new reference unless said otherwise. */
#ifndef ZOE_BASE_JSON_H
#define ZOE_BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* The top level must be an object or an array. `what` names the source in errors
 * ("unet/config.json"). NULL with ERROR_INVALID; json_parse_file also as path_read. */
json_t *json_parse(const char *text, size_t size_bytes, const char *what, struct error *err);
json_t *json_parse_file(const char *path, size_t limit_bytes, struct error *err);

/* Sorted keys (byte order), no spaces, UTF-8 as is, only what JSON must escape is escaped. An
 * integer is written as such; a real is written %.17g, so that an integral real looks like the
 * integer (5.0 and 5 are both "5", -0.0 is "0"): numbers that compare equal give equal text, and
 * canonical(parse(canonical(x))) is canonical(x). Caller frees. */
char *json_canonical(const json_t *value);
/* Indented by 2, keys in insertion order, reals in their shortest exact form and recognisable as
 * reals; ends with a newline. Caller frees. */
char *json_pretty(const json_t *value);

/* One line, keys in insertion order, numbers as json_pretty: for --json output and logs. Caller
 * frees. */
char *json_line(const json_t *value);
/* The first 64 bytes of that for an error message, cut between characters; gives `out`. */
#define JSON_SHOWN_SIZE 68
const char *json_shown(const json_t *value, char out[JSON_SHOWN_SIZE]);

/* Typed members of an object. The *_or forms give the fallback when the member is absent or null; a
 * member of the wrong type is an error (false). `what` names the document. */
bool json_get_int(const json_t *object, const char *key, int64_t *out, const char *what,
                  struct error *err);
bool json_get_int_or(const json_t *object, const char *key, int64_t fallback, int64_t *out,
                     const char *what, struct error *err);
bool json_get_real_or(const json_t *object, const char *key, double fallback, double *out,
                      const char *what, struct error *err);
bool json_get_bool_or(const json_t *object, const char *key, bool fallback, bool *out,
                      const char *what, struct error *err);
/* Borrowed text. */
bool json_get_text(const json_t *object, const char *key, const char **out, const char *what,
                   struct error *err);
bool json_get_text_or(const json_t *object, const char *key, const char *fallback, const char **out,
                      const char *what, struct error *err);

#endif
