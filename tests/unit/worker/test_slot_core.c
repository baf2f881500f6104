/* The life of a slot, event by event. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/xalloc.h"
#include "worker/slot_core.h"

#define T0 (100 * NS_PER_S)

static const struct error gone = {.code = ERROR_NOT_FOUND, .message = "gone"};
static const struct error undecodable = {.code = ERROR_INVALID, .message = "undecodable"};

struct scene {
    struct slot_core core;
    struct slot_actions actions;
};

/* One event; what came of it stands in `actions`. */
#define DO(s, call)                                                                                \
    do {                                                                                           \
        struct slot_core *core = &(s)->core;                                                       \
        struct slot_actions *out = &(s)->actions;                                                  \
        out->count = 0;                                                                            \
        (void)(call);                                                                              \
    } while (0)

static const struct slot_action *action(const struct scene *s, enum slot_action_kind kind)
{
    for (size_t i = 0; i < s->actions.count; i++)
        if (s->actions.items[i].kind == kind) return &s->actions.items[i];
    return NULL;
}

static struct attempt_name name_of(uint32_t clip)
{
    return (struct attempt_name){.batch = "0123456789", .clip = clip, .fence = 1};
}

static struct slot_work *work_of(uint32_t clip, int64_t limit_ns)
{
    struct slot_work *work = xcalloc(1, sizeof *work);
    work->name = name_of(clip);
    work->recipe = xstrdup("{}");
    work->makes[SLOT_SEGMENT] = true;
    slot_work_add(work, PART_MODEL, &(struct digest){{0}})->path = xstrdup("/m");
    work->limit_ns = limit_ns;
    return work;
}

static void assign(struct scene *s, struct slot_work *work)
{
    DO(s, slot_core_assign(core, work, FARM__HAND_BACK_REASON__HAND_BACK_NONE, T0, out));
}

/* An engine that renders clip 0 under a limit of 100 s. */
static void set(struct scene *s, bool canary)
{
    memset(s, 0, sizeof *s);
    slot_core_init(&s->core, 1);
    DO(s, slot_core_start(core, T0, out));
    assert_non_null(action(s, SLOT_SPAWN));
    DO(s, slot_core_hello(core, T0, out));
    struct slot_work *work = work_of(0, 100 * NS_PER_S);
    work->canary = canary;
    assign(s, work);
    assert_non_null(action(s, SLOT_RENDER));
}

static void kill_at_eight_tenths_of_the_limit(void **state)
{
    struct scene s;
    const struct attempt_name name = name_of(0);
    (void)state;
    set(&s, false);
    DO(&s, slot_core_step(core, &name, 1, 9, T0 + 10 * NS_PER_S, out));
    const int64_t due_ns = T0 + 90 * NS_PER_S;
    assert_int_equal(slot_core_deadline(&s.core), due_ns);
    DO(&s, slot_core_step(core, &name, 1, 9, due_ns - 1, out)); /* the same step is no progress */
    DO(&s, slot_core_tick(core, due_ns - 1, out));
    assert_null(action(&s, SLOT_KILL));
    DO(&s, slot_core_tick(core, due_ns, out));
    assert_non_null(action(&s, SLOT_KILL));
    DO(&s, slot_core_done(core, &name, &(struct slot_result){.steps = 9}, due_ns, out));
    assert_null(action(&s, SLOT_FINISHED)); /* too late */
    DO(&s, slot_core_exited(core, "was killed", due_ns, out));
    assert_int_equal(action(&s, SLOT_ENDED)->end, FARM__END_KIND__END_HUNG);
    assert_int_equal(action(&s, SLOT_ENDED)->steps, 1);
    slot_core_finish(&s.core);
}

