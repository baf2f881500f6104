/* engine_check: `zoe-engine check`. */
#ifndef ZOE_WORKER_ENGINE_CHECK_H
#define ZOE_WORKER_ENGINE_CHECK_H

/* Exit code 0 when the model is usable, 2 when its report says what is wrong. */
int engine_check_main(int argc, char **argv);

#endif
