#include "coordinator/ready.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "coordinator/shell.h"

static char *ready_text(struct coordinator *c)
{
    char key[KEY_TEXT_SIZE];
    const char *workers = zsock_endpoint(c->workers);
    const char *clients = zsock_endpoint(c->clients);
    keys_text(c->server_key.public_key, key);
    if (!c->options.json) {
        return xasprintf("public key %s\nworkers %s\nclients %s\n", key, workers, clients);
    }
    json_t *object = json_pack("{ssssssss}", "schema", "zoe.coordinator.v1", "public_key", key,
                               "workers", workers, "clients", clients);
    char *line = json_line(object);
    char *text = xasprintf("%s\n", line);
    free(line);
    json_decref(object);
    return text;
}

bool ready_say(struct coordinator *c, struct error *err)
{
    char *text = ready_text(c);
    bool ok = fputs(text, stdout) >= 0 && fflush(stdout) == 0;
    if (!ok) log_warn("nobody reads the ready line");
    ok = c->options.ready_file == NULL ||
         path_write_atomic(c->options.ready_file, text, strlen(text), 0600, err);
    free(text);
    return ok;
}
