/* crowd: many workers that join within some seconds, stay, and beat as they are told to.
 *
 *   crowd --workers URL --clients URL --server-key HEX --admin-key FILE [--count 1000]
 *         [--join-s 10] [--stay-s 20]
 *
 * Prints one JSON line: how many joined, how many heartbeats were sent and answered, and how often
 * one was not known any more, which must not be. */
#include "chaos/raw_peer.h"

struct member {
    void *socket;
    struct key_pair keys;
    uint8_t boot[ID_BOOT_BYTES];
    uint64_t session;
    int64_t said_ns, beat_ns, interval_ns;
};

struct tally {
    long joined, beats, seen, strangers;
    int64_t slowest_join_ns, spread_ns;
};

static void let_in(const struct raw_farm *f, struct member *all, int count)
{
    void *admin = raw_admin(f);
    for (int i = 0; i < count; i++) {
        char name[32];
        keys_generate(&all[i].keys);
        id_random(all[i].boot, ID_BOOT_BYTES);
        (void)snprintf(name, sizeof(name), "crowd-%d", i);
        raw_allow(admin, &all[i].keys, name);
        if (i >= 64) raw_await(admin, FARM__ENVELOPE__BODY_KEY_ALLOWED); /* 64 on their way */
    }
    for (int i = 0; i < (count < 64 ? count : 64); i++)
        raw_await(admin, FARM__ENVELOPE__BODY_KEY_ALLOWED);
    (void)zmq_close(admin);
}

static void take(struct member *m, const Farm__Envelope *e, struct tally *t)
{
    int64_t now_ns = clock_now_ns();
    if (e->body_case == FARM__ENVELOPE__BODY_WELCOME) {
        if (m->session == 0 && now_ns - m->said_ns > t->slowest_join_ns)
            t->slowest_join_ns = now_ns - m->said_ns;
        t->joined += m->session == 0;
        m->session = e->welcome->session;
        m->interval_ns = (int64_t)e->welcome->heartbeat_ms * NS_PER_MS;
        m->beat_ns = now_ns + m->interval_ns;
    }
    t->seen += e->body_case == FARM__ENVELOPE__BODY_HEARTBEAT_SEEN;
    t->strangers += e->body_case == FARM__ENVELOPE__BODY_WHO_ARE_YOU ||
                    e->body_case == FARM__ENVELOPE__BODY_BYE;
}

static void hear_all(struct member *all, int count, struct tally *t)
{
    for (int i = 0; i < count; i++) {
        Farm__Envelope *e = NULL;
        if (all[i].socket == NULL) continue;
        while ((e = raw_hear(all[i].socket, 0)) != NULL) {
            take(&all[i], e, t);
            farm__envelope__free_unpacked(e, NULL);
        }
    }
}

static void beat_all(struct member *all, int count, struct tally *t)
{
    int64_t now_ns = clock_now_ns();
    for (int i = 0; i < count; i++) {
        if (all[i].session == 0 || now_ns < all[i].beat_ns) continue;
        raw_beat(all[i].socket, all[i].session);
        all[i].beat_ns += all[i].interval_ns;
        t->beats++;
    }
}

static void rest(void)
{
    const struct timespec t = {0, 5000000};
    (void)nanosleep(&t, NULL);
}

static void live(const struct raw_farm *f, struct member *all, int count, int64_t join_ns,
                 int64_t stay_ns, struct tally *t)
{
    int64_t begun_ns = clock_now_ns(), now_ns = begun_ns, all_in_ns = 0;
    int there = 0;
    while (all_in_ns == 0 || now_ns < all_in_ns + stay_ns) {
        for (; there < count && now_ns >= begun_ns + join_ns * there / count; there++) {
            struct member *m = &all[there];
            char machine[32];
            (void)snprintf(machine, sizeof(machine), "machine-%d", there);
            m->socket = raw_dial(f, f->workers, &m->keys);
            m->said_ns = clock_now_ns();
            raw_hello(m->socket, m->boot, machine);
        }
        hear_all(all, there, t);
        beat_all(all, there, t);
        rest();
        now_ns = clock_now_ns();
        if (all_in_ns == 0 && t->joined == count) all_in_ns = now_ns;
        if (all_in_ns == 0 && now_ns > begun_ns + join_ns + 120 * NS_PER_S)
            raw_die("only %ld of %d joined", t->joined, count);
    }
    t->spread_ns = all_in_ns - begun_ns;
}

static void hear_the_rest(struct member *all, int count, struct tally *t)
{
    int64_t until_ns = clock_now_ns() + 10 * NS_PER_S;
    while (t->seen < t->beats && clock_now_ns() < until_ns) {
        hear_all(all, count, t);
        rest();
    }
}

int main(int argc, char **argv)
{
    struct raw_farm farm;
    struct tally t = {0};
    int count = atoi(raw_flag(argc, argv, "--count", "1000"));
    int64_t join_ns = atoi(raw_flag(argc, argv, "--join-s", "10")) * NS_PER_S;
    int64_t stay_ns = atoi(raw_flag(argc, argv, "--stay-s", "20")) * NS_PER_S;
    if (count < 1 || count > 10000) raw_die("--count is 1 to 10000");
    struct member *all = calloc((size_t)count, sizeof(*all));
    if (all == NULL) raw_die("no memory");
    raw_farm_open(&farm, argc, argv, count);
    let_in(&farm, all, count);
    live(&farm, all, count, join_ns, stay_ns, &t);
    hear_the_rest(all, count, &t);
    printf(
        "{\"count\": %d, \"joined\": %ld, \"beats\": %ld, \"beats_seen\": %ld, \"strangers\": %ld, "
        "\"slowest_join_ms\": %lld, \"all_joined_after_ms\": %lld}\n",
        count, t.joined, t.beats, t.seen, t.strangers, (long long)(t.slowest_join_ns / NS_PER_MS),
        (long long)(t.spread_ns / NS_PER_MS));
    for (int i = 0; i < count; i++)
        (void)zmq_close(all[i].socket);
    (void)zmq_ctx_term(farm.zmq);
    free(all);
    return 0;
}
