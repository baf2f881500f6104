/* submit_transfer: see the header. A transfer is receiving, being checked on a pool thread, or
 * checked and waiting for the commit. */
#include "coordinator/submit_transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "coordinator/memory_probe.h"
#include "coordinator/models.h"
#include "coordinator/rebuild.h"

enum transfer_state { RECEIVING, CHECKING, READY };

struct listener { /* somebody who wants the answer */
    uint64_t client, request;
    struct listener *next;
};

struct waiting {                   /* an opener with other content for the same key */
    struct submit_request request; /* texts owned */
    struct waiting *next;
};

struct submit_transfer {
    struct submit_transfers *all; /* NULL: they were destroyed while a check was on its way */
    struct submit_transfer *next;
    enum transfer_state state;
    struct submit_request request; /* texts owned; client and request are the sender's */
    char *key;                     /* resolved */
    bool default_key;
    struct digest content;
    struct listener *listeners;
    struct waiting *waiting;
    char *path; /* the temporary file */
    int fd;
    uint64_t received, granted;
    int64_t heard_ns;
    char batch[ID_BATCH_SIZE];
    char folder[PUBLISH_FOLDER_SIZE];
    int64_t submitted_ms;
    /* for the pool thread */
    uv_work_t work;
    char *prompts_path;
    char *renders;
    struct model_list *models;
    struct memory_book *book;
    struct submit_result result;
    bool parsed; /* result is to be finished */
    bool sound;
    struct error why;
};

struct submit_transfers {
    uv_loop_t *loop;
    struct models *models;
    struct memory_book *book;
    struct submit_callbacks callbacks;
    char *incoming, *prompts, *renders;
    struct submit_transfer *first;
    int count;
    uint64_t files; /* names of temporaries */
};

/* ---- requests ---- */

static void copy_request(struct submit_request *out, const struct submit_request *from)
{
    *out = *from;
    out->owner = xstrdup(from->owner);
    out->key = xstrdup(from->key);
    out->name = xstrdup(from->name);
    out->options = xstrdup(from->options);
}

static void free_request(struct submit_request *r)
{
    const char *texts[] = {r->owner, r->key, r->name, r->options};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        free((void *)(uintptr_t)texts[i]);
}

static void add_text(struct digest_stream *s, const char *text)
{
    digest_update(s, text, strlen(text) + 1);
}

static struct digest content_of(const struct submit_request *r)
{
    struct digest_stream s;
    char priority[16];
    snprintf(priority, sizeof priority, "%d", r->priority);
    digest_begin(&s);
    digest_update(&s, r->sha256.bytes, DIGEST_BYTES);
    add_text(&s, submit_format_name(r->format));
    add_text(&s, r->options);
    add_text(&s, r->name);
    add_text(&s, priority);
    return digest_end(&s);
}

/* The default key: content and owner; with `again` one that nothing has yet. */
static char *default_key(const struct submit_request *r, const struct digest *content)
{
    struct digest_stream s;
    char text[DIGEST_TEXT_SIZE];
    digest_begin(&s);
    digest_update(&s, content->bytes, DIGEST_BYTES);
    add_text(&s, r->owner);
    struct digest d = digest_end(&s);
    digest_text(&d, text);
    if (!r->again) return xasprintf("auto-%.40s", text);
    return xasprintf("auto-%.24s-%016llx", text, (unsigned long long)id_random_u64());
}

/* ---- answers ---- */

static void answer_one(struct submit_transfers *s, uint64_t client, uint64_t request,
                       struct submit_answer answer)
{
    answer.client = client;
    answer.request = request;
    s->callbacks.answer(s->callbacks.context, &answer);
}

static void answer_all(struct submit_transfers *s, const struct submit_transfer *t,
                       const struct submit_answer *answer)
{
    for (const struct listener *l = t->listeners; l != NULL; l = l->next)
        answer_one(s, l->client, l->request, *answer);
}

static void refuse(struct submit_transfers *s, const struct submit_request *r, enum error_code code,
                   const char *words)
{
    struct error err;
    error_set(&err, code, "%s", words);
    answer_one(s, r->client, r->request,
               (struct submit_answer){.err = &err, .batch = "", .folder = "", .key = r->key});
}

