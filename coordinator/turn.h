/* turn: the end of a loop turn (D0): the core decides, everything is written in one transaction,
 * committed, then messages leave and jobs start, and only then the sockets are looked at again. A
 * failed commit sends nothing and loads the core anew (D2). */
#ifndef ZOE_COORDINATOR_TURN_H
#define ZOE_COORDINATOR_TURN_H

struct coordinator;

/* A question was answered, and nothing has happened since the last commit but questions: the answer
 * is of what is committed and leaves at once. Otherwise it stays for the turn's end. */
void turn_answer(struct coordinator *c);

/* From the loop's prepare phase. */
void turn_end(struct coordinator *c);

#endif
