/* finding: what a look at a machine, a state folder or a database found, and what to do about it.
 * A list of them is printed for people or as JSON and says with which code to end. */
#ifndef ZOE_BASE_FINDING_H
#define ZOE_BASE_FINDING_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum finding_level { FINDING_OK, FINDING_WARN, FINDING_FAIL };

struct finding {
    enum finding_level level;
    const char *topic; /* static: "disk", "clips" */
    char *where;       /* a path, a batch, a table */
    char *words;       /* what was found */
    char *fix;         /* what to do; "" when there is nothing to do */
};

struct findings {
    struct finding *items;
    size_t count, capacity;
    size_t counts[3]; /* by level */
};

/* {0} is an empty list. */
void findings_finish(struct findings *f);
/* Texts are copied but `topic`; `where` and `fix` may be NULL. Returns false unless it is fine. */
bool findings_add(struct findings *f, enum finding_level level, const char *topic,
                  const char *where, const char *fix, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
/* Of a kind of which there may be very many: after `most` of them only the number counts. */
struct findings_many {
    size_t most, seen;
};
bool findings_many_next(struct findings_many *m);

const char *finding_level_name(enum finding_level level); /* "ok", "warn", "fail" */
/* One line each, the fix below it, indented; control characters are replaced. Those that are fine
 * only with `all`. */
void findings_print(const struct findings *f, FILE *out, bool all, bool color);
json_t *findings_json(const struct findings *f); /* array; new reference */

#endif
