/* engine_canary: `zoe-engine canary`: renders a model's own canary here and prints what its
 * canary.json says of it. */
#ifndef ZOE_WORKER_ENGINE_CANARY_H
#define ZOE_WORKER_ENGINE_CANARY_H

int engine_canary_main(int argc, char **argv);

#endif
