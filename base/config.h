/* config: `key = value` files ('#' comments, blank lines), later over earlier. Values are text; who
 * asks for one checks it. */
#ifndef ZOE_BASE_CONFIG_H
#define ZOE_BASE_CONFIG_H

#include <stdbool.h>

#include "base/error.h"

struct config_entry {
    char *key;
    char *value;
    int line;
};

struct config {
    struct config_entry *entries;
    int count;
    char *path; /* where it came from, for errors; NULL when empty */
};

/* `known` lists the legal keys, NULL-terminated: another key is an error with line and nearest
 * name. A missing file gives an empty config and true. */
bool config_load(struct config *c, const char *path, const char *const *known, struct error *err);
void config_finish(struct config *c);
const char *config_get(const struct config *c, const char *key); /* borrowed or NULL */

#endif