/* A large model is read for longer than five steps of it take. */
static void until_something_is_rendered_another_limit_counts(void **state)
{
    struct scene s;
    const struct attempt_name name = name_of(0);
    (void)state;
    memset(&s, 0, sizeof s);
    slot_core_init(&s.core, 1);
    DO(&s, slot_core_start(core, T0, out));
    DO(&s, slot_core_hello(core, T0, out));
    struct slot_work *work = work_of(0, 20 * NS_PER_S);
    work->around_limit_ns = 100 * NS_PER_S;
    assign(&s, work);
    assert_int_equal(slot_core_deadline(&s.core), T0 + 80 * NS_PER_S);
    DO(&s, slot_core_loading(core, &name, T0 + NS_PER_S, out));
    assert_int_equal(slot_core_deadline(&s.core), T0 + 81 * NS_PER_S);
    DO(&s, slot_core_begun(core, &name, 0, 9, T0 + 70 * NS_PER_S, out));
    assert_int_equal(slot_core_deadline(&s.core), T0 + 86 * NS_PER_S);
    DO(&s, slot_core_step(core, &name, 8, 9, T0 + 71 * NS_PER_S, out));
    assert_int_equal(slot_core_deadline(&s.core), T0 + 87 * NS_PER_S);
    DO(&s, slot_core_tick(core, T0 + 87 * NS_PER_S, out));
    assert_non_null(action(&s, SLOT_KILL));
    DO(&s, slot_core_exited(core, "was killed", T0 + 87 * NS_PER_S, out));
    assert_int_equal(action(&s, SLOT_ENDED)->end, FARM__END_KIND__END_HUNG);
    slot_core_finish(&s.core);
}

/* A slow disk: the file of the result is written, synced and hashed without a sign. */
static void after_the_last_step_another_limit_counts(void **state)
{
    struct scene s;
    const struct attempt_name name = name_of(0);
    (void)state;
    memset(&s, 0, sizeof s);
    slot_core_init(&s.core, 1);
    DO(&s, slot_core_start(core, T0, out));
    DO(&s, slot_core_hello(core, T0, out));
    struct slot_work *work = work_of(0, 20 * NS_PER_S);
    work->around_limit_ns = 100 * NS_PER_S;
    assign(&s, work);
    DO(&s, slot_core_begun(core, &name, 0, 9, T0 + NS_PER_S, out));
    DO(&s, slot_core_step(core, &name, 9, 9, T0 + 2 * NS_PER_S, out)); /* latents: no decoding */
    assert_int_equal(slot_core_deadline(&s.core), T0 + 82 * NS_PER_S);
    DO(&s, slot_core_frame(core, &name, 16, T0 + 3 * NS_PER_S, out));
    assert_int_equal(slot_core_deadline(&s.core), T0 + 83 * NS_PER_S);
    slot_core_finish(&s.core);
}

static void what_passed_while_nobody_looked_is_not_counted(void **state)
{
    struct scene s;
    const struct attempt_name name = name_of(0);
    (void)state;
    set(&s, false);
    DO(&s, slot_core_step(core, &name, 1, 9, T0 + 10 * NS_PER_S, out));
    slot_core_stood_still(&s.core, 200 * NS_PER_S);
    DO(&s, slot_core_tick(core, T0 + 211 * NS_PER_S, out));
    assert_null(action(&s, SLOT_KILL));
    assert_int_equal(slot_core_deadline(&s.core), T0 + 290 * NS_PER_S);
    slot_core_finish(&s.core);
}

/* It did not begin in time and is slow in dying. */
static void a_dying_engine_holds_one_task(void **state)
{
    struct scene s;
    (void)state;
    memset(&s, 0, sizeof s);
    slot_core_init(&s.core, 1);
    DO(&s, slot_core_start(core, T0, out));
    DO(&s, slot_core_tick(core, T0 + 61 * NS_PER_S, out));
    assert_non_null(action(&s, SLOT_KILL));
    assign(&s, work_of(0, 100 * NS_PER_S));
    assert_null(action(&s, SLOT_HANDED_BACK));
    assign(&s, work_of(1, 100 * NS_PER_S));
    assert_int_equal(action(&s, SLOT_HANDED_BACK)->name.clip, 1);
    slot_core_finish(&s.core);
}

