#include "coordinator/ready.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "coordinator/shell.h"

#define FILE_NAME "coordinator.json"

static json_t *ready_object(struct coordinator *c)
{
    char key[KEY_TEXT_SIZE];
    keys_text(c->server_key.public_key, key);
    return json_pack("{ssssssss}", "schema", "zoe.coordinator.v1", "public_key", key, "workers",
                     zsock_endpoint(c->workers), "clients", zsock_endpoint(c->clients));
}

static char *ready_text(struct coordinator *c)
{
    char key[KEY_TEXT_SIZE];
    keys_text(c->server_key.public_key, key);
    if (!c->options.json) {
        return xasprintf("public key %s\nworkers %s\nclients %s\n", key, zsock_endpoint(c->workers),
                         zsock_endpoint(c->clients));
    }
    json_t *object = ready_object(c);
    char *line = json_line(object);
    char *text = xasprintf("%s\n", line);
    free(line);
    json_decref(object);
    return text;
}

/* A full disk is no reason not to serve. The next start writes it anew, so it needs no sync. */
static void write_file(struct coordinator *c)
{
    struct error err = {0};
    json_t *object = ready_object(c);
    char *admin = path_join(c->state, "keys/admin.key"), *path = path_join(c->state, FILE_NAME);
    json_object_set_new(object, "client_key_file", json_string(admin));
    json_object_set_new(object, "pid", json_integer(getpid()));
    char *text = json_pretty(object);
    if (!path_write_expendable(path, text, strlen(text), 0600, &err))
        log_warn("`zoe --state` will not find this coordinator: %s", err.message);
    free(text);
    free(path);
    free(admin);
    json_decref(object);
}

bool ready_say(struct coordinator *c, struct error *err)
{
    char *text = ready_text(c);
    write_file(c); /* first: who has read the line may ask at once */
    bool ok = fputs(text, stdout) >= 0 && fflush(stdout) == 0;
    if (!ok) log_warn("nobody reads the ready line");
    ok = c->options.ready_file == NULL ||
         path_write_atomic(c->options.ready_file, text, strlen(text), 0600, err);
    free(text);
    return ok;
}

void ready_unsay(struct coordinator *c)
{
    char *path = path_join(c->state, FILE_NAME);
    (void)unlink(path);
    free(path);
}
