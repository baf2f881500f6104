/* Tables of options. */
#include "proto/zsetup.h"

#include <errno.h>
#include <string.h>
#include <zmq.h>

#include "base/text.h"
#include "proto/limits.h"

/* Debian's zmq.h hides this name as a draft, the option works all the same: without a ZAP handler
 * nobody gets in. */
#define OPTION_ZAP_ENFORCE_DOMAIN 93

struct int_option {
    int option;
    int value;
};

static bool set_option(void *socket, int option, const void *value, size_t size, struct error *err)
{
    if (zmq_setsockopt(socket, option, value, size) == 0) return true;
    int reason = errno;
    return error_set(err, ERROR_IO, "socket option %d: %s", option, zmq_strerror(reason));
}

bool zsetup_int(void *socket, int option, int value, struct error *err)
{
    return set_option(socket, option, &value, sizeof(value), err);
}

static bool set_table(void *socket, const struct int_option *rows, size_t count, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (!zsetup_int(socket, rows[i].option, rows[i].value, err)) return false;
    }
    return true;
}

bool zsetup_common(void *socket, struct error *err)
{
    static const struct int_option rows[] = {
        {ZMQ_LINGER, SOCKET_LINGER_MS},
        {ZMQ_HANDSHAKE_IVL, SOCKET_HANDSHAKE_MS},
        {ZMQ_TCP_KEEPALIVE, 1},
        {ZMQ_TCP_KEEPALIVE_IDLE, SOCKET_KEEPALIVE_IDLE_S},
        {ZMQ_TCP_KEEPALIVE_INTVL, SOCKET_KEEPALIVE_INTERVAL_S},
        {ZMQ_TCP_KEEPALIVE_CNT, SOCKET_KEEPALIVE_COUNT},
        {ZMQ_TCP_MAXRT, SOCKET_UNSENT_MS},
    };
    int64_t frame = LIMIT_FRAME_BYTES;
    return set_table(socket, rows, sizeof(rows) / sizeof(rows[0]), err) &&
           set_option(socket, ZMQ_MAXMSGSIZE, &frame, sizeof(frame), err);
}

bool zsetup_heartbeats(void *socket, struct error *err)
{
    static const struct int_option rows[] = {
        {ZMQ_HEARTBEAT_IVL, SOCKET_ZMTP_HEARTBEAT_MS},
        {ZMQ_HEARTBEAT_TIMEOUT, SOCKET_ZMTP_TIMEOUT_MS},
        {ZMQ_HEARTBEAT_TTL, SOCKET_ZMTP_TIMEOUT_MS},
    };
    return set_table(socket, rows, sizeof(rows) / sizeof(rows[0]), err);
}

bool zsetup_router(void *socket, const struct key_pair *keys, const char *zap_domain,
                   struct error *err)
{
    static const struct int_option rows[] = {
        {ZMQ_ROUTER_MANDATORY, 1}, {ZMQ_SNDHWM, SOCKET_ROUTER_HWM}, {ZMQ_RCVHWM, SOCKET_ROUTER_HWM},
        {ZMQ_CURVE_SERVER, 1},     {OPTION_ZAP_ENFORCE_DOMAIN, 1},  {ZMQ_BACKLOG, SOCKET_BACKLOG},
    };
    return set_table(socket, rows, sizeof(rows) / sizeof(rows[0]), err) &&
           set_option(socket, ZMQ_CURVE_SECRETKEY, keys->secret_key, KEY_BYTES, err) &&
           set_option(socket, ZMQ_ZAP_DOMAIN, zap_domain, strlen(zap_domain), err);
}

bool zsetup_dealer(void *socket, const struct key_pair *keys, const uint8_t server_key[KEY_BYTES],
                   struct error *err)
{
    static const struct int_option rows[] = {
        {ZMQ_IMMEDIATE, 1},
        {ZMQ_SNDHWM, SOCKET_HWM},
        {ZMQ_RCVHWM, SOCKET_HWM},
        {ZMQ_RECONNECT_IVL, SOCKET_RECONNECT_MS},
        {ZMQ_RECONNECT_IVL_MAX, SOCKET_RECONNECT_MAX_MS},
    };
    return set_table(socket, rows, sizeof(rows) / sizeof(rows[0]), err) &&
           set_option(socket, ZMQ_CURVE_SERVERKEY, server_key, KEY_BYTES, err) &&
           set_option(socket, ZMQ_CURVE_PUBLICKEY, keys->public_key, KEY_BYTES, err) &&
           set_option(socket, ZMQ_CURVE_SECRETKEY, keys->secret_key, KEY_BYTES, err);
}

static bool bad_url(int reason)
{
    return reason == EINVAL || reason == EPROTONOSUPPORT || reason == ENODEV ||
           reason == ENOCOMPATPROTO;
}

static bool address_failed(const char *verb, const char *url, int reason, struct error *err)
{
    if (bad_url(reason)) {
        return error_set(err, ERROR_USAGE, "cannot %s %s: it should look like tcp://HOST:PORT",
                         verb, url);
    }
    return error_set(err, ERROR_IO, "cannot %s %s: %s", verb, url, zmq_strerror(reason));
}

/* ZeroMQ takes a port modulo 65536, and names only the first address of a host: IPv6 is asked for
 * by brackets. */
static bool prepare_url(void *socket, const char *url, struct error *err)
{
    const char *colon = strrchr(url, ':');
    int64_t port = 0;
    bool tcp = strncmp(url, "tcp://", 6) == 0 && colon > url + 6;
    if (tcp && strcmp(colon, ":*") != 0 && !text_parse_i64(colon + 1, 0, UINT16_MAX, &port)) {
        return error_set(err, ERROR_USAGE, "%s does not end in a port (0 to 65535, or *)", url);
    }
    return strchr(url, '[') == NULL || zsetup_int(socket, ZMQ_IPV6, 1, err);
}

/* A signal breaks them off before they have begun. */
static int on_endpoint(int (*call)(void *socket, const char *url), void *socket, const char *url)
{
    int rc = -1;
    do {
        rc = call(socket, url);
    } while (rc != 0 && errno == EINTR);
    return rc;
}

bool zsetup_bind(void *socket, const char *url, struct error *err)
{
    if (!prepare_url(socket, url, err)) return false;
    if (on_endpoint(zmq_bind, socket, url) == 0) return true;
    return address_failed("listen at", url, errno, err);
}

bool zsetup_connect(void *socket, const char *url, struct error *err)
{
    if (!prepare_url(socket, url, err)) return false;
    if (on_endpoint(zmq_connect, socket, url) == 0) return true;
    return address_failed("connect to", url, errno, err);
}

bool zsetup_redial(void *socket, const char *url, struct error *err)
{
    /* What is left of the failed attempt, if anything. */
    (void)on_endpoint(zmq_disconnect, socket, url);
    return zsetup_connect(socket, url, err);
}

bool zsetup_endpoint(void *socket, char out[ZSETUP_ENDPOINT_SIZE], struct error *err)
{
    size_t size = ZSETUP_ENDPOINT_SIZE;
    memset(out, 0, ZSETUP_ENDPOINT_SIZE);
    if (zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, out, &size) == 0) return true;
    return error_set(err, ERROR_IO, "a socket without an address: %s", zmq_strerror(errno));
}
