/* reel: a field with clips of several tasks. The usual one is a chain of three windows:
 * tasks 0, 1, 2, each of which takes the latents of the one before. */
#ifndef ZOE_TESTS_UNIT_COORDINATOR_REEL_H
#define ZOE_TESTS_UNIT_COORDINATOR_REEL_H

#include "field.h"

#define REEL "b000000001"
#define REEL_TASKS 3

static inline struct plan reel_plan(enum plan_method method)
{
    struct plan plan = plan_whole(20, 10);
    plan.method = method;
    plan.window = 8;
    plan.overlap = 2;
    plan.sync_every = 5;
    if (method == PLAN_UPSCALE) plan.upscale_steps = 6;
    return plan;
}

static inline struct shape reel_shape(struct plan plan)
{
    struct shape shape = field_shape(1);
    shape.frames = plan.frames;
    shape.plan = plan;
    if (plan_stages(&plan) == 1) return shape;
    shape.second_model = (struct digest){{2}};
    shape.second_width = shape.second_height = 128;
    shape.second_steps = plan.upscale_steps;
    return shape;
}

static inline void reel_batch(struct field *s, uint32_t clips, struct plan plan)
{
    field_batch_with(s, REEL, clips, 0, reel_shape(plan));
}

static inline struct hand *reel_worker(struct field *s, const char *name, const char *fingerprint)
{
    struct hand *w = field_hand(s, name, 1);
    w->fingerprint = fingerprint;
    field_hello(s, w, NULL, 0);
    field_canary(s, w, true);
    return w;
}

static inline struct task_key reel_key(uint32_t clip, uint32_t task)
{
    return (struct task_key){.batch = REEL, .clip = clip, .task = task};
}

/* It was given this task, and given nothing since. */
static inline struct attempt_key reel_assigned(const struct field *s, const struct hand *w,
                                               uint32_t clip, uint32_t task)
{
    struct attempt_key key = field_assigned(s, w);
    assert_int_equal(key.task.clip, clip);
    assert_int_equal(key.task.task, task);
    return key;
}

/* A segment, and latents where the plan asks for them, with the fingerprint of its worker. */
static inline void reel_offer(struct field *s, const struct hand *w, const struct attempt_key *key)
{
    struct farm_offer offer = field_offer_of(key, 1000);
    offer.fingerprint = w->fingerprint;
    offer.output_count = 2;
    offer.outputs[1] = offer.outputs[0];
    (void)snprintf(offer.outputs[1].kind, sizeof(offer.outputs[1].kind), "latents");
    offer.received[0] = offer.received[1] = 1000;
    farm_offer(s->f, w->session, &offer, s->now_ns);
    field_check(s);
    farm_uploaded(s->f, w->name, key, true, s->now_ns);
    field_check(s);
    field_turn(s);
}

static inline void reel_store(struct field *s, const struct hand *w, const struct attempt_key *key)
{
    reel_offer(s, w, key);
    field_verdict(s, w, key, VERDICT_SOUND);
}

/* The worker renders the tasks first .. last of the clip, which are the next it is given. */
static inline void reel_render(struct field *s, const struct hand *w, uint32_t clip, uint32_t first,
                               uint32_t last)
{
    for (uint32_t task = first; task <= last; task++) {
        struct attempt_key key = reel_assigned(s, w, clip, task);
        reel_store(s, w, &key);
    }
}

/* ---- checkpoints ---- */

static inline struct farm_checkpoint reel_checkpoint_of(const struct hand *w,
                                                        const struct attempt_key *key,
                                                        uint32_t step, uint64_t size_bytes)
{
    struct farm_checkpoint c = {.attempt = *key,
                                .matches = true,
                                .fingerprint = w->fingerprint,
                                .step = step,
                                .output = {.kind = "checkpoint", .size_bytes = size_bytes}};
    c.output.frames = step;
    c.output.sha256.bytes[0] = (uint8_t)step;
    return c;
}

static inline void reel_send_checkpoint(struct field *s, const struct hand *w,
                                        const struct farm_checkpoint *c)
{
    farm_checkpoint(s->f, w->session, c, s->now_ns);
    field_check(s);
    field_turn(s);
}

static inline void reel_checkpoint_verdict(struct field *s, const struct hand *w,
                                           const struct attempt_key *key, enum verdict_kind kind)
{
    farm_checkpoint_verdict(s->f, w->name, key, kind, "", s->now_ns);
    field_check(s);
    field_turn(s);
}

/* All of its bytes are here and hashed. */
static inline void reel_checkpoint_arrives(struct field *s, const struct hand *w,
                                           const struct attempt_key *key, uint32_t step)
{
    struct farm_checkpoint c = reel_checkpoint_of(w, key, step, 500);
    reel_send_checkpoint(s, w, &c);
    (void)farm_received(s->f, w->session, key, CHECKPOINT_OUTPUT, 500, s->now_ns);
    field_check(s);
    farm_checkpoint_uploaded(s->f, w->name, key, true, s->now_ns);
    field_check(s);
    field_turn(s);
}

/* One is sent and kept. */
static inline void reel_checkpoint(struct field *s, const struct hand *w,
                                   const struct attempt_key *key, uint32_t step)
{
    reel_checkpoint_arrives(s, w, key, step);
    reel_checkpoint_verdict(s, w, key, VERDICT_SOUND);
}

/* ---- questions ---- */

static inline uint32_t reel_done(const struct field *s, uint32_t clip)
{
    struct clip_progress progress = {0};
    assert_true(farm_clip_progress(s->f, REEL, clip, &progress));
    return progress.done;
}

static inline enum clip_state reel_state(const struct field *s, uint32_t clip)
{
    return farm_clip_state(s->f, REEL, clip);
}

static inline void reel_publish(struct field *s, uint32_t clip)
{
    struct farm_video video = field_video();
    farm_clip_stitched(s->f, REEL, clip, &video, s->now_ns);
    field_check(s);
    field_turn(s);
    farm_clip_renamed(s->f, REEL, clip, &video, s->now_ns);
    field_check(s);
    field_turn(s);
}

static inline struct batch_info reel_info(const struct field *s)
{
    struct batch_info info;
    assert_true(farm_batch_info(s->f, REEL, &info));
    return info;
}

#endif