static void refuse_all(struct submit_transfers *s, const struct submit_transfer *t,
                       const struct error *why)
{
    struct submit_answer answer = {.err = why,
                                   .problems = t->result.problems,
                                   .problem_count = t->result.problem_count,
                                   .batch = "",
                                   .folder = "",
                                   .key = t->key};
    answer_all(s, t, &answer);
}

/* ---- life of a transfer ---- */

static struct submit_transfer *find(const struct submit_transfers *s, const char *owner,
                                    const char *key)
{
    for (struct submit_transfer *t = s->first; t != NULL; t = t->next)
        if (strcmp(t->request.owner, owner) == 0 && strcmp(t->key, key) == 0) return t;
    return NULL;
}

static void add_listener(struct submit_transfer *t, uint64_t client, uint64_t request)
{
    for (struct listener *l = t->listeners; l != NULL; l = l->next)
        if (l->client == client && l->request == request) return;
    struct listener *l = xcalloc(1, sizeof *l);
    *l = (struct listener){client, request, t->listeners};
    t->listeners = l;
}

static void drop_file(struct submit_transfer *t)
{
    if (t->fd >= 0) close(t->fd);
    t->fd = -1;
    unlink(t->path);
}

static void free_transfer(struct submit_transfer *t)
{
    while (t->listeners != NULL) {
        struct listener *l = t->listeners;
        t->listeners = l->next;
        free(l);
    }
    while (t->waiting != NULL) {
        struct waiting *w = t->waiting;
        t->waiting = w->next;
        free_request(&w->request);
        free(w);
    }
    if (t->parsed) submit_result_finish(&t->result);
    model_list_unref(t->models);
    memory_book_unref(t->book);
    free_request(&t->request);
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

/* Takes it out and frees it; whoever waited for its key is opened again. */
/* What was granted and has not come goes back to the pool. */
static void withdraw(struct submit_transfers *s, struct submit_transfer *t)
{
    if (t->granted == t->received) return;
    s->callbacks.give_back(s->callbacks.context, t->granted - t->received);
    t->granted = t->received;
}

static void end_transfer(struct submit_transfers *s, struct submit_transfer *t)
{
    int64_t now_ns = clock_now_ns();
    withdraw(s, t);
    struct waiting *waiting = t->waiting;
    t->waiting = NULL;
    unlink_transfer(s, t);
    drop_file(t);
    free_transfer(t);
    while (waiting != NULL) {
        struct waiting *w = waiting;
        waiting = w->next;
        submit_transfers_open(s, &w->request, now_ns);
        free_request(&w->request);
        free(w);
    }
}

/* ---- checking (pool thread) ---- */

static json_t *about_groups(const struct submit_result *r)
{
    json_t *groups = json_array();
    for (uint32_t i = 0; i < r->group_count; i++) {
        const struct submit_group *g = &r->groups[i];
        char digest[DIGEST_TEXT_SIZE];
        digest_text(&g->model_digest, digest);
        json_array_append_new(
            groups,
            json_pack("{ss ss sI sI sI sI sf sI sO}", "model", g->model, "model_digest", digest,
                      "width", (json_int_t)g->width, "height", (json_int_t)g->height, "num_frames",
                      (json_int_t)g->frames, "num_inference_steps", (json_int_t)g->steps, "fps",
                      g->fps, "clips", (json_int_t)g->clips, "base", g->base));
    }
    return groups;
}

static void add_rebuild_facts(const struct submit_transfer *t, json_t *about)
{
    struct rebuild_facts facts = {.key = t->key,
                                  .default_key = t->default_key,
                                  .content = t->content,
                                  .submitted_ms = t->submitted_ms,
                                  .options = t->request.options};
    rebuild_facts_add(about, &facts, &t->result);
}

static bool prepare_folder(struct submit_transfer *t, struct error *err)
{
    const struct submit_request *r = &t->request;
    json_t *options = json_parse(*r->options ? r->options : "{}",
                                 *r->options ? strlen(r->options) : 2, "options", err);
    if (options == NULL) return false;
    json_t *groups = about_groups(&t->result);
    json_t *about = publish_batch_about(t->batch, r->name, r->owner, r->priority, t->submitted_ms,
                                        t->result.prompts, t->result.clips, options, groups);
    add_rebuild_facts(t, about);
    struct publish_batch batch = {.renders = t->renders,
                                  .batch = t->batch,
                                  .folder = t->folder,
                                  .about = about,
                                  .source = t->path,
                                  .recipes = t->prompts_path,
                                  .source_is_jsonl = r->format == SUBMIT_JSONL};
    bool ok = publish_batch_prepare(&batch, err);
    json_decref(about);
    json_decref(groups);
    json_decref(options);
    return ok;
}

static bool check_digest(struct submit_transfer *t, struct error *err)
{
    struct digest found;
    if (!digest_of_file(t->path, &found, NULL, err)) return false;
    return digest_equal(&found, &t->request.sha256) ||
           error_set(err, ERROR_INVALID, "the file arrived with another SHA-256: send it again");
}

static void check(uv_work_t *work)
{
    struct submit_transfer *t = work->data;
    struct submit_input input = {.format = t->request.format,
                                 .options = t->request.options,
                                 .models = t->models,
                                 .prompts_path = t->request.dry_run ? NULL : t->prompts_path};
    t->sound = check_digest(t, &t->why);
    if (!t->sound) return;
    t->parsed = true;
    t->sound = submit_file_parse_path(t->path, &input, &t->result, &t->why);
    if (!t->sound || t->request.dry_run) return;
    memory_book_fill(t->book, t->models, &t->result);
    t->sound = prepare_folder(t, &t->why);
    if (!t->sound) unlink(t->prompts_path);
}

/* ---- after the check ---- */

static void drop_prepared(struct submit_transfer *t)
{
    publish_batch_drop(t->renders, t->batch);
    unlink(t->prompts_path);
}

static struct submit_answer good_answer(const struct submit_transfer *t)
{
    return (struct submit_answer){.batch = t->request.dry_run ? "" : t->batch,
                                  .folder = t->request.dry_run ? "" : t->folder,
                                  .key = t->key,
                                  .prompts = t->result.prompts,
                                  .clips = t->result.clips,
                                  .plans = t->request.dry_run ? &t->result : NULL,
                                  .warnings = t->result.warnings,
                                  .warning_count = t->result.warning_count};
}

static void ask_for_commit(struct submit_transfers *s, struct submit_transfer *t)
{
    struct submit_ready ready = {.transfer = t,
                                 .owner = t->request.owner,
                                 .name = t->request.name,
                                 .key = t->key,
                                 .default_key = t->default_key,
                                 .content = t->content,
                                 .priority = t->request.priority,
                                 .submitted_ms = t->submitted_ms,
                                 .options = t->request.options,
                                 .result = &t->result};
    memcpy(ready.batch, t->batch, sizeof ready.batch);
    memcpy(ready.folder, t->folder, sizeof ready.folder);
    t->state = READY;
    s->callbacks.accept(s->callbacks.context, &ready);
}

static void on_checked(uv_work_t *work, int status)
{
    struct submit_transfer *t = work->data;
    struct submit_transfers *s = t->all;
    if (status != 0) {
        t->sound = false;
        error_set(&t->why, ERROR_INTERRUPTED, "the check was broken off");
    }
    if (s == NULL) { /* nobody is there any more */
        if (t->sound && !t->request.dry_run) drop_prepared(t);
        drop_file(t);
        free_transfer(t);
    } else if (!t->sound) {
        refuse_all(s, t, &t->why);
        end_transfer(s, t);
    } else if (t->request.dry_run) {
        struct submit_answer answer = good_answer(t);
        answer_all(s, t, &answer);
        end_transfer(s, t);
    } else {
        ask_for_commit(s, t);
    }
}

static void start_check(struct submit_transfers *s, struct submit_transfer *t)
{
    t->state = CHECKING;
    if (t->fd >= 0) close(t->fd);
    t->fd = -1;
    do {
        id_new_batch(t->batch);
    } while (!s->callbacks.id_is_free(s->callbacks.context, t->batch));
    publish_folder_name(t->batch, t->request.name, t->folder);
    t->submitted_ms = clock_wall_ms();
    t->models = models_list(s->models);
    t->book = memory_book_ref(s->book);
    t->prompts_path = xasprintf("%s/%s.prompts", s->prompts, t->batch);
    t->renders = xstrdup(s->renders);
    t->work.data = t;
    uv_queue_work(s->loop, &t->work, check, on_checked);
}

void submit_transfer_warn(struct submit_transfer *t, const char *text)
{
    struct submit_result *r = &t->result;
    if (r->warning_count < SUBMIT_WARNINGS) r->warnings[r->warning_count++] = xstrdup(text);
}

void submit_transfer_accepted(struct submit_transfers *s, struct submit_transfer *t)
{
    struct error err;
    struct submit_answer answer = good_answer(t);
    if (!publish_batch_place(t->renders, t->batch, t->folder, &err)) {
        /* committed all the same: the next start places the folder */
        log_error("the folder of batch %s: %s", t->batch, err.message);
    }
    answer_all(s, t, &answer);
    end_transfer(s, t);
}

void submit_transfer_failed(struct submit_transfers *s, struct submit_transfer *t,
                            const struct error *err)
{
    drop_prepared(t);
    refuse_all(s, t, err);
    end_transfer(s, t);
}

/* ---- receiving ---- */

/* Nothing more comes while the pool is empty or the disk is low; a tick goes on. */
static void grant(struct submit_transfers *s, struct submit_transfer *t)
{
    uint64_t upto = t->received + CREDIT_WINDOW_BYTES;
    if (upto > t->request.size_bytes) upto = t->request.size_bytes;
    if (upto <= t->granted) return;
    uint64_t from = t->granted;
    uint64_t lent = s->callbacks.borrow(s->callbacks.context, upto - from, !t->request.dry_run);
    if (lent == 0) return;
    t->granted += lent;
    s->callbacks.credit(s->callbacks.context, t->request.client, t->request.request, t->key, from,
                        lent);
}

static struct submit_transfer *begin(struct submit_transfers *s, const struct submit_request *r,
                                     char *key, const struct digest *content, int64_t now_ns)
{
    struct submit_transfer *t = xcalloc(1, sizeof *t);
    t->all = s;
    copy_request(&t->request, r);
    t->key = key;
    t->default_key = r->key[0] == '\0';
    t->content = *content;
    t->heard_ns = now_ns;
    t->path = xasprintf("%s/%llu", s->incoming, (unsigned long long)++s->files);
    t->fd = open(t->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    add_listener(t, r->client, r->request);
    t->next = s->first;
    s->first = t;
    s->count++;
    return t;
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

static int crowd(const struct submit_transfer *t)
{
    int count = 0;
    for (const struct listener *l = t->listeners; l != NULL; l = l->next)
        count++;
    for (const struct waiting *w = t->waiting; w != NULL; w = w->next)
        count++;
    return count;
}

static void wait_for(struct submit_transfer *t, const struct submit_request *r)
{
    struct waiting *w = xcalloc(1, sizeof *w);
    copy_request(&w->request, r);
    struct waiting **at = &t->waiting;
    while (*at != NULL)
        at = &(*at)->next;
    *at = w;
}

/* The newest opener sends; credit that the older one had is granted again from what is here. */
static void join(struct submit_transfers *s, struct submit_transfer *t,
                 const struct submit_request *r, int64_t now_ns)
{
    add_listener(t, r->client, r->request);
    if (t->state != RECEIVING) return;
    t->request.client = r->client;
    t->request.request = r->request;
    t->heard_ns = now_ns;
    withdraw(s, t);
    grant(s, t);
}

static const char *impossible(const struct submit_transfers *s, const struct submit_request *r)
{
    if (r->size_bytes == 0) return "the file is empty: one prompt a line";
    if (r->size_bytes > LIMIT_SUBMIT_BYTES) return "the file is larger than 1 GiB: split it";
    if (s->count >= SUBMIT_TRANSFERS_MAX) return "too many submissions are on their way: try again";
    return NULL;
}

void submit_transfers_open(struct submit_transfers *s, const struct submit_request *r,
                           int64_t now_ns)
{
    struct digest content = content_of(r);
    char *key = r->key[0] ? xstrdup(r->key) : default_key(r, &content);
    struct submit_transfer *t = find(s, r->owner, key);
    const char *why = impossible(s, r);
    if (t != NULL && crowd(t) >= SUBMIT_CROWD_MAX) {
        refuse(s, r, ERROR_REFUSED, "too many wait for the submission with this key: try again");
    } else if (t != NULL && digest_equal(&t->content, &content)) {
        join(s, t, r, now_ns);
    } else if (t != NULL) {
        wait_for(t, r);
    } else if (answer_known(s, r, key, &content)) {
        /* done */
    } else if (why != NULL) {
        refuse(s, r, r->size_bytes == 0 ? ERROR_USAGE : ERROR_REFUSED, why);
    } else {
        t = begin(s, r, key, &content, now_ns);
        key = NULL;
        if (t->fd < 0) {
            error_set_errno(&t->why, errno, "cannot keep the submission");
            refuse_all(s, t, &t->why);
            end_transfer(s, t);
        } else {
            grant(s, t);
        }
    }
    free(key);
}

static bool store_bytes(struct submit_transfer *t, uint64_t offset, const uint8_t *data,
                        size_t size, struct error *err)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = pwrite(t->fd, data + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return error_set_errno(err, errno, "cannot keep the submission");
        done += (size_t)n;
    }
    return true;
}

bool submit_transfers_chunk(struct submit_transfers *s, uint64_t client, const char *owner,
                            const char *key, uint64_t offset, const void *data, size_t size_bytes,
                            int64_t now_ns, struct error *err)
{
    struct submit_transfer *t = find(s, owner, key);
    if (t == NULL || t->state != RECEIVING || t->request.client != client) return true;
    t->heard_ns = now_ns;
    if (offset > t->received || size_bytes > t->granted - offset)
        return error_set(err, ERROR_INVALID, "a chunk outside of what was granted");
    if (offset + size_bytes <= t->received) return true; /* a doubled one */
    size_t skip = (size_t)(t->received - offset);
    struct error why;
    if (!store_bytes(t, t->received, (const uint8_t *)data + skip, size_bytes - skip, &why)) {
        refuse_all(s, t, &why);
        end_transfer(s, t);
        return true;
    }
    s->callbacks.give_back(s->callbacks.context, offset + size_bytes - t->received);
    t->received = offset + size_bytes;
    if (t->received == t->request.size_bytes)
        start_check(s, t);
    else if (t->granted - t->received <= CREDIT_WINDOW_BYTES / 2)
        grant(s, t);
    return true;
}

void submit_transfers_gone(struct submit_transfers *s, uint64_t client)
{
    for (struct submit_transfer *t = s->first; t != NULL; t = t->next) {
        for (struct listener **at = &t->listeners; *at != NULL;) {
            struct listener *l = *at;
            if (l->client != client) {
                at = &l->next;
                continue;
            }
            *at = l->next;
            free(l);
        }
    }
}

static bool is_over(const struct submit_transfer *t, int64_t now_ns)
{
    if (t->state != RECEIVING) return false;
    int64_t silent_ns = now_ns - t->heard_ns;
    return silent_ns > SUBMIT_RESUME_NS || (t->waiting != NULL && silent_ns > SUBMIT_STALL_NS);
}

void submit_transfers_tick(struct submit_transfers *s, int64_t now_ns)
{
    struct submit_transfer *t = s->first;
    while (t != NULL) {
        struct submit_transfer *next = t->next;
        if (is_over(t, now_ns)) {
            struct error why;
            error_set(&why, ERROR_TIMEOUT, "the submission stopped coming: submit again");
            refuse_all(s, t, &why);
            end_transfer(s, t);
            next = s->first; /* waiters may have been opened: look at all again */
        } else if (t->state == RECEIVING && t->granted == t->received) {
            grant(s, t);
        } else if (t->state == RECEIVING && now_ns - t->heard_ns > CREDIT_IDLE_NS) {
            withdraw(s, t); /* others can use it; whoever comes back opens again */
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
        if (t->state == CHECKING) {
            t->all = NULL; /* on_checked frees it */
            continue;
        }
        if (t->state == READY) drop_prepared(t);
        drop_file(t);
        free_transfer(t);
    }
    free(s->incoming);
    free(s->prompts);
    free(s->renders);
    memory_book_unref(s->book);
    free(s);
}

int submit_transfers_count(const struct submit_transfers *s)
{
    return s->count;
}
