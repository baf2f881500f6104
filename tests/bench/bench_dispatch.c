/* bench_dispatch: what the pure core needs for one life cycle (assign, offer, verdict, publishing)
 * with many workers, and for what an idle farm hears.
 *
 *     bench_dispatch [workers] [clips] [life cycles a turn]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/xalloc.h"
#include "coordinator/farm.h"

struct bench {
    struct farm *f;
    uint64_t *sessions;
    char (*names)[16];
    struct attempt_key *given; /* a ring of what is assigned and not yet rendered */
    uint32_t *givers;
    size_t first, count, room;
    int64_t now_ns;
    uint32_t workers;
    uint64_t published;
};

static const struct digest answer = {{7}};

static void take_assign(struct bench *b, const struct effect_message *m)
{
    uint32_t worker = (uint32_t)atoi(m->worker + 1);
    if (m->canary) {
        farm_canary_done(b->f, b->sessions[worker], m->attempt.fence, &answer, "", b->now_ns);
        return;
    }
    size_t at = (b->first + b->count++) % b->room;
    b->given[at] = m->attempt;
    b->givers[at] = worker;
}

static void finish_clip(struct bench *b, const struct effect *e)
{
    struct farm_video video = {.size_bytes = 1000, .file = "clip.mp4"};
    const struct task_key *key = &e->job.task;
    if (e->kind == EFFECT_STITCH)
        farm_clip_stitched(b->f, key->batch, key->clip, &video, b->now_ns);
    if (e->kind != EFFECT_RENAME) return;
    farm_clip_renamed(b->f, key->batch, key->clip, &video, b->now_ns);
    b->published++;
}

static void turn(struct bench *b)
{
    b->now_ns += NS_PER_MS;
    farm_turn(b->f, b->now_ns, true);
    struct effects *list = farm_effects(b->f);
    for (size_t i = 0; i < list->count; i++) {
        struct effect e = list->items[i];
        if (e.kind == EFFECT_ASSIGN) take_assign(b, &e.message);
        if (effect_is_job(e.kind)) finish_clip(b, &e);
    }
    effects_clear(list);
}

static void join(struct bench *b, uint32_t i)
{
    struct farm_slot slot = {.backend = "cpu", .fingerprint = "f"};
    struct farm_hello hello = {.machine_id = "m", .host = "h", .build = "b"};
    struct error err = {0};
    (void)snprintf(b->names[i], sizeof(b->names[i]), "w%u", (unsigned)i);
    memcpy(hello.boot_id, &i, sizeof(i));
    hello.worker = b->names[i];
    hello.slots = &slot;
    hello.slot_count = 1;
    if (!farm_hello(b->f, &hello, b->now_ns, &b->sessions[i], &err)) abort();
}

static void render_one(struct bench *b)
{
    struct attempt_key key = b->given[b->first];
    uint32_t worker = b->givers[b->first];
    struct farm_offer offer = {.attempt = key,
                               .matches = true,
                               .fingerprint = "f",
                               .output_count = 1,
                               .received = {1024},
                               .outputs = {{.kind = "segment", .size_bytes = 1024}}};
    struct farm_verdict verdict = {.kind = VERDICT_SOUND, .message = ""};
    b->first = (b->first + 1) % b->room;
    b->count--;
    farm_offer(b->f, b->sessions[worker], &offer, b->now_ns);
    farm_uploaded(b->f, b->names[worker], &key, true, b->now_ns);
    farm_verdict(b->f, b->names[worker], &key, &verdict, b->now_ns);
}

static void submit(struct bench *b, const char *id, uint64_t sequence, uint32_t clips)
{
    struct clip_run run = {0};
    struct error err = {0};
    struct shape shape = {
        .model = {{1}}, .width = 64, .height = 64, .frames = 8, .steps = 10, .fps = 8};
    struct batch_spec spec = {.name = "",
                              .owner = "me",
                              .sequence = sequence,
                              .prompts = clips,
                              .clips = clips,
                              .shapes = &shape,
                              .groups = 1,
                              .runs = &run,
                              .run_count = 1};
    (void)snprintf(spec.id, sizeof(spec.id), "%s", id);
    if (!farm_batch_add(b->f, &spec, &err)) abort();
}

static double seconds_since(int64_t start_ns)
{
    return (double)(clock_now_ns() - start_ns) / 1e9;
}

static void beat_all(struct bench *b)
{
    int64_t start_ns = clock_now_ns();
    for (uint32_t i = 0; i < b->workers; i++) {
        struct farm_heartbeat beat = {0};
        farm_heartbeat(b->f, b->sessions[i], &beat, b->now_ns);
        turn(b);
    }
    printf("idle: %.0f ns a heartbeat, each in a turn of its own\n",
           seconds_since(start_ns) * 1e9 / b->workers);
}

int main(int argc, char **argv)
{
    struct bench b = {.workers = argc > 1 ? (uint32_t)atoi(argv[1]) : 10000};
    uint32_t clips = argc > 2 ? (uint32_t)atoi(argv[2]) : 1000000;
    uint32_t each = argc > 3 ? (uint32_t)atoi(argv[3]) : 10;
    struct farm_config config = {.seed = 1, .first_session = 1, .canary_answer = answer};
    b.room = 2 * (size_t)b.workers + 16;
    b.f = farm_new(&config);
    b.sessions = xcalloc(b.workers, sizeof(*b.sessions));
    b.names = xcalloc(b.workers, sizeof(*b.names));
    b.given = xcalloc(b.room, sizeof(*b.given));
    b.givers = xcalloc(b.room, sizeof(*b.givers));
    b.now_ns = NS_PER_S;
    int64_t start_ns = clock_now_ns();
    for (uint32_t i = 0; i < b.workers; i++)
        join(&b, i);
    turn(&b);
    turn(&b);
    printf("join: %.0f ns a worker\n", seconds_since(start_ns) * 1e9 / b.workers);
    beat_all(&b);
    submit(&b, "b000000001", 1, clips);
    start_ns = clock_now_ns();
    turn(&b);
    while (b.count > 0) {
        for (uint32_t i = 0; i < each && b.count > 0; i++)
            render_one(&b);
        turn(&b);
        if (seconds_since(start_ns) > 60) break;
    }
    printf("work: %.0f ns a life cycle, %llu of them, %u a turn, %u workers\n",
           seconds_since(start_ns) * 1e9 / (double)b.published, (unsigned long long)b.published,
           (unsigned)each, (unsigned)b.workers);
    farm_free(b.f);
    free(b.sessions);
    free(b.names);
    free(b.given);
    free(b.givers);
    return 0;
}
