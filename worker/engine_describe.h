/* engine_describe: `zoe-engine describe --model DIR`, the facts of a model folder as one line of
 * JSON. Reads no weights. */
#ifndef ZOE_WORKER_ENGINE_DESCRIBE_H
#define ZOE_WORKER_ENGINE_DESCRIBE_H

int engine_describe_main(int argc, char **argv); /* exit code */

#endif
