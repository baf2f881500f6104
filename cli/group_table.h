/* group_table: groups of a batch, or of one that would be, as a table on stdout. */
#ifndef ZOE_CLI_GROUP_TABLE_H
#define ZOE_CLI_GROUP_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "farm.pb-c.h"

/* `running`: how many of the clips are published is shown too. */
void group_table_print(Farm__Group *const *groups, size_t count, bool running);

#endif