static void too_much_memory(void **state)
{
    struct scene s;
    (void)state;
    set(&s, false);
    DO(&s, slot_core_overgrown(core, T0, out));
    assert_non_null(action(&s, SLOT_KILL));
    DO(&s, slot_core_overgrown(core, T0, out));
    assert_null(action(&s, SLOT_KILL)); /* it is dying */
    DO(&s, slot_core_exited(core, "was killed", T0, out));
    assert_int_equal(action(&s, SLOT_HANDED_BACK)->reason,
                     FARM__HAND_BACK_REASON__HAND_BACK_MEMORY);
    assert_non_null(action(&s, SLOT_SPAWN));
    DO(&s, slot_core_hello(core, T0, out));
    DO(&s, slot_core_overgrown(core, T0, out)); /* idle */
    assert_null(action(&s, SLOT_KILL));
    slot_core_finish(&s.core);
}

static void a_canary_with_too_much_memory_has_failed(void **state)
{
    struct scene s;
    (void)state;
    set(&s, true);
    DO(&s, slot_core_overgrown(core, T0, out));
    DO(&s, slot_core_exited(core, "was killed", T0, out));
    assert_non_null(action(&s, SLOT_CANARY_FAILED));
    assert_null(action(&s, SLOT_HANDED_BACK));
    slot_core_finish(&s.core);
}

/* Of its model: another worker may have what it takes. */
static void a_models_canary_with_too_much_memory_is_handed_back(void **state)
{
    struct scene s;
    (void)state;
    set(&s, true);
    s.core.running->own = true;
    DO(&s, slot_core_overgrown(core, T0, out));
    DO(&s, slot_core_exited(core, "was killed", T0, out));
    assert_null(action(&s, SLOT_CANARY_FAILED));
    assert_int_equal(action(&s, SLOT_HANDED_BACK)->reason,
                     FARM__HAND_BACK_REASON__HAND_BACK_MEMORY);
    slot_core_finish(&s.core);
}

static void a_models_canary_that_fails_says_of_which(void **state)
{
    struct scene s;
    (void)state;
    set(&s, true);
    s.core.running->own = true;
    s.core.running->parts[0].digest = (struct digest){{7}};
    DO(&s, slot_core_exited(core, "was killed by signal 11", T0, out));
    assert_true(action(&s, SLOT_CANARY_FAILED)->own);
    assert_int_equal(action(&s, SLOT_CANARY_FAILED)->part.bytes[0], 7);
    slot_core_finish(&s.core);
}

static void a_cancel_is_polite_for_five_seconds(void **state)
{
    struct scene s;
    const struct attempt_name name = name_of(0);
    (void)state;
    set(&s, false);
    DO(&s, slot_core_cancel(core, &name, T0, out));
    assert_non_null(action(&s, SLOT_STOP));
    DO(&s, slot_core_tick(core, T0 + 5 * NS_PER_S - 1, out));
    assert_null(action(&s, SLOT_KILL));
    DO(&s, slot_core_tick(core, T0 + 5 * NS_PER_S, out));
    assert_non_null(action(&s, SLOT_KILL));
    DO(&s, slot_core_exited(core, "was killed", T0 + 6 * NS_PER_S, out));
    assert_int_equal(action(&s, SLOT_ENDED)->end, FARM__END_KIND__END_CANCELED);
    slot_core_finish(&s.core);
}

/* An attempt begins when its model and every LoRA are here; the bytes of all of them count on. */
static void all_models_are_waited_for(void **state)
{
    struct scene s;
    const struct digest model = {{1}}, lora = {{2}};
    (void)state;
    memset(&s, 0, sizeof s);
    slot_core_init(&s.core, 1);
    DO(&s, slot_core_start(core, T0, out));
    DO(&s, slot_core_hello(core, T0, out));
    struct slot_work *work = work_of(0, 100 * NS_PER_S);
    free(work->parts[0].path);
    work->part_count = 0;
    slot_work_add(work, PART_MODEL, &model);
    slot_work_add(work, PART_LORA, &lora);
    assign(&s, work);
    assert_int_equal(s.actions.items[0].kind, SLOT_WANT_PART);
    assert_int_equal(s.actions.items[1].kind, SLOT_WANT_PART);
    assert_true(digest_equal(&s.actions.items[1].part, &lora));
    DO(&s, slot_core_fetched(core, &model, 1000, T0 + NS_PER_S, out));
    DO(&s, slot_core_part(core, &model, "/m", NULL, T0 + 2 * NS_PER_S, out));
    assert_null(action(&s, SLOT_RENDER));
    DO(&s, slot_core_fetched(core, &lora, 10, T0 + 3 * NS_PER_S, out));
    assert_int_equal(action(&s, SLOT_PROGRESS)->place.amount, 1010);
    assert_int_equal(action(&s, SLOT_PROGRESS)->place.phase, FARM__PHASE__PHASE_FETCHING);
    DO(&s, slot_core_part(core, &lora, "/l", NULL, T0 + 4 * NS_PER_S, out));
    assert_non_null(action(&s, SLOT_RENDER));
    assert_string_equal(action(&s, SLOT_RENDER)->work->parts[1].path, "/l");
    slot_core_finish(&s.core);
}

