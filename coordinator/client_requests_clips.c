/* Clips of a batch, page by page: state from the core, prompt from the prompts file, the rest from
 * rows that exist only for clips that were started. */
#include <string.h>

#include "base/recipe.h"
#include "coordinator/client_requests.h"
#include "coordinator/shell.h"

#define PAGE_DEFAULT 100

struct clip_page {
    struct dispatch *d;
    struct reply reply;
    char batch[ID_BATCH_SIZE];
    Farm__Clips message;
    uint32_t limit;
};

struct row {
    struct dispatch *d;
    struct reply *reply;
    const char *batch;
    uint32_t index;
    Farm__Clip *m;
};

static bool fill_prompt(struct row *r, struct error *err)
{
    struct prompts_clip clip;
    if (!prompts_clip(r->d->c->prompts, r->batch, r->index, &clip, err)) return false;
    r->m->prompt = reply_text(r->reply, clip.text, RECIPE_PROMPT_MAX_BYTES);
    r->m->seed = clip.seed;
    return true;
}

/* A clip that is one task, and open. */
static void fill_task(struct row *r)
{
    struct task_record task;
    struct task_key key = {.clip = r->index};
    memcpy(key.batch, r->batch, sizeof(key.batch));
    if (!farm_task_record(r->d->c->farm, &key, &task)) return;
    r->m->attempts = task.attempts;
    r->m->message = reply_text(r->reply, task.message, LIMIT_TEXT_BYTES);
    r->m->worker = reply_name(r->reply, task.winner, LIMIT_NAME_BYTES);
    r->m->suspect = reply_name(r->reply, suspect_name(task.suspect), LIMIT_BACKEND_BYTES);
}

static void count_attempt(void *context, const struct store_attempt *attempt)
{
    (void)attempt;
    ((Farm__Clip *)context)->attempts++;
}

static void fill_tasks(struct row *r)
{
    struct clip_progress progress;
    if (!farm_clip_progress(r->d->c->farm, r->batch, r->index, &progress) || progress.tasks <= 1) {
        fill_task(r);
        return;
    }
    r->m->tasks = progress.tasks;
    r->m->tasks_done = progress.done;
    (void)store_each_clip_attempt(r->d->c->store, r->batch, r->index, count_attempt, r->m, NULL);
}

/* A published clip without a file is one. */
static void fill_report(struct row *r)
{
    struct buf text = BUF_INIT;
    if (store_report(r->d->c->store, r->batch, r->index, &text, NULL)) {
        const struct digest sha256 = digest_of(text.data, text.size);
        r->m->sha256 = reply_digest(r->reply, &sha256);
        buf_append_char(&text, '\0');
        r->m->report = reply_text(r->reply, (const char *)text.data, LIMIT_INLINE_BYTES);
    }
    buf_finish(&text);
}

static void fill_record(struct row *r)
{
    struct clip_record row;
    struct reply *memory = r->reply;
    Farm__Clip *m = r->m;
    if (!store_clip(r->d->c->store, r->batch, r->index, &row, NULL)) return;
    m->file = reply_text(memory, row.file, LIMIT_PATH_BYTES);
    m->size_bytes = row.size_bytes;
    m->sidecar_bytes = row.sidecar_bytes;
    m->sha256 = reply_digest(memory, &row.sha256);
    m->attempts = row.attempts;
    m->worker = reply_name(memory, row.worker, LIMIT_NAME_BYTES);
    m->suspect = reply_name(memory, suspect_name(row.suspect), LIMIT_BACKEND_BYTES);
    m->why = reply_name(memory, row.why, LIMIT_BACKEND_BYTES);
    m->message = reply_text(memory, row.message, LIMIT_TEXT_BYTES);
    if (row.state == CLIP_PUBLISHED && row.file[0] == '\0') fill_report(r);
}

bool client_requests_fill_clip(struct dispatch *d, struct reply *reply, const char *batch,
                               uint32_t index, Farm__Clip *m, struct error *err)
{
    struct row r = {d, reply, batch, index, m};
    enum clip_state state = farm_clip_state(d->c->farm, batch, index);
    *m = (Farm__Clip)FARM__CLIP__INIT;
    m->index = index;
    m->state = reply_name(reply, clip_state_name(state), LIMIT_BACKEND_BYTES);
    if (!fill_prompt(&r, err)) return false;
    fill_tasks(&r);
    if (state != CLIP_WAITING) fill_record(&r);
    return true;
}

static bool add_clip(struct clip_page *p, uint32_t index, struct error *err)
{
    Farm__Clip *m = reply_alloc(&p->reply, 1, sizeof(*m));
    if (!client_requests_fill_clip(p->d, &p->reply, p->batch, index, m, err)) return false;
    p->message.clips[p->message.n_clips++] = m;
    return true;
}

static bool fill_page(struct clip_page *p, const Farm__ClipsWanted *asked, struct error *err)
{
    uint32_t from = (uint32_t)asked->from;
    uint32_t index = 0;
    while (farm_clip_find(p->d->c->farm, p->batch, asked->state, from, &index)) {
        if (p->message.n_clips == p->limit || p->reply.size_bytes > CLIENT_PAGE_BYTES / 2) {
            p->message.truncated = true;
            p->message.next = index;
            return true;
        }
        if (!add_clip(p, index, err)) return false;
        from = index + 1;
    }
    return true;
}

static bool check_state(struct dispatch *d, const char *state)
{
    struct error err = {0};
    if (state[0] == '\0') return true;
    for (int i = 0; i < CLIP_STATE_COUNT; i++) {
        if (strcmp(state, clip_state_name((enum clip_state)i)) == 0) return true;
    }
    error_set(&err, ERROR_INVALID,
              "no clip is ever %s: rendering, publishing, published, failed or canceled", state);
    dispatch_problem(d, &err);
    return false;
}

void client_requests_clips(struct dispatch *d)
{
    const Farm__ClipsWanted *asked = d->envelope->clips_wanted;
    struct clip_page p = {.d = d, .limit = asked->limit == 0 ? PAGE_DEFAULT : asked->limit};
    struct batch_info info;
    struct error err = {0};
    if (!check_state(d, asked->state) || !client_requests_find(d, asked->batch, &info)) return;
    memcpy(p.batch, info.id, sizeof(p.batch));
    reply_init(&p.reply);
    p.message = (Farm__Clips)FARM__CLIPS__INIT;
    p.message.clips = reply_alloc(&p.reply, p.limit, sizeof(*p.message.clips));
    if (fill_page(&p, asked, &err)) {
        dispatch_reply(d, FARM__ENVELOPE__BODY_CLIPS, &p.message.base);
    } else {
        dispatch_problem(d, &err);
    }
    reply_finish(&p.reply);
}
