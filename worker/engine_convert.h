/* engine_convert: `zoe-engine convert`. */
#ifndef ZOE_WORKER_ENGINE_CONVERT_H
#define ZOE_WORKER_ENGINE_CONVERT_H

int engine_convert_main(int argc, char **argv); /* exit code */

#endif