static void a_lora_that_cannot_be_had_is_handed_back(void **state)
{
    struct scene s;
    const struct digest lora = {{2}};
    (void)state;
    memset(&s, 0, sizeof s);
    slot_core_init(&s.core, 1);
    struct slot_work *work = work_of(0, 100 * NS_PER_S);
    slot_work_add(work, PART_LORA, &lora);
    assign(&s, work);
    DO(&s, slot_core_part(core, &lora, NULL, &gone, T0, out));
    assert_int_equal(action(&s, SLOT_HANDED_BACK)->reason, FARM__HAND_BACK_REASON__HAND_BACK_MODEL);
    assert_string_equal(action(&s, SLOT_HANDED_BACK)->message, "gone");
    slot_core_finish(&s.core);
}

/* Nobody else will make better pictures of the same file. */
static void pictures_that_cannot_be_made_are_a_failure(void **state)
{
    struct scene s;
    const struct digest mask = {{7}};
    (void)state;
    memset(&s, 0, sizeof s);
    slot_core_init(&s.core, 1);
    DO(&s, slot_core_start(core, T0, out));
    DO(&s, slot_core_hello(core, T0, out));
    struct slot_work *work = work_of(0, 100 * NS_PER_S);
    slot_work_add(work, PART_MASK, &mask);
    assign(&s, work);
    assert_non_null(action(&s, SLOT_WANT_PART));
    assert_null(action(&s, SLOT_RENDER));
    DO(&s, slot_core_part(core, &mask, NULL, &undecodable, T0, out));
    assert_null(action(&s, SLOT_HANDED_BACK));
    assert_int_equal(action(&s, SLOT_ENDED)->end, FARM__END_KIND__END_FAILED);
    assert_string_equal(action(&s, SLOT_ENDED)->message, "undecodable");
    slot_core_finish(&s.core);
}

/* Nobody has looked at them: that they could not be fetched says nothing of them, or of anybody. */
static void pictures_that_cannot_be_fetched_go_back(void **state)
{
    static const enum slot_part_kind kinds[] = {PART_INIT, PART_MASK, PART_HELD, PART_BEFORE};
    static const enum error_code codes[] = {ERROR_NOT_FOUND, ERROR_IO, ERROR_CORRUPT, ERROR_STATE};
    const struct digest part = {{7}};
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const struct error err = {.code = codes[i], .message = "not now"};
        struct scene s;
        memset(&s, 0, sizeof s);
        slot_core_init(&s.core, 1);
        struct slot_work *work = work_of(0, 100 * NS_PER_S);
        slot_work_add(work, kinds[i], &part);
        assign(&s, work);
        DO(&s, slot_core_part(core, &part, NULL, &err, T0, out));
        assert_null(action(&s, SLOT_ENDED));
        assert_int_equal(action(&s, SLOT_HANDED_BACK)->reason,
                         FARM__HAND_BACK_REASON__HAND_BACK_RECALLED);
        assert_string_equal(action(&s, SLOT_HANDED_BACK)->message, "not now");
        slot_core_finish(&s.core);
    }
}

/* What other tasks made is not this worker's fault, and without a checkpoint there is another way.
 */
