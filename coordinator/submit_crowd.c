/* submit_crowd: see the header. */
#include "coordinator/submit_crowd.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

struct submit_listener {
    uint64_t client, request;
    uint8_t opener[KEY_BYTES];
    bool sees_all;
    struct submit_listener *next;
};

struct submit_waiting {
    struct submit_request request; /* texts owned */
    struct submit_waiting *next;
};

void submit_crowd_clear(struct submit_crowd *c)
{
    struct submit_request r;
    while (c->listeners != NULL) {
        struct submit_listener *l = c->listeners;
        c->listeners = l->next;
        free(l);
    }
    while (submit_crowd_next(c, &r))
        submit_request_free(&r);
}

int submit_crowd_count(const struct submit_crowd *c)
{
    int count = 0;
    for (const struct submit_listener *l = c->listeners; l != NULL; l = l->next)
        count++;
    for (const struct submit_waiting *w = c->waiting; w != NULL; w = w->next)
        count++;
    return count;
}

void submit_crowd_listen(struct submit_crowd *c, const struct submit_request *r)
{
    for (struct submit_listener *l = c->listeners; l != NULL; l = l->next)
        if (l->client == r->client && l->request == r->request) return;
    struct submit_listener *l = xcalloc(1, sizeof *l);
    *l = (struct submit_listener){
        .client = r->client, .request = r->request, .sees_all = r->sees_all, .next = c->listeners};
    memcpy(l->opener, r->opener, KEY_BYTES);
    c->listeners = l;
}

bool submit_crowd_inherit(const struct submit_crowd *c, struct submit_request *r)
{
    const struct submit_listener *l = c->listeners;
    if (l == NULL) return false;
    r->client = l->client;
    r->request = l->request;
    r->sees_all = l->sees_all;
    memcpy(r->opener, l->opener, KEY_BYTES);
    return true;
}

/* Those of this client or, when one is given, of this key. */
static void remove_listeners(struct submit_crowd *c, uint64_t client, const uint8_t *key)
{
    for (struct submit_listener **at = &c->listeners; *at != NULL;) {
        struct submit_listener *l = *at;
        if (key != NULL ? !keys_equal(l->opener, key) : l->client != client) {
            at = &l->next;
            continue;
        }
        *at = l->next;
        free(l);
    }
}

void submit_crowd_expel(struct submit_crowd *c, const uint8_t key[KEY_BYTES])
{
    remove_listeners(c, 0, key);
    for (struct submit_waiting **at = &c->waiting; *at != NULL;) {
        struct submit_waiting *w = *at;
        if (!keys_equal(w->request.opener, key)) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        submit_request_free(&w->request);
        free(w);
    }
}

void submit_crowd_gone(struct submit_crowd *c, uint64_t client)
{
    remove_listeners(c, client, NULL);
}

void submit_crowd_answer(const struct submit_crowd *c, const struct submit_callbacks *callbacks,
                         const struct submit_answer *answer)
{
    struct submit_answer one = *answer;
    for (const struct submit_listener *l = c->listeners; l != NULL; l = l->next) {
        one.client = l->client;
        one.request = l->request;
        callbacks->answer(callbacks->context, &one);
    }
}

void submit_crowd_wait(struct submit_crowd *c, const struct submit_request *r)
{
    struct submit_waiting *w = xcalloc(1, sizeof *w);
    submit_request_copy(&w->request, r);
    struct submit_waiting **at = &c->waiting;
    while (*at != NULL)
        at = &(*at)->next;
    *at = w;
}

bool submit_crowd_next(struct submit_crowd *c, struct submit_request *out)
{
    struct submit_waiting *w = c->waiting;
    if (w == NULL) return false;
    c->waiting = w->next;
    *out = w->request;
    free(w);
    return true;
}
