/* config_rules: what a model's JSON configs may say. A table lists each key of a config with what
 * is built for it; a key or value outside the table would change numbers behind our back, so it is
 * an error that names it. Keys that begin with '_' are comments, a null is as good as absent. */
#ifndef ZOE_ENGINE_MODEL_CONFIG_RULES_H
#define ZOE_ENGINE_MODEL_CONFIG_RULES_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

enum config_action {
    CONFIG_READ,   /* the loader reads it and checks it itself */
    CONFIG_IGNORE, /* cannot change a number here */
    CONFIG_MUST,   /* absent, or one of `values` */
};

struct config_rule {
    const char *key;
    enum config_action action;
    const char *values; /* CONFIG_MUST: JSON array of what is built, e.g. "[null, false]" */
};

/* A config file as Python writes JSON, where numbers may be Infinity, -Infinity and NaN: these are
 * read as the texts "Infinity" and so on, which no rule for numbers takes. As json_parse_file. */
json_t *config_rules_read(const char *path, size_t limit_bytes, struct error *err);

/* `rules` ends with a NULL key. `what` names the file in errors. ERROR_INVALID. */
bool config_rules_check(const json_t *config, const struct config_rule *rules, const char *what,
                        struct error *err);

/* A positive integer of at most 1 << 20, and a list of them (at most `limit`); fallback 0 =
 * required. */
bool config_rules_int(const json_t *config, const char *key, int fallback, int *out,
                      const char *what, struct error *err);
bool config_rules_ints(const json_t *config, const char *key, int limit, int *out, int *count_out,
                       const char *what, struct error *err);
/* A number within [min, max]. */
bool config_rules_real(const json_t *config, const char *key, double fallback, double min,
                       double max, double *out, const char *what, struct error *err);

#endif
