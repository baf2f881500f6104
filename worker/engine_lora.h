/* engine_lora: `zoe-engine lora`, what is in LoRA files and how much of it a model takes. */
#ifndef ZOE_WORKER_ENGINE_LORA_H
#define ZOE_WORKER_ENGINE_LORA_H

#include <jansson.h>
#include <stdbool.h>

int engine_lora_main(int argc, char **argv); /* returns the exit code */

/* "PATH" or "PATH:0.8" as one more {"path", "strength"} of the list. False when it is not UTF-8. */
bool engine_lora_option(json_t *loras, const char *text);

/* One line a file on stderr: how much of it was taken, and a few of the keys that were not. */
void engine_lora_print(const json_t *report);

#endif
