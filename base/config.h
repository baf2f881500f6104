/* config: `key = value` files (lines that begin with '#' are comments, blank lines are skipped),
 * later over earlier. Blanks around key and value are cut; a value may hold '#', '=' and be empty.
 * Values are text; who asks for one checks it. */
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

#define CONFIG_MAX_BYTES (1024 * 1024)

/* Initialises *c. `known` lists the legal keys, NULL-terminated: another key is an ERROR_USAGE with
 * line and nearest name. A missing file gives an empty config and true; after an error *c is empty.
 */
bool config_load(struct config *c, const char *path, const char *const *known, struct error *err);
void config_finish(struct config *c);
/* The last entry of that key, with its line for errors; borrowed or NULL. */
const struct config_entry *config_find(const struct config *c, const char *key);
const char *config_get(const struct config *c, const char *key); /* borrowed or NULL */

#endif
