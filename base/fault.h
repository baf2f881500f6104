/* fault: named places where a test may end this process as a power cut would, or hold it.
 *
 * ZOE_FAULT_KILL=NAME[:N] in the environment sends SIGKILL to the process when it passes the point
 * NAME for the N-th time (default 1); ZOE_FAULT_STOP=NAME[:N] sends SIGSTOP: it goes on at SIGCONT.
 * Without the variable a point costs one load and compare. Any thread, once the loop thread has
 * passed a point. The names in use are listed in docs/operations.md. */
#ifndef ZOE_BASE_FAULT_H
#define ZOE_BASE_FAULT_H

void fault_point(const char *name);

#endif
