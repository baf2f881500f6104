/* A table of pairs. */
#include "coordinator/catalog.h"

#include <stdlib.h>

#include "base/xalloc.h"

void catalog_init(struct catalog *c)
{
    table_init(&c->entries);
}

static void free_entry(struct catalog_entry *entry)
{
    if (entry == NULL) return;
    free(entry->folder);
    free(entry->key);
    free(entry);
}

void catalog_clear(struct catalog *c)
{
    catalog_finish(c);
    table_init(&c->entries);
}

void catalog_finish(struct catalog *c)
{
    struct catalog_entry *entry = NULL;
    for (size_t i = 0; (entry = table_next(&c->entries, &i, NULL, NULL)) != NULL;)
        free_entry(entry);
    table_finish(&c->entries);
}

void catalog_set(struct catalog *c, const char *batch, const char *folder, const char *key)
{
    struct catalog_entry *entry = xcalloc(1, sizeof(*entry));
    entry->folder = xstrdup(folder);
    entry->key = xstrdup(key != NULL ? key : "");
    free_entry(table_set_text(&c->entries, batch, entry));
}

void catalog_remove(struct catalog *c, const char *batch)
{
    free_entry(table_remove_text(&c->entries, batch));
}

const struct catalog_entry *catalog_find(const struct catalog *c, const char *batch)
{
    return table_get_text(&c->entries, batch);
}

const char *catalog_folder(const struct catalog *c, const char *batch)
{
    const struct catalog_entry *entry = catalog_find(c, batch);
    return entry != NULL ? entry->folder : NULL;
}
