/* input_pool: files that tasks take (worker/input_wanted.h), on this machine: each is fetched from
 * the coordinator by digest; for raw pictures a zoe-media child then fits it.
 *
 * What is wanted is named by its key. Files and pictures stand in STATE/inputs, at most
 * INPUT_POOL_BYTES together; the longest unused go first, never one that an attempt holds. One
 * after the other. Loop thread only. */
#ifndef ZOE_WORKER_INPUT_POOL_H
#define ZOE_WORKER_INPUT_POOL_H

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

#include "base/digest.h"
#include "worker/attempt_name.h"
#include "worker/input_fetch.h"
#include "worker/input_wanted.h"

#define INPUT_POOL_BYTES (UINT64_C(4) << 30)

struct input_pool;

struct input_pool_options {
    const char *state_folder;
    const char *media; /* path of zoe-media */
    void *context;
    bool (*ask)(void *context, Farm__Envelope *envelope); /* as input_fetch_host */
    void (*progress)(void *context, const struct digest *key, uint64_t bytes);
    /* path NULL: they cannot be had, err says why. ERROR_INVALID: zoe-media says that no pictures
     * can be made of that file, or died of it twice (M1); ERROR_FULL: there is no room; anything
     * else says nothing of the file and may pass. */
    void (*done)(void *context, const struct digest *key, const char *path,
                 const struct error *err);
    /* What a disk must have left beside an input: results go there too (W5). */
    uint64_t (*spare_bytes)(void *context);
};

struct input_pool *input_pool_create(uv_loop_t *loop, const struct input_pool_options *options,
                                     struct error *err);
void input_pool_close(struct input_pool *in);

/* An attempt needs it: input_pool_find and input_pool_want know the key from here on, and it is not
 * thrown away before input_pool_release. The same again is fine. */
void input_pool_hold(struct input_pool *in, const struct input_wanted *wanted,
                     const struct attempt_name *name);
void input_pool_release(struct input_pool *in, const struct attempt_name *name);

/* This machine made a file that tasks to come will want: it need not be fetched then. The file at
 * `path` stays where it is and must not change any more. */
void input_pool_adopt(struct input_pool *in, const struct digest *digest, const char *path);

/* Path of what is wanted when it is here; caller frees. NULL otherwise. */
char *input_pool_find(struct input_pool *in, const struct digest *key);
/* False: not a key that anybody holds (a model's digest). True: `done` follows, later than within
 * this call. */
bool input_pool_want(struct input_pool *in, const struct digest *key);

/* From the bulk connection. */
struct input_fetch *input_pool_fetch(struct input_pool *in);

#endif
