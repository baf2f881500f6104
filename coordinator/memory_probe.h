/* memory_probe: how much memory a task of a group's clips takes, as `zoe-engine estimate` says of
 * the CPU (S1). What was asked once is remembered: a book is for pool threads, any number at a
 * time.
 */
#ifndef ZOE_COORDINATOR_MEMORY_PROBE_H
#define ZOE_COORDINATOR_MEMORY_PROBE_H

#include <stdatomic.h>

#include "coordinator/models.h"
#include "coordinator/submit_file.h"

struct memory_book;
struct memory_book *memory_book_create(void);
struct memory_book *memory_book_ref(struct memory_book *book);
void memory_book_unref(struct memory_book *book); /* any thread; NULL is fine */

/* Fills memory_bytes of the groups and of their second stages, the first 16 shapes that nobody has
 * asked for yet; what cannot be known stays 0. Never fails: memory is a hint. `stop` is set by
 * another thread: nothing more is asked. */
void memory_book_fill(struct memory_book *book, const struct model_list *models,
                      const atomic_bool *stop, struct submit_result *result);

#endif
