/* engine_render: one render message of worker/pipe.h, from its first word to `done` or `failed`. It
 * speaks on stdout; what it shares with the thread that listens goes through its host. */
#ifndef ZOE_WORKER_ENGINE_RENDER_H
#define ZOE_WORKER_ENGINE_RENDER_H

#include <jansson.h>

#include "engine/engine.h"

struct render;

struct render_host {
    void *context;
    /* The model of that folder with these LoRAs, opened since its files had that signature;
     * render_speak says "loading" when it takes long. */
    struct engine_model *(*model)(void *context, struct render *r, const char *folder,
                                  const char *signature, const json_t *loras, struct error *err);
    /* The job that a cancel of the attempt stops from here on; NULL: none. */
    void (*publish)(void *context, const char *attempt, struct engine_job *job);
    /* Where to save now; caller frees. NULL: nobody asked. */
    char *(*save_path)(void *context, const char *attempt);
};

/* Exits when the message is none: the worker is not ours. */
void render_run(const struct render_host *host, const json_t *message);

/* About this request; takes the reference of `fields`. A worker that does not listen any more is
 * gone: it exits. */
void render_speak(struct render *r, const char *type, json_t *fields);

#endif
