/* mutation: faults that are put into the program on purpose, to see that the tests notice.
 *
 * Only a build with ZOE_MUTATIONS has them (the target `zoe-next`); there ZOE_MUTATION=NAME in the
 * environment chooses one, the version says "+test" and the start warns. In every other build
 * `mutated` is a constant and nothing of it is left. Any thread. */
#ifndef ZOE_BASE_MUTATION_H
#define ZOE_BASE_MUTATION_H

#include <stdbool.h>

enum mutation {
    MUTATION_NONE,
    MUTATION_NO_FENCE,          /* results of ended attempts are taken as if they were live */
    MUTATION_NO_FSYNC,          /* nothing is synced */
    MUTATION_ACK_BEFORE_COMMIT, /* answers leave before what they promise is stored */
    MUTATION_NO_CONTENT_CHECK,  /* what workers send is not looked at */
    MUTATION_NO_DEDUPE,         /* a submission's key is not looked up */
    MUTATIONS
};

#ifdef ZOE_MUTATIONS
bool mutated(enum mutation which);
void mutation_warn(void); /* at the start of a program */
#else
static inline bool mutated(enum mutation which)
{
    (void)which;
    return false;
}
static inline void mutation_warn(void) {}
#endif

#endif
