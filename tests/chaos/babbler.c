/* babbler: a worker with a valid key that talks nonsense: garbage, halves of messages, messages of
 * clients, too large ones, the same Hello again and again, reports about nothing, in any order.
 *
 *   babbler --workers URL --clients URL --server-key HEX --admin-key FILE [--seed 1]
 *           [--messages 5000] [--per-s 1000] [--name babbler]
 *
 * Prints one JSON line: how many messages it sent, and how many of them nobody may take. In the end
 * it says Hello and is answered: the coordinator serves. */
#include "chaos/raw_peer.h"

#define GARBAGE_BYTES 300
#define AT_ONCE 100 /* messages on their way */

struct babbler {
    void *socket;
    uint64_t draw;
    uint8_t boot[ID_BOOT_BYTES];
    long sent, bad, heard;
};

/* splitmix64 */
static uint64_t next(struct babbler *b)
{
    uint64_t z = b->draw += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void throw_bytes(struct babbler *b, const void *data, size_t size)
{
    if (zmq_send(b->socket, data, size, 0) < 0) raw_die("send: %s", zmq_strerror(errno));
}

/* Field 0 does not exist: no garbage is a message by chance. */
static bool garbage(struct babbler *b)
{
    uint8_t data[GARBAGE_BYTES];
    size_t size = 1 + next(b) % GARBAGE_BYTES;
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)next(b);
    data[0] = 0;
    throw_bytes(b, data, size);
    return true;
}

static bool half_a_message(struct babbler *b)
{
    Farm__Envelope e = FARM__ENVELOPE__INIT;
    Farm__Leaving leaving = FARM__LEAVING__INIT;
    char reason[] = "this is cut off in the middle";
    leaving.reason = reason;
    e.body_case = FARM__ENVELOPE__BODY_LEAVING;
    e.leaving = &leaving;
    struct buf packed = raw_pack(&e);
    throw_bytes(b, packed.data, 1 + next(b) % (packed.size - 1));
    buf_finish(&packed);
    return true;
}

static bool of_a_client(struct babbler *b)
{
    Farm__Envelope e = FARM__ENVELOPE__INIT;
    Farm__StatusWanted wanted = FARM__STATUS_WANTED__INIT;
    e.body_case = FARM__ENVELOPE__BODY_STATUS_WANTED;
    e.status_wanted = &wanted;
    raw_say(b->socket, &e);
    return true;
}

static bool too_large(struct babbler *b)
{
    static uint8_t data[LIMIT_ENVELOPE_BYTES + 1];
    throw_bytes(b, data, sizeof(data));
    return true;
}

static bool hello_twice(struct babbler *b)
{
    raw_hello(b->socket, b->boot, "babel");
    raw_hello(b->socket, b->boot, "babel");
    b->sent++;
    return false;
}

static bool beat_of_nobody(struct babbler *b)
{
    raw_beat(b->socket, next(b));
    return false;
}

static bool progress_of_nothing(struct babbler *b)
{
    Farm__Envelope e = FARM__ENVELOPE__INIT;
    Farm__Started started = FARM__STARTED__INIT;
    Farm__Attempt attempt = FARM__ATTEMPT__INIT;
    char batch[] = "0123456789";
    attempt.batch = batch;
    attempt.clip = (uint32_t)(next(b) % 1000);
    attempt.fence = 1 + next(b) % 100;
    started.attempt = &attempt;
    e.body_case = FARM__ENVELOPE__BODY_STARTED;
    e.started = &started;
    raw_say(b->socket, &e);
    return false;
}

/* Each says whether it must be counted as bad. */
static bool (*const kinds[])(struct babbler *) = {
    garbage,     half_a_message, of_a_client,        too_large,
    hello_twice, beat_of_nobody, progress_of_nothing};

static void hear(struct babbler *b)
{
    Farm__Envelope *e = NULL;
    while ((e = raw_hear(b->socket, 0)) != NULL) {
        b->heard++;
        farm__envelope__free_unpacked(e, NULL);
    }
}

/* Until the coordinator has taken all that was said: what it does not answer is then lost. */
static void wait_for_it(struct babbler *b, uint64_t request)
{
    int64_t until_ns = clock_now_ns() + 120 * NS_PER_S;
    bool came = false;
    Farm__Envelope ask = FARM__ENVELOPE__INIT;
    Farm__Heartbeat beat = FARM__HEARTBEAT__INIT;
    ask.request = request;
    ask.body_case = FARM__ENVELOPE__BODY_HEARTBEAT;
    ask.heartbeat = &beat;
    raw_say(b->socket, &ask);
    while (!came && clock_now_ns() < until_ns) {
        Farm__Envelope *e = raw_hear(b->socket, 1000);
        came = e != NULL && e->request == request;
        if (e != NULL) farm__envelope__free_unpacked(e, NULL);
    }
    if (!came) raw_die("message %llu was not answered", (unsigned long long)request);
}

static void babble(struct babbler *b, long messages, long per_s)
{
    int64_t begun_ns = clock_now_ns();
    for (long i = 0; i < messages; i++) {
        int64_t due_ns = begun_ns + i * NS_PER_S / per_s;
        while (clock_now_ns() < due_ns) {
            const struct timespec t = {0, 1000000};
            (void)nanosleep(&t, NULL);
        }
        b->bad += kinds[next(b) % (sizeof(kinds) / sizeof(kinds[0]))](b);
        b->sent++;
        hear(b);
        if (i % AT_ONCE == AT_ONCE - 1) wait_for_it(b, (uint64_t)(1000 + i));
    }
}

int main(int argc, char **argv)
{
    struct raw_farm farm;
    struct babbler b = {0};
    struct key_pair keys;
    raw_farm_open(&farm, argc, argv, 2);
    keys_generate(&keys);
    id_random(b.boot, sizeof(b.boot));
    b.draw = strtoull(raw_flag(argc, argv, "--seed", "1"), NULL, 10);
    void *admin = raw_admin(&farm);
    raw_allow(admin, &keys, raw_flag(argc, argv, "--name", "babbler"));
    raw_await(admin, FARM__ENVELOPE__BODY_KEY_ALLOWED);
    (void)zmq_close(admin);
    b.socket = raw_dial(&farm, farm.workers, &keys);
    babble(&b, strtol(raw_flag(argc, argv, "--messages", "5000"), NULL, 10),
           strtol(raw_flag(argc, argv, "--per-s", "1000"), NULL, 10));
    raw_hello(b.socket, b.boot, "babel");
    raw_await(b.socket, FARM__ENVELOPE__BODY_WELCOME);
    printf("{\"sent\": %ld, \"bad\": %ld, \"heard\": %ld}\n", b.sent, b.bad, b.heard);
    (void)zmq_close(b.socket);
    (void)zmq_ctx_term(farm.zmq);
    return 0;
}
