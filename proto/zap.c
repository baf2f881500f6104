/* Request: version, sequence, domain, address, routing id, mechanism, key.
 * Answer: version, sequence, status, reason, user, metadata. */
#include "proto/zap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "base/clock.h"
#include "base/log_pace.h"
#include "base/xalloc.h"
#include "proto/throttle.h"
#include "proto/zparts.h"
#include "proto/zsetup.h"
#include "proto/zsock.h"
#include "proto/zwatch.h"

#define ENDPOINT "inproc://zeromq.zap.01"
#define REQUEST_PARTS 7
#define METADATA_SIZE (5 + sizeof(ZAP_KEY_PROPERTY) + KEY_TEXT_SIZE)

enum part {
    PART_VERSION,
    PART_SEQUENCE,
    PART_DOMAIN,
    PART_ADDRESS,
    PART_ID,
    PART_MECHANISM,
    PART_KEY
};

struct zap {
    void *socket;
    struct zwatch watch;
    zap_decide decide;
    void *context;
    uint64_t refused;
    struct throttle throttle;
    struct log_pace refusals;
    void (*on_closed)(void *context);
    void *closed_context;
};

static void log_refusal(struct zap *z, const char *domain, const char *address, const char *why)
{
    log_paced(&z->refusals, clock_now_ns(), LOG_WARN,
              "refused a connection to the %s socket from=%s key=%s", domain, address, why);
}

static bool part_is(struct zparts *p, int index, const char *text)
{
    struct bytes b = zparts_bytes(p, index);
    return b.size == strlen(text) && memcmp(b.data, text, b.size) == 0;
}

static void part_text(struct zparts *p, int index, char *out, size_t size)
{
    struct bytes b = zparts_bytes(p, index);
    size_t used = b.size < size - 1 ? b.size : size - 1;
    memcpy(out, b.data, used);
    out[used] = '\0';
}

static bool is_whole(struct zparts *p)
{
    return p->count == REQUEST_PARTS && p->extra == 0 && part_is(p, PART_VERSION, "1.0") &&
           part_is(p, PART_MECHANISM, "CURVE") && zparts_bytes(p, PART_KEY).size == KEY_BYTES;
}

static const char *const status_codes[] = {
    [ZAP_REFUSED] = "400", [ZAP_LATER] = "300", [ZAP_ALLOWED] = "200"};

/* A name is what an allowed one is known by. */
static enum zap_verdict ask_owner(struct zap *z, const char *domain, const char *address,
                                  struct zparts *p, char user[LIMIT_NAME_BYTES + 1],
                                  char key[KEY_TEXT_SIZE])
{
    const uint8_t *bytes = zparts_bytes(p, PART_KEY).data;
    keys_text(bytes, key);
    enum zap_verdict verdict = z->decide(z->context, domain, bytes, address, user);
    return verdict == ZAP_ALLOWED && user[0] == '\0' ? ZAP_REFUSED : verdict;
}

static enum zap_verdict decide(struct zap *z, struct zparts *p, char user[LIMIT_NAME_BYTES + 1],
                               char key[KEY_TEXT_SIZE])
{
    enum zap_verdict verdict = ZAP_REFUSED;
    char domain[64] = "?";
    char address[128] = "?";
    (void)snprintf(key, KEY_TEXT_SIZE, "none");
    if (p->count > PART_ADDRESS) {
        part_text(p, PART_DOMAIN, domain, sizeof(domain));
        part_text(p, PART_ADDRESS, address, sizeof(address));
    }
    user[0] = '\0';
    if (!throttle_allows(&z->throttle, address, clock_now_ns())) {
        z->refused++;
        log_refusal(z, domain, address, "(it dials too often)");
        return ZAP_LATER;
    }
    if (is_whole(p)) verdict = ask_owner(z, domain, address, p, user, key);
    if (verdict == ZAP_ALLOWED) return verdict;
    z->refused++;
    log_refusal(z, domain, address, verdict == ZAP_LATER ? "(there is no place for it now)" : key);
    return verdict;
}

