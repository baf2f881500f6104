/* submit_transfer: see the header. All transfers, and each while it is receiving; submit_check.c
 * goes on when its file is whole. */
#include "coordinator/submit_transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "coordinator/memory_probe.h"
#include "coordinator/models.h"
#include "coordinator/submit_transfer_state.h"

/* ---- answers ---- */

static void answer_one(struct submit_transfers *s, uint64_t client, uint64_t request,
                       struct submit_answer answer)
{
    answer.client = client;
    answer.request = request;
    s->callbacks.answer(s->callbacks.context, &answer);
}

static void refuse(struct submit_transfers *s, const struct submit_request *r, enum error_code code,
                   const char *words)
{
    struct error err;
    error_set(&err, code, "%s", words);
    answer_one(s, r->client, r->request,
               (struct submit_answer){.err = &err, .batch = "", .folder = "", .key = r->key});
}

void submit_transfer_refuse(struct submit_transfers *s, const struct submit_transfer *t,
                            const struct error *why)
{
    struct submit_answer answer = {.err = why,
                                   .problems = t->result.problems,
                                   .problem_count = t->result.problem_count,
                                   .batch = "",
                                   .folder = "",
                                   .key = t->key};
    submit_crowd_answer(&t->crowd, &s->callbacks, &answer);
}

/* ---- life of a transfer ---- */

static struct submit_transfer *find(const struct submit_transfers *s, const char *owner,
                                    const char *key)
{
    for (struct submit_transfer *t = s->first; t != NULL; t = t->next)
        if (strcmp(t->request.owner, owner) == 0 && strcmp(t->key, key) == 0) return t;
    return NULL;
}

void submit_transfer_free(struct submit_transfer *t)
{
    if (t->fd >= 0) close(t->fd);
    unlink(t->path);
    submit_crowd_clear(&t->crowd);
    if (t->parsed) submit_result_finish(&t->result);
    model_list_unref(t->models);
    memory_book_unref(t->book);
    submit_request_free(&t->request);
    free(t->key);
    free(t->path);
    free(t->prompts_path);
    free(t->renders);
    free(t);
}

static void unlink_transfer(struct submit_transfers *s, struct submit_transfer *t)
{
    struct submit_transfer **at = &s->first;
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    s->count--;
}

/* What was granted and has not come goes back to the pool. */
static void withdraw(struct submit_transfers *s, struct submit_transfer *t)
{
    const uint64_t unused = credit_window_withdraw(&t->window);
    if (unused > 0) s->callbacks.give_back(s->callbacks.context, t->request.owner, unused);
}

/* Its crowd is the caller's. */
static struct submit_crowd take_out(struct submit_transfers *s, struct submit_transfer *t)
{
    struct submit_crowd crowd = t->crowd;
    t->crowd = (struct submit_crowd){.listeners = NULL};
    withdraw(s, t);
    unlink_transfer(s, t);
    return crowd;
}

static void open_waiting(struct submit_transfers *s, struct submit_crowd *crowd)
{
    int64_t now_ns = clock_now_ns();
    struct submit_request r;
    while (submit_crowd_next(crowd, &r)) {
        submit_transfers_open(s, &r, now_ns);
        submit_request_free(&r);
    }
    submit_crowd_clear(crowd);
}

void submit_transfer_end(struct submit_transfers *s, struct submit_transfer *t)
{
    struct submit_crowd crowd = take_out(s, t);
    submit_transfer_free(t);
    open_waiting(s, &crowd);
}

/* ---- receiving ---- */

/* Nothing more comes while the pool is empty or the disk is low; a tick goes on. */
static void grant(struct submit_transfers *s, struct submit_transfer *t, int64_t now_ns)
{
    const uint64_t from = t->window.granted, wanted = credit_window_wants(&t->window);
    if (wanted == 0) return;
    uint64_t lent =
        s->callbacks.borrow(s->callbacks.context, t->request.owner, wanted, !t->request.dry_run);
    if (lent == 0) return;
    credit_window_lend(&t->window, lent, now_ns);
    s->callbacks.credit(s->callbacks.context, t->request.client, t->request.request, t->key, from,
                        lent);
}

