/* engine_serve: `zoe-engine serve`, the engine child of a worker's slot: takes render requests on
 * stdin (worker/pipe.h), renders one at a time, keeps one model loaded. Ends with its worker. */
#ifndef ZOE_WORKER_ENGINE_SERVE_H
#define ZOE_WORKER_ENGINE_SERVE_H

/* Options: --threads N, --backend NAME, --parent PID (of the worker: a child that has another
 * parent by then ends at once). Returns the exit code. */
int engine_serve_main(int argc, char **argv);

#endif