/* One property as RFC 27 packs metadata: length and name, length (four bytes, big-endian) and
 * value. */
static struct bytes pack_key(const char *key, uint8_t out[METADATA_SIZE])
{
    size_t name = strlen(ZAP_KEY_PROPERTY);
    size_t value = strlen(key);
    out[0] = (uint8_t)name;
    memcpy(out + 1, ZAP_KEY_PROPERTY, name);
    memset(out + 1 + name, 0, 3);
    out[4 + name] = (uint8_t)value;
    memcpy(out + 5 + name, key, value);
    return (struct bytes){out, 5 + name + value};
}

static void answer(struct zap *z, struct bytes sequence, enum zap_verdict verdict, const char *user,
                   const char *key)
{
    const bool allowed = verdict == ZAP_ALLOWED;
    uint8_t metadata[METADATA_SIZE];
    const struct bytes parts[] = {
        {(const uint8_t *)"1.0", 3},
        sequence,
        {(const uint8_t *)status_codes[verdict], 3},
        {(const uint8_t *)"", 0},
        {(const uint8_t *)user, allowed ? strlen(user) : 0},
        allowed ? pack_key(key, metadata) : (struct bytes){(const uint8_t *)"", 0},
    };
    size_t count = sizeof(parts) / sizeof(parts[0]);
    for (size_t i = 0; i < count; i++) {
        if (zparts_send(z->socket, parts[i], i + 1 < count) < 0) return;
    }
}

static void on_ready(void *context)
{
    struct zap *z = context;
    struct zparts parts;
    for (int i = 0; i < ZSOCK_TURN_MESSAGES; i++) {
        if (zparts_receive(z->socket, &parts) != ZPARTS_MESSAGE) return;
        char user[LIMIT_NAME_BYTES + 1];
        char key[KEY_TEXT_SIZE];
        enum zap_verdict verdict = decide(z, &parts, user, key);
        struct bytes sequence = {(const uint8_t *)"", 0};
        if (parts.count > PART_SEQUENCE) sequence = zparts_bytes(&parts, PART_SEQUENCE);
        answer(z, sequence, verdict, user, key);
        zparts_finish(&parts);
    }
}

static bool start(struct zap *z, uv_loop_t *loop, struct error *err)
{
    if (!zsetup_int(z->socket, ZMQ_LINGER, 0, err)) return false;
    if (!zsetup_bind(z->socket, ENDPOINT, err)) return false;
    return zwatch_start(&z->watch, loop, z->socket, false, on_ready, z, err);
}

struct zap *zap_open(uv_loop_t *loop, void *zmq_context, zap_decide decide_key, void *context,
                     struct error *err)
{
    struct zap *z = xcalloc(1, sizeof(*z));
    z->decide = decide_key;
    z->context = context;
    throttle_init(&z->throttle, clock_now_ns());
    z->socket = zmq_socket(zmq_context, ZMQ_REP);
    if (z->socket == NULL) {
        error_set(err, ERROR_IO, "no socket for the key check: %s", zmq_strerror(errno));
        throttle_finish(&z->throttle);
        free(z);
        return NULL;
    }
    if (start(z, loop, err)) return z;
    error_wrap(err, "key check");
    zap_close(z, NULL, NULL);
    return NULL;
}

uint64_t zap_refused(const struct zap *z)
{
    return z->refused;
}

static void on_watch_closed(void *context)
{
    struct zap *z = context;
    (void)zmq_close(z->socket);
    throttle_finish(&z->throttle);
    if (z->on_closed != NULL) z->on_closed(z->closed_context);
    free(z);
}

void zap_close(struct zap *z, void (*on_closed)(void *context), void *context)
{
    z->on_closed = on_closed;
    z->closed_context = context;
    zwatch_close(&z->watch, on_watch_closed, z);
}
