/* Whether the coordinator can be reached from here, and how it is. */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "cli/client.h"
#include "cli/doctor.h"

#define REACH_MS 3000
#define HELLO_NS (5 * NS_PER_S)
#define CLOCKS_APART_MS 5000

/* ---- the port ---- */

/* "tcp://HOST:PORT" or "tcp://[V6]:PORT". */
static bool split(const char *url, char host[256], char port[8])
{
    const char *at = strncmp(url, "tcp://", 6) == 0 ? url + 6 : url;
    const char *colon = strrchr(at, ':');
    if (colon == NULL || (size_t)(colon - at) >= 256 || strlen(colon + 1) >= 8) return false;
    const bool boxed = at[0] == '[' && colon > at && colon[-1] == ']';
    (void)snprintf(host, 256, "%.*s", (int)(colon - at) - (boxed ? 2 : 0), at + (boxed ? 1 : 0));
    (void)snprintf(port, 8, "%s", colon + 1);
    return true;
}

/* 0, or why not. */
static int connect_within(const struct addrinfo *a)
{
    int why = 0;
    socklen_t size = sizeof why;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return errno;
    if (connect(fd, a->ai_addr, a->ai_addrlen) != 0) why = errno;
    if (why == EINPROGRESS) {
        struct pollfd poller = {.fd = fd, .events = POLLOUT};
        why = poll(&poller, 1, REACH_MS) == 1 ? 0 : ETIMEDOUT;
        if (why == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &size) != 0) why = errno;
    }
    (void)close(fd);
    return why;
}

static const char *advice(int why)
{
    if (why == ECONNREFUSED) return "nothing listens there: start the coordinator, see the port";
    if (why == ETIMEDOUT)
        return "a firewall drops it: let this TCP port in (both sockets, to the coordinator only)";
    return "see the address and the route";
}

static bool reach(struct doctor *d, const char *url)
{
    char host[256], port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    if (!split(url, host, port))
        return DOCTOR_SAY(d, FAIL, "farm", url, "tcp://HOST:PORT", "it is no address");
    int code = getaddrinfo(host, port, &hints, &found);
    if (code != 0)
        return DOCTOR_SAY(d, FAIL, "farm", url, "see the name, and the resolver", "%s: %s", host,
                          gai_strerror(code));
    int why = EHOSTUNREACH;
    for (const struct addrinfo *a = found; a != NULL && why != 0; a = a->ai_next)
        why = connect_within(a);
    freeaddrinfo(found);
    return why == 0 || DOCTOR_SAY(d, FAIL, "farm", url, advice(why), "%s", strerror(why));
}

/* ---- the coordinator ---- */

static struct message *ask_status(struct zclient *client, struct error *err)
{
    Farm__StatusWanted body = FARM__STATUS_WANTED__INIT;
    Farm__Envelope request = FARM__ENVELOPE__INIT;
    request.body_case = FARM__ENVELOPE__BODY_STATUS_WANTED;
    request.status_wanted = &body;
    return client_ask(client, &request, FARM__ENVELOPE__BODY_STATUS, err);
}

static void look_at_status(struct doctor *d, const char *url, const Farm__Status *s)
{
    if (strcmp(s->store_state, "ok") != 0)
        DOCTOR_SAY(d, FAIL, "farm", url, "see its disk and its log; `zoe coordinator check`",
                   "its database is %s: nothing is changed", s->store_state);
    if (s->disk_low)
        DOCTOR_SAY(d, FAIL, "farm", url, "free space there: `zoe batch remove`, or --keep",
                   "its disk is almost full: nothing is accepted or started");
    if (s->workers == 0 || s->workers == s->workers_away)
        DOCTOR_SAY(d, WARN, "farm", url, "start a worker; `zoe worker list` tells of each",
                   "no worker is there");
    else if (s->workers_quarantined == s->workers - s->workers_away)
        DOCTOR_SAY(d, FAIL, "farm", url,
                   "`zoe explain WORKER` says why of each, `zoe worker readmit`",
                   "every worker that is there is in quarantine: nothing is rendered");
    if (s->refused_keys > 0)
        DOCTOR_SAY(
            d, WARN, "farm", url, "`zoe worker allow` or `zoe client allow`, if they are yours",
            "%llu times a key knocked that is not allowed", (unsigned long long)s->refused_keys);
}

