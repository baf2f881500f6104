/* engine_plan: `zoe-engine plan`, the tasks of a clip, and on request all of them rendered here. */
#ifndef ZOE_WORKER_ENGINE_PLAN_H
#define ZOE_WORKER_ENGINE_PLAN_H

int engine_plan_main(int argc, char **argv); /* returns the exit code */

#endif
