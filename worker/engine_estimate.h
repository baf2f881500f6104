/* engine_estimate: `zoe-engine estimate`, what a clip would take here (engine_estimate's JSON). */
#ifndef ZOE_WORKER_ENGINE_ESTIMATE_H
#define ZOE_WORKER_ENGINE_ESTIMATE_H

int engine_estimate_main(int argc, char **argv); /* exit code */

#endif