static struct submit_transfer *add_transfer(struct submit_transfers *s,
                                            const struct submit_request *r, char *key,
                                            const struct digest *content, int64_t now_ns)
{
    struct submit_transfer *t = xcalloc(1, sizeof *t);
    t->all = s;
    submit_request_copy(&t->request, r);
    t->key = key;
    t->default_key = r->key[0] == '\0';
    t->content = *content;
    t->window.size_bytes = r->size_bytes;
    credit_window_open(&t->window, 0, now_ns);
    t->path = xasprintf("%s/%llu", s->incoming, (unsigned long long)++s->files);
    t->fd = open(t->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    submit_crowd_listen(&t->crowd, r);
    t->next = s->first;
    s->first = t;
    s->count++;
    return t;
}

/* `key` becomes the transfer's. */
static void begin(struct submit_transfers *s, const struct submit_request *r, char *key,
                  const struct digest *content, int64_t now_ns)
{
    struct submit_transfer *t = add_transfer(s, r, key, content, now_ns);
    if (t->fd >= 0) {
        grant(s, t, now_ns);
        return;
    }
    error_set_errno(&t->why, errno, "cannot keep the submission");
    submit_transfer_refuse(s, t, &t->why);
    submit_transfer_end(s, t);
}

/* True when an earlier batch settles the matter, or when it cannot be told whether there is one. */
static bool answer_known(struct submit_transfers *s, const struct submit_request *r,
                         const char *key, const struct digest *content)
{
    struct submit_known known;
    struct error err = {0};
    bool automatic = r->key[0] == '\0';
    if (r->dry_run) return false;
    if (!s->callbacks.known(s->callbacks.context, r->owner, key, automatic, &known, &err)) {
        if (err.code == ERROR_NOT_FOUND) return false;
        refuse(s, r, err.code, err.message);
        return true;
    }
    if (!digest_equal(&known.content, content)) {
        char words[256];
        snprintf(words, sizeof words,
                 "the key '%.80s' belongs to batch %s, which has other content: choose another key",
                 key, known.batch);
        refuse(s, r, ERROR_REFUSED, words);
        return true;
    }
    answer_one(s, r->client, r->request,
               (struct submit_answer){.batch = known.batch,
                                      .folder = known.folder,
                                      .key = key,
                                      .prompts = known.prompts,
                                      .clips = known.clips,
                                      .existed = true});
    return true;
}

/* Another sends from now on: credit that the older one had is granted again from what is here. */
static void grant_anew(struct submit_transfers *s, struct submit_transfer *t, int64_t now_ns)
{
    withdraw(s, t);
    credit_window_open(&t->window, t->window.received, now_ns);
    grant(s, t, now_ns);
}

/* The newest opener sends. */
static void join(struct submit_transfers *s, struct submit_transfer *t,
                 const struct submit_request *r, int64_t now_ns)
{
    submit_crowd_listen(&t->crowd, r);
    if (t->state != TRANSFER_RECEIVING) return;
    t->request.client = r->client;
    t->request.request = r->request;
    memcpy(t->request.opener, r->opener, KEY_BYTES);
    grant_anew(s, t, now_ns);
}

static int count_of(const struct submit_transfers *s, const char *owner)
{
    int count = 0;
    for (const struct submit_transfer *t = s->first; t != NULL; t = t->next)
        count += strcmp(t->request.owner, owner) == 0;
    return count;
}

static const char *impossible(const struct submit_transfers *s, const struct submit_request *r)
{
    if (r->size_bytes == 0) return "the file is empty: one prompt a line";
    if (r->size_bytes > LIMIT_SUBMIT_BYTES) return "the file is larger than 1 GiB: split it";
    if (s->count >= SUBMIT_TRANSFERS_MAX) return "too many submissions are on their way: try again";
    if (count_of(s, r->owner) >= SUBMIT_TRANSFERS_OWNER_MAX)
        return "too many submissions of this owner are on their way: try again";
    return NULL;
}

void submit_transfers_open(struct submit_transfers *s, const struct submit_request *r,
                           int64_t now_ns)
{
    struct digest content = submit_request_content(r);
    char *key = r->key[0] ? xstrdup(r->key) : submit_request_default_key(r, &content);
    struct submit_transfer *t = find(s, r->owner, key);
    const char *why = impossible(s, r);
    if (t != NULL && submit_crowd_count(&t->crowd) >= SUBMIT_CROWD_MAX) {
        refuse(s, r, ERROR_REFUSED, "too many wait for the submission with this key: try again");
    } else if (t != NULL && digest_equal(&t->content, &content)) {
        join(s, t, r, now_ns);
    } else if (t != NULL) {
        submit_crowd_wait(&t->crowd, r);
    } else if (answer_known(s, r, key, &content)) {
        /* done */
    } else if (why != NULL) {
        refuse(s, r, r->size_bytes == 0 ? ERROR_USAGE : ERROR_REFUSED, why);
    } else {
        begin(s, r, xstrdup(key), &content, now_ns);
    }
    free(key);
}

/* Its bytes are new from `skip` on. False: it is over. */
static bool keep_chunk(struct submit_transfers *s, struct submit_transfer *t, const void *data,
                       size_t size_bytes, size_t skip)
{
    struct error why;
    if (path_write_at(t->fd, t->window.received, (const uint8_t *)data + skip, size_bytes - skip,
                      "cannot keep the submission", &why))
        return true;
    submit_transfer_refuse(s, t, &why);
    submit_transfer_end(s, t);
    return false;
}

bool submit_transfers_chunk(struct submit_transfers *s, uint64_t client, const char *owner,
                            const char *key, uint64_t offset, const void *data, size_t size_bytes,
                            int64_t now_ns, struct error *err)
{
    struct submit_transfer *t = find(s, owner, key);
    if (t == NULL || t->state != TRANSFER_RECEIVING || t->request.client != client) return true;
    struct credit_window *w = &t->window;
    if (credit_window_wakes(w, offset, size_bytes)) grant(s, t, now_ns);
    if (!credit_window_fits(w, offset, size_bytes))
        return error_set(err, ERROR_INVALID, "a chunk outside of what was granted");
    if (offset + size_bytes <= w->received) return true; /* a doubled one */
    if (!keep_chunk(s, t, data, size_bytes, (size_t)(w->received - offset))) return true;
    s->callbacks.give_back(s->callbacks.context, t->request.owner,
                           credit_window_take(w, offset + size_bytes, now_ns));
    if (w->received == w->size_bytes)
        submit_check_start(s, t);
    else
        grant(s, t, now_ns);
    return true;
}

/* Who waits for a verdict says nothing meanwhile, and is told it all the same. */
void submit_transfers_gone(struct submit_transfers *s, uint64_t client)
{
    for (struct submit_transfer *t = s->first; t != NULL; t = t->next)
        if (t->state == TRANSFER_RECEIVING) submit_crowd_gone(&t->crowd, client);
}

/* A pool thread may be at it: then its check frees it. */
static void abandon(struct submit_transfers *s, struct submit_transfer *t)
{
    struct submit_crowd crowd = take_out(s, t);
    if (t->state == TRANSFER_CHECKING)
        submit_check_abandon(t);
    else
        submit_transfer_free(t);
    open_waiting(s, &crowd);
}

/* Content is the same for all who joined: it goes on for who is left. */
static bool hand_on(struct submit_transfers *s, struct submit_transfer *t, int64_t now_ns)
{
    if (!submit_crowd_inherit(&t->crowd, &t->request)) return false;
    if (t->state == TRANSFER_RECEIVING) grant_anew(s, t, now_ns);
    return true;
}

void submit_transfers_expel(struct submit_transfers *s, const uint8_t key[KEY_BYTES],
                            int64_t now_ns)
{
    for (struct submit_transfer *t = s->first; t != NULL; t = t->next)
        submit_crowd_expel(&t->crowd, key);
    for (struct submit_transfer *t = s->first, *next; t != NULL; t = next) {
        next = t->next;
        if (t->state == TRANSFER_READY || !keys_equal(t->request.opener, key)) continue;
        if (hand_on(s, t, now_ns)) continue;
        abandon(s, t);
        next = s->first; /* waiters may have been opened: look at all again */
    }
}

static bool is_over(const struct submit_transfer *t, int64_t now_ns)
{
    if (t->state != TRANSFER_RECEIVING) return false;
    int64_t silent_ns = credit_window_silent_ns(&t->window, now_ns);
    return silent_ns > SUBMIT_RESUME_NS ||
           (t->crowd.waiting != NULL && silent_ns > SUBMIT_STALL_NS);
}

void submit_transfers_tick(struct submit_transfers *s, int64_t now_ns)
{
    struct submit_transfer *t = s->first;
    while (t != NULL) {
        struct submit_transfer *next = t->next;
        if (is_over(t, now_ns)) {
            struct error why;
            error_set(&why, ERROR_TIMEOUT, "the submission stopped coming: submit again");
            submit_transfer_refuse(s, t, &why);
            submit_transfer_end(s, t);
            next = s->first; /* waiters may have been opened: look at all again */
        } else if (t->state == TRANSFER_RECEIVING && credit_window_tires(&t->window, now_ns)) {
            withdraw(s, t); /* others can use it */
        } else if (t->state == TRANSFER_RECEIVING) {
            grant(s, t, now_ns);
        }
        t = next;
    }
}

/* ---- life ---- */

struct submit_transfers *submit_transfers_create(uv_loop_t *loop,
                                                 const struct submit_options *options,
                                                 struct models *models,
                                                 const struct submit_callbacks *callbacks,
                                                 struct error *err)
{
    if (!path_remove_tree(options->incoming, err) ||
        !path_make_folders(options->incoming, 0700, err) ||
        !path_make_folders(options->prompts, 0700, err) ||
        !path_make_folders(options->renders, 0700, err))
        return NULL;
    struct submit_transfers *s = xcalloc(1, sizeof *s);
    s->loop = loop;
    s->models = models;
    s->book = memory_book_create();
    s->lanes = submit_lanes_create(s);
    s->callbacks = *callbacks;
    s->incoming = xstrdup(options->incoming);
    s->prompts = xstrdup(options->prompts);
    s->renders = xstrdup(options->renders);
    return s;
}

void submit_transfers_destroy(struct submit_transfers *s)
{
    if (s == NULL) return;
    while (s->first != NULL) {
        struct submit_transfer *t = s->first;
        s->first = t->next;
        if (t->state == TRANSFER_CHECKING) {
            submit_check_abandon(t);
            continue;
        }
        if (t->state == TRANSFER_READY) submit_check_drop(t);
        submit_transfer_free(t);
    }
    free(s->incoming);
    free(s->prompts);
    free(s->renders);
    memory_book_unref(s->book);
    s->lanes->owner = NULL;
    submit_lanes_unref(s->lanes);
    free(s);
}

int submit_transfers_count(const struct submit_transfers *s)
{
    return s->count;
}