static void parts_that_cannot_be_had(void **state)
{
    struct scene s;
    const struct digest latents = {{7}}, checkpoint = {{8}}, before = {{9}};
    (void)state;
    memset(&s, 0, sizeof s);
    slot_core_init(&s.core, 1);
    DO(&s, slot_core_start(core, T0, out));
    DO(&s, slot_core_hello(core, T0, out));
    struct slot_work *work = work_of(0, 100 * NS_PER_S);
    slot_work_add(work, PART_RESUME, &checkpoint);
    assign(&s, work);
    assert_null(action(&s, SLOT_RENDER));
    DO(&s, slot_core_part(core, &checkpoint, NULL, &gone, T0, out));
    assert_non_null(action(&s, SLOT_RENDER));
    assert_null(slot_work_path(action(&s, SLOT_RENDER)->work, PART_RESUME));
    work = work_of(1, 100 * NS_PER_S);
    slot_work_add(work, PART_LATENTS, &latents);
    assign(&s, work);
    DO(&s, slot_core_part(core, &latents, NULL, &gone, T0, out));
    assert_int_equal(action(&s, SLOT_HANDED_BACK)->name.clip, 1);
    assert_int_equal(action(&s, SLOT_HANDED_BACK)->reason,
                     FARM__HAND_BACK_REASON__HAND_BACK_RECALLED);
    work = work_of(2, 100 * NS_PER_S); /* what a person sent is not made anew */
    slot_work_add(work, PART_BEFORE, &before);
    assign(&s, work);
    DO(&s, slot_core_part(core, &before, NULL, &undecodable, T0, out));
    assert_null(action(&s, SLOT_HANDED_BACK));
    assert_int_equal(action(&s, SLOT_ENDED)->end, FARM__END_KIND__END_FAILED);
    slot_core_finish(&s.core);
}

/* Whatever it is, the disk may have room again; nobody failed. */
static void parts_without_room_are_handed_back(void **state)
{
    static const enum slot_part_kind kinds[] = {PART_MODEL, PART_LORA, PART_MASK, PART_LATENTS};
    const struct error full = {.code = ERROR_FULL, .message = "no room"};
    const struct digest part = {{7}};
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct scene s;
        memset(&s, 0, sizeof s);
        slot_core_init(&s.core, 1);
        struct slot_work *work = work_of(0, 100 * NS_PER_S);
        slot_work_add(work, kinds[i], &part);
        assign(&s, work);
        DO(&s, slot_core_part(core, &part, NULL, &full, T0, out));
        assert_int_equal(action(&s, SLOT_HANDED_BACK)->reason,
                         FARM__HAND_BACK_REASON__HAND_BACK_DISK);
        assert_string_equal(action(&s, SLOT_HANDED_BACK)->message, "no room");
        slot_core_finish(&s.core);
    }
}

/* ---- checkpoints ---- */

#define STEP_NS (NS_PER_S)

/* Steps of a second, from `step` to `done` of 50. */
static void run_steps(struct scene *s, uint32_t step, uint32_t done)
{
    const struct attempt_name name = name_of(0);
    DO(s, slot_core_begun(core, &name, step, 50, T0, out));
    for (uint32_t i = step + 1; i <= done; i++)
        DO(s, slot_core_step(core, &name, i, 50, T0 + (i - step) * STEP_NS, out));
}

static const struct slot_saved saved_at_2 = {
    .step = 2, .steps = 50, .size_bytes = 1000, .took_ns = NS_PER_MS};

static void it_is_saved_while_it_runs(void **state)
{
    struct scene s;
    const struct attempt_name name = name_of(0), other = name_of(1);
    (void)state;
    set(&s, false);
    run_steps(&s, 0, 1);
    assert_non_null(action(&s, SLOT_SAVE));
    DO(&s, slot_core_saved(core, &other, &saved_at_2, T0 + 2 * STEP_NS, out));
    assert_null(action(&s, SLOT_SAVED));
    DO(&s, slot_core_saved(core, &name, &saved_at_2, T0 + 2 * STEP_NS, out));
    assert_int_equal(action(&s, SLOT_SAVED)->saved.step, 2);
    assert_null(action(&s, SLOT_KILL));
    DO(&s, slot_core_saved(core, &name, &saved_at_2, T0 + 2 * STEP_NS, out)); /* nobody asked */
    assert_null(action(&s, SLOT_SAVED));
    slot_core_finish(&s.core);
}

