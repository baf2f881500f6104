/* intake_answer: what a client is told of its submission. Room-internal: intake.c. */
#ifndef ZOE_COORDINATOR_INTAKE_ANSWER_H
#define ZOE_COORDINATOR_INTAKE_ANSWER_H

#include "coordinator/submit_transfer.h"

struct coordinator;

/* Accepted, or Problem with its list; it leaves after this turn's commit. */
void intake_answer(struct coordinator *c, const struct submit_answer *a);

#endif
