/* store_check: whether a database is whole and its rows make sense together. It looks and changes
 * nothing. */
#ifndef ZOE_COORDINATOR_STORE_CHECK_H
#define ZOE_COORDINATOR_STORE_CHECK_H

#include "base/finding.h"
#include "coordinator/store.h"

/* A file that nobody writes, of any schema: SQLite's own check of every page. Any thread. */
bool store_check_copy(const char *path, struct error *err);

/* The same, each complaint a finding; `quick` leaves out the comparison of indexes with rows. False
 * when it is damaged. */
bool store_check_pages(const char *path, bool quick, struct findings *f);

/* Rows against each other: numbers of states, counters against pages and rows, attempts against
 * tasks, uses against outputs. `s` may be one opened for reading. */
void store_check_rows(struct store *s, struct findings *f);

#endif