static void a_canary_is_not_saved(void **state)
{
    struct scene s;
    (void)state;
    set(&s, true);
    run_steps(&s, 0, 9);
    assert_null(action(&s, SLOT_SAVE));
    slot_core_finish(&s.core);
}

/* Steps count on from the checkpoint, and only those since are said to be computed. */
static void it_goes_on_where_another_ended(void **state)
{
    struct scene s;
    (void)state;
    set(&s, false);
    run_steps(&s, 30, 34);
    struct slot_held held[2];
    assert_int_equal(slot_core_held(&s.core, held), 1);
    assert_int_equal(held[0].place.step, 34);
    DO(&s, slot_core_exited(core, "was killed", T0 + 10 * NS_PER_S, out));
    assert_int_equal(action(&s, SLOT_ENDED)->steps, 4);
    slot_core_finish(&s.core);
}

/* 48 steps of a second do not end in ten: it is saved and stops. */
static void what_will_not_end_in_time_leaves_at_once(void **state)
{
    struct scene s;
    const struct attempt_name name = name_of(0);
    const int64_t now_ns = T0 + 2 * STEP_NS;
    (void)state;
    set(&s, false);
    run_steps(&s, 0, 2);
    s.core.saving = false;
    DO(&s, slot_core_leave(core, now_ns + 10 * NS_PER_S, now_ns, out));
    assert_non_null(action(&s, SLOT_SAVE));
    DO(&s, slot_core_saved(core, &name, &saved_at_2, now_ns, out));
    assert_int_equal(s.actions.items[0].kind, SLOT_SAVED);
    assert_true(s.actions.items[0].saved.last);
    assert_non_null(action(&s, SLOT_KILL));
    DO(&s, slot_core_exited(core, "was killed", now_ns, out));
    assert_non_null(action(&s, SLOT_PREEMPTED));
    slot_core_finish(&s.core);
}

/* Asked to leave before its first step, it says so as soon as it knows what a step takes. */
static void what_has_not_begun_leaves_after_a_step(void **state)
{
    struct scene s;
    const struct attempt_name name = name_of(0);
    (void)state;
    set(&s, false);
    DO(&s, slot_core_leave(core, T0 + 10 * NS_PER_S, T0, out));
    assert_null(action(&s, SLOT_SAVE));
    DO(&s, slot_core_begun(core, &name, 0, 1000, T0, out));
    DO(&s, slot_core_step(core, &name, 1, 1000, T0 + 100 * NS_PER_MS, out));
    assert_non_null(action(&s, SLOT_SAVE)); /* earlier than the pace would have it */
    slot_core_finish(&s.core);
}

static void what_will_end_in_time_goes_on(void **state)
{
    struct scene s;
    const struct attempt_name name = name_of(0);
    const int64_t now_ns = T0 + 2 * STEP_NS;
    (void)state;
    set(&s, false);
    run_steps(&s, 0, 2);
    s.core.saving = false;
    DO(&s, slot_core_leave(core, now_ns + 60 * NS_PER_S, now_ns, out));
    assert_non_null(action(&s, SLOT_SAVE));
    DO(&s, slot_core_saved(core, &name, &saved_at_2, now_ns, out));
    assert_null(action(&s, SLOT_KILL));
    DO(&s, slot_core_preempt(core, now_ns + 60 * NS_PER_S, out));
    assert_non_null(action(&s, SLOT_KILL));
    slot_core_finish(&s.core);
}

static void a_dying_engine_comes_back_more_slowly_each_time(void **state)
{
    static const int64_t waits_ns[] = {0, 1 * NS_PER_S, 5 * NS_PER_S, 30 * NS_PER_S, 30 * NS_PER_S};
    struct scene s = {0};
    int64_t now_ns = T0;
    (void)state;
    slot_core_init(&s.core, 1);
    DO(&s, slot_core_start(core, now_ns, out));
    for (size_t i = 0; i < sizeof waits_ns / sizeof waits_ns[0]; i++) {
        DO(&s, slot_core_exited(core, "exited with code 1", now_ns, out));
        assert_int_equal(action(&s, SLOT_SPAWN) != NULL, waits_ns[i] == 0);
        if (waits_ns[i] == 0) continue;
        assert_int_equal(slot_core_deadline(&s.core), now_ns + waits_ns[i]);
        now_ns += waits_ns[i];
        DO(&s, slot_core_tick(core, now_ns, out));
        assert_non_null(action(&s, SLOT_SPAWN));
    }
    slot_core_finish(&s.core);
}