static void look_at_build(struct doctor *d, const char *url, const struct zclient *client)
{
    const char *build = zclient_build(client);
    if (strcmp(build, ZOE_VERSION) != 0)
        DOCTOR_SAY(d, WARN, "farm", url, "upgrade the coordinator first, then the others",
                   "it is version %s, we are %s; they understand one another", build, ZOE_VERSION);
}

/* Ours is taken before and after the question. */
static void look_at_clock(struct doctor *d, const char *url, const Farm__Status *s,
                          int64_t before_ms, int64_t after_ms)
{
    char text[80];
    const int64_t at_ms = (int64_t)s->at_ms;
    const int64_t apart_ms = at_ms < before_ms  ? before_ms - at_ms
                             : at_ms > after_ms ? at_ms - after_ms
                                                : 0;
    if (s->at_ms == 0 || apart_ms < CLOCKS_APART_MS) return;
    clock_duration_text(apart_ms * NS_PER_MS, text, sizeof text);
    DOCTOR_SAY(d, WARN, "clock", url, "run a time service on both machines",
               "the coordinator's clock is %s %s ours: join tokens and retention go by its", text,
               at_ms < before_ms ? "behind" : "ahead of");
}

static const char *hello_advice(const struct error *err)
{
    if (err->code == ERROR_AUTH)
        return "have an admin run `zoe client allow KEY --name NAME` (`zoe key show` prints the "
               "key), or join: `zoe client join TOKEN`";
    if (err->code == ERROR_VERSION) return "upgrade the older of the two";
    return "see the coordinator's public key (--server-key, ZOE_SERVER_KEY) and its log";
}

static void ask_coordinator(struct doctor *d, const struct target *target)
{
    struct error err = {0};
    struct zclient *client = client_open(target, HELLO_NS, &err);
    const int64_t before_ms = clock_wall_ms();
    struct message *status = client != NULL ? ask_status(client, &err) : NULL;
    if (status == NULL) {
        DOCTOR_SAY(d, FAIL, "farm", target->url, hello_advice(&err), "%s", err.message);
    } else {
        const Farm__Status *s = status->envelope->status;
        DOCTOR_SAY(d, OK, "farm", target->url, NULL,
                   "reached as %s (%s): %u workers, %u of them away", zclient_owner(client),
                   zclient_role(client), s->workers, s->workers_away);
        look_at_build(d, target->url, client);
        look_at_status(d, target->url, s);
        look_at_clock(d, target->url, s, before_ms, clock_wall_ms());
        message_free(status);
    }
    if (client != NULL) zclient_close(client);
}

/* No farm is nothing to mend: doctor is asked before there is one. */
static void say_none(struct doctor *d, const struct error *err)
{
    if (err->code == ERROR_UNREACHABLE)
        DOCTOR_SAY(d, OK, "farm", "", NULL, "not looked at: %s", err->message);
    else if (err->code != ERROR_NOT_FOUND)
        DOCTOR_SAY(d, FAIL, "farm", "", "see zoe.conf and ZOE_*", "%s", err->message);
    else if (call_has(d->call, "state"))
        DOCTOR_SAY(d, OK, "farm", "", NULL,
                   "not looked at: %s is no coordinator's folder; without --state that farm is "
                   "looked at which is configured",
                   call_option(d->call, "state"));
    else
        DOCTOR_SAY(d, OK, "farm", "", NULL, "none runs here and none is configured");
}

void doctor_farm(struct doctor *d)
{
    struct target target;
    struct error err = {0};
    if (!target_find(&target, d->call, TARGET_START_NEVER, &err)) {
        say_none(d, &err);
        return;
    }
    if (reach(d, target.url)) ask_coordinator(d, &target);
    target_finish(&target);
}
