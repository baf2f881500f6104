/* client: how commands reach the coordinator. The conversation itself is proto/zclient.h. */
#ifndef ZOE_CLI_CLIENT_H
#define ZOE_CLI_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "cli/command.h"
#include "cli/target.h"
#include "proto/limits.h"
#include "proto/zclient.h"

#define CLIENT_LIMIT_NS (30 * NS_PER_S) /* for one answer, unless --timeout says less */

/* The text can name a batch; otherwise no coordinator needs to be asked. */
bool client_check_batch(const char *text, struct error *err);

/* Finds the coordinator (starting the embedded farm as `start` allows) and says hello. NULL with
 * err. Close with zclient_close. */
struct zclient *client_connect(const struct call *call, enum target_start start, struct error *err);
struct zclient *client_open(const struct target *target, int64_t limit_ns, struct error *err);

/* One question, one answer within CLIENT_LIMIT_NS. Free with message_free. */
struct message *client_ask(struct zclient *client, Farm__Envelope *request,
                           Farm__Envelope__BodyCase expected, struct error *err);

bool client_allow_key(struct zclient *client, const uint8_t public_key[KEY_BYTES], const char *role,
                      const char *name, bool *existed, struct error *err);

/* One batch by id, unique prefix or "last": answer->envelope->batch. */
struct message *client_batch(struct zclient *client, const char *batch, struct error *err);

/* Ctrl-C: counted from the first client on; a command that waits detaches. */
bool client_interrupted(void);
/* SIGTERM counts as Ctrl-C from now on: for commands that have something to put away. */
void client_stop_on_termination(void);

#endif
