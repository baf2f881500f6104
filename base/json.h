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

/* `what` names the source in errors ("unet/config.json"). NULL with ERROR_INVALID. */
json_t *json_parse(const char *text, size_t size_bytes, const char *what, struct error *err);
json_t *json_parse_file(const char *path, size_t limit_bytes, struct error *err);

/* Sorted keys, no spaces, %.17g reals, UTF-8 as is. Caller frees. */
char *json_canonical(const json_t *value);
/* Indented, keys in insertion order; ends with a newline. Caller frees. */
char *json_pretty(const json_t *value);

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