static void what_does_not_fit_goes_back(void **state)
{
    struct scene s;
    (void)state;
    set(&s, false);
    assign(&s, work_of(1, NS_PER_S)); /* prefetched */
    assert_int_equal(s.actions.count, 0);
    assign(&s, work_of(2, NS_PER_S));
    assert_int_equal(action(&s, SLOT_HANDED_BACK)->name.clip, 2);
    assign(&s, work_of(1, NS_PER_S)); /* the same again */
    assert_int_equal(s.actions.count, 0);
    DO(&s, slot_core_drain(core, T0, out));
    assert_int_equal(action(&s, SLOT_HANDED_BACK)->name.clip, 1);
    assign(&s, work_of(3, NS_PER_S));
    assert_int_equal(action(&s, SLOT_HANDED_BACK)->reason,
                     FARM__HAND_BACK_REASON__HAND_BACK_DRAINING);
    DO(&s, slot_core_preempt(core, T0, out));
    DO(&s, slot_core_exited(core, "was killed", T0, out));
    assert_int_equal(action(&s, SLOT_PREEMPTED)->name.clip, 0);
    assert_true(slot_core_is_idle(&s.core));
    slot_core_finish(&s.core);
}

/* Its engine was told nothing, so the next may have it at once. */
static void what_lost_its_model_before_it_began_goes_back(void **state)
{
    struct scene s;
    (void)state;
    set(&s, false);
    assign(&s, work_of(1, 100 * NS_PER_S));
    DO(&s, slot_core_models_changed(core, T0, out));
    const struct slot_action *back = action(&s, SLOT_HANDED_BACK);
    assert_non_null(back);
    assert_int_equal(back->name.clip, 0);
    assert_int_equal(back->reason, FARM__HAND_BACK_REASON__HAND_BACK_RECALLED);
    const struct slot_action *render = action(&s, SLOT_RENDER);
    assert_non_null(render);
    assert_int_equal(render->name.clip, 1);
    slot_core_finish(&s.core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_models_are_waited_for),
        cmocka_unit_test(a_lora_that_cannot_be_had_is_handed_back),
        cmocka_unit_test(pictures_that_cannot_be_made_are_a_failure),
        cmocka_unit_test(pictures_that_cannot_be_fetched_go_back),
        cmocka_unit_test(parts_that_cannot_be_had),
        cmocka_unit_test(parts_without_room_are_handed_back),
        cmocka_unit_test(it_is_saved_while_it_runs),
        cmocka_unit_test(a_canary_is_not_saved),
        cmocka_unit_test(it_goes_on_where_another_ended),
        cmocka_unit_test(what_will_not_end_in_time_leaves_at_once),
        cmocka_unit_test(what_has_not_begun_leaves_after_a_step),
        cmocka_unit_test(what_will_end_in_time_goes_on),
        cmocka_unit_test(kill_at_eight_tenths_of_the_limit),
        cmocka_unit_test(until_something_is_rendered_another_limit_counts),
        cmocka_unit_test(after_the_last_step_another_limit_counts),
        cmocka_unit_test(what_passed_while_nobody_looked_is_not_counted),
        cmocka_unit_test(a_dying_engine_holds_one_task),
        cmocka_unit_test(too_much_memory),
        cmocka_unit_test(a_canary_with_too_much_memory_has_failed),
        cmocka_unit_test(a_models_canary_with_too_much_memory_is_handed_back),
        cmocka_unit_test(a_models_canary_that_fails_says_of_which),
        cmocka_unit_test(a_cancel_is_polite_for_five_seconds),
        cmocka_unit_test(a_dying_engine_comes_back_more_slowly_each_time),
        cmocka_unit_test(what_does_not_fit_goes_back),
        cmocka_unit_test(what_lost_its_model_before_it_began_goes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
