#include "coordinator/intake_answer.h"

#include "coordinator/reply.h"
#include "coordinator/shell.h"

static Farm__InputProblem **problem_list(struct reply *r, const struct submit_answer *a)
{
    Farm__InputProblem **list = reply_alloc(r, a->problem_count + 1, sizeof(*list));
    for (uint32_t i = 0; i < a->problem_count; i++) {
        list[i] = reply_alloc(r, 1, sizeof(**list));
        *list[i] = (Farm__InputProblem)FARM__INPUT_PROBLEM__INIT;
        list[i]->line = a->problems[i].line;
        list[i]->field = reply_name(r, a->problems[i].field, LIMIT_NAME_BYTES);
        list[i]->message = reply_text(r, a->problems[i].message, LIMIT_TEXT_BYTES);
    }
    return list;
}

static void answer_problem(struct coordinator *c, const struct submit_answer *a, struct reply *r)
{
    Farm__Problem m = FARM__PROBLEM__INIT;
    m.code = reply_text(r, error_name(a->err->code), LIMIT_BACKEND_BYTES);
    m.message = reply_text(r, a->err->message, LIMIT_TEXT_BYTES);
    m.inputs = problem_list(r, a);
    m.n_inputs = a->problem_count < LIMIT_INPUT_PROBLEMS ? a->problem_count : LIMIT_INPUT_PROBLEMS;
    (void)outbound_reply(&c->outbound, true, a->client, a->request, FARM__ENVELOPE__BODY_PROBLEM,
                         &m.base, OUTBOUND_COMMITTED);
}

static Farm__Group *group_of(struct reply *r, const struct submit_group *g)
{
    Farm__Group *m = reply_alloc(r, 1, sizeof(*m));
    Farm__Counts *clips = reply_alloc(r, 1, sizeof(*clips));
    *m = (Farm__Group)FARM__GROUP__INIT;
    *clips = (Farm__Counts)FARM__COUNTS__INIT;
    clips->total = g->clips;
    m->model = reply_name(r, g->model, LIMIT_NAME_BYTES);
    m->width = (uint32_t)g->width;
    m->height = (uint32_t)g->height;
    m->frames = (uint32_t)g->frames;
    m->steps = (uint32_t)g->steps;
    m->fps = (uint32_t)g->fps;
    m->clips = clips;
    m->tasks = plan_task_count(&g->plan);
    if (m->tasks > 1)
        m->method =
            reply_name(r, plan_method_name((enum plan_method)g->plan.method), LIMIT_BACKEND_BYTES);
    return m;
}

static void add_plans(struct reply *r, const struct submit_result *plans, Farm__Accepted *m)
{
    m->groups = reply_alloc(r, plans->group_count + 1, sizeof(*m->groups));
    for (uint32_t i = 0; i < plans->group_count; i++) {
        if (plans->groups[i].clips > 0) m->groups[m->n_groups++] = group_of(r, &plans->groups[i]);
    }
}

static void answer_accepted(struct coordinator *c, const struct submit_answer *a, struct reply *r)
{
    Farm__Accepted m = FARM__ACCEPTED__INIT;
    uint32_t warnings = a->warning_count < LIMIT_WARNINGS ? a->warning_count : LIMIT_WARNINGS;
    m.batch = reply_name(r, a->batch, ID_BATCH_LENGTH);
    m.folder = reply_name(r, a->folder, LIMIT_NAME_BYTES);
    m.key = reply_name(r, a->key, LIMIT_KEY_BYTES);
    m.prompts = a->prompts;
    m.clips = a->clips;
    m.existed = a->existed;
    if (a->plans != NULL) add_plans(r, a->plans, &m);
    m.warnings = reply_alloc(r, warnings + 1, sizeof(*m.warnings));
    m.n_warnings = warnings;
    for (uint32_t i = 0; i < warnings; i++) {
        m.warnings[i] = reply_text(r, a->warnings[i], LIMIT_TEXT_BYTES);
    }
    (void)outbound_reply(&c->outbound, true, a->client, a->request, FARM__ENVELOPE__BODY_ACCEPTED,
                         &m.base, OUTBOUND_COMMITTED);
}

void intake_answer(struct coordinator *c, const struct submit_answer *a)
{
    struct reply r;
    reply_init(&r);
    if (a->err != NULL) {
        answer_problem(c, a, &r);
    } else {
        answer_accepted(c, a, &r);
    }
    reply_finish(&r);
    shell_stir(c);
}
