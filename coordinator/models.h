/* models: the model folders this farm can render with.
 *
 * Each sub-folder of the given folders is one model, named by `name` in its zoetrope.json, else by
 * the sub-folder. Registering runs `zoe-engine describe --model DIR` and computes the model's
 * digest; both are remembered in a cache file by (path, size, mtime) of the model's files, so that
 * a second start reads no weights. A folder that cannot be used is listed with its problem. Of two
 * folders with one name the first stands, the other is listed with a problem.
 *
 * struct models: loop thread. struct model_list: an immutable, counted snapshot for any thread. */
#ifndef ZOE_COORDINATOR_MODELS_H
#define ZOE_COORDINATOR_MODELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/model_digest.h"
#include "coordinator/canary_file.h"

struct model {
    char *name;
    char *folder; /* path */
    struct digest digest;
    uint64_t size_bytes;
    char *description;              /* JSON line of `zoe-engine describe`; "" with a problem */
    char *problem;                  /* why it cannot be used; NULL = it can */
    uint32_t latent_channels;       /* 0 = nobody knows, as with spatial_factor: */
    uint32_t spatial_factor;        /* pixels a latent's side */
    bool is_lora;                   /* it changes models and renders nothing by itself */
    struct canary_file canary;      /* its own; without a recipe when it needs none */
    const struct model_file *files; /* those of the digest, sorted by path */
    size_t file_count;
    struct model_files owned; /* models.c's own */
};

struct model_list {
    struct model **models; /* by name */
    size_t count;
    char *engine;   /* zoe-engine that described them; NULL: none */
    int references; /* models.c's own */
};

/* Usable ones only; borrowed; NULL when there is none. */
const struct model *model_list_find(const struct model_list *list, const char *name);
const struct model *model_list_find_digest(const struct model_list *list,
                                           const struct digest *digest);
/* Nearest usable name for an unknown one, of those that render, and of the LoRAs; or NULL. */
const char *model_list_nearest(const struct model_list *list, const char *name);
const char *model_list_nearest_lora(const struct model_list *list, const char *name);
/* What renders when nobody names a model: "shapes", else the only usable one, else NULL. */
const char *model_list_default(const struct model_list *list);

struct models_options {
    const char *const *folders; /* in order of precedence; missing ones are fine */
    size_t folder_count;
    const char *engine;     /* path of zoe-engine */
    const char *cache_file; /* STATE/models.json, or NULL */
    int64_t describe_limit_ms;
};

struct models;
struct models *models_create(uv_loop_t *loop, const struct models_options *options);
/* A scan on its way is ended, its engine children killed; its callback never runs. */
void models_destroy(struct models *m);

/* Looks at the folders; what is new or changed is described (all at once, on the pool) and hashed.
 * `done` runs on the loop thread, at once when nothing changed. Scans asked for meanwhile share the
 * next one. */
typedef void (*models_done)(void *context);
void models_scan(struct models *m, models_done done, void *context);

/* The current snapshot; a new reference. */
struct model_list *models_list(struct models *m);
struct model_list *model_list_ref(struct model_list *list);
void model_list_unref(struct model_list *list); /* any thread; NULL is fine */

/* Borrowed until the next scan ends; a digest that a batch was accepted with stays findable as long
 * as its folder is unchanged. */
const struct model *models_find(const struct models *m, const char *name);
const struct model *models_find_digest(const struct models *m, const struct digest *digest);

/* Reads at most `size` bytes of one of the digest's files, following no links; false when path or
 * offset is not the model's. */
bool model_read(const struct model *model, const char *path, uint64_t offset, void *out,
                size_t size, size_t *read_out, uint64_t *total_out, struct error *err);

#endif
