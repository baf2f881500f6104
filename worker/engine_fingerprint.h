/* engine_fingerprint: `zoe-engine fingerprint`, what decides the bits of a result on this machine
 * as one line of JSON. Opens no model. */
#ifndef ZOE_WORKER_ENGINE_FINGERPRINT_H
#define ZOE_WORKER_ENGINE_FINGERPRINT_H

int engine_fingerprint_main(int argc, char **argv); /* exit code */

#endif
