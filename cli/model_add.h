/* model_add: a source becomes a model of the farm: gathered, described, checked, listed, moved into
 * place, seen by the coordinator. */
#ifndef ZOE_CLI_MODEL_ADD_H
#define ZOE_CLI_MODEL_ADD_H

#include "cli/model_gather.h"
#include "cli/model_place.h"

struct model_add {
    const struct call *call;
    struct model_place place;
    struct model_source source;
    char name[MODEL_NAME_MAX + 1];
    struct gather gather;
    const char *made_from; /* what it was converted from, or NULL */
    char *key;             /* of the folder it comes in */
    char *folder;
    int lock;
    char *licence;  /* or NULL */
    json_t *report; /* of the check */
    bool is_lora;
    json_t *description; /* of the coordinator, once it has seen it */
    struct model_files files;
    struct digest digest;
};

/* Finds the farm's folder and that the name is free. */
bool model_add_begin(struct model_add *a, const struct call *call, const char *source,
                     const char *name, struct error *err);
/* All the rest; the folder it came in is kept after an interruption or a lost connection. */
bool model_add_run(struct model_add *a, struct error *err);
void model_add_finish(struct model_add *a);

/* Where it came from, as is noted and shown; borrowed. */
const char *model_add_source(const struct model_add *a);
/* {"name","digest","path",...} of a model that was added, for --json. */
json_t *model_add_json(const struct model_add *a);

/* Prints a model that was added, as --json, -q or words; 0. */
int model_add_say(struct call *call, const struct model_add *a);

/* `zoe-engine check` of a folder or file: its report, or false with its problems in err. */
bool model_check(const char *path, json_t **report, struct error *err);
/* Whether the folder's single files are LoRAs, by their tensors' names; then what they are. */
bool model_check_lora(const char *folder, json_t **report);
/* What a person should know of a report: problems, what is missing, notes; on stderr. */
void model_check_say(const json_t *report);

#endif
