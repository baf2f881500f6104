/* migrate: brings a database to the schema this build knows, by numbered steps.
 *
 * A step is a row of the table in migrate.c and is never edited once it was released; to change the
 * schema, add a row. The number of the last step done is the file's user_version. Each step is one
 * transaction. Room-internal: store.c. */
#ifndef ZOE_COORDINATOR_MIGRATE_H
#define ZOE_COORDINATOR_MIGRATE_H

#include <sqlite3.h>
#include <stdbool.h>

#include "base/error.h"

#define MIGRATE_APPLICATION_ID 0x5A4F4531 /* "ZOE1" */

struct migration {
    const char *name;
    const char *sql[2]; /* run one after the other; the second may be NULL */
};

/* Ours, in order: row i makes version i + 1. */
const struct migration *migrate_steps(int *count_out);

/* Runs what is missing. ERROR_VERSION when the file is newer than the table. */
bool migrate_run(sqlite3 *db, const struct migration *steps, int count, struct error *err);

/* The file's version, 0 = empty; -1 on failure. */
int migrate_version(sqlite3 *db, struct error *err);

#endif
