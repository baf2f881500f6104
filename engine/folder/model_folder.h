/* model_folder: what a folder says about itself: zoetrope.json when it is there, else the form of
 * its files. A checkpoint file is taken for a folder that holds nothing else. Reads small files and
 * headers only. */
#ifndef ZOE_ENGINE_FOLDER_MODEL_FOLDER_H
#define ZOE_ENGINE_FOLDER_MODEL_FOLDER_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "engine/folder/model_parts.h"

struct family;

struct model_folder {
    char *path;
    char *name;       /* zoetrope.json's, else the folder's */
    json_t *manifest; /* zoetrope.json, or an empty object */
    const struct family *family;
    struct model_parts *parts; /* NULL for families without networks */
};

bool model_folder_open(struct model_folder *m, const char *path, struct error *err);
void model_folder_close(struct model_folder *m);

/* The facts of engine_describe: manifest and family together. New reference or NULL. */
json_t *model_folder_facts(const struct model_folder *m, struct error *err);

#endif
