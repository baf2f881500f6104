/* Looks in the four places, in order. What is found in a state folder, and started there, is
 * embedded.c's. */
#include "cli/target.h"

#include <stdlib.h>
#include <string.h>

#include "base/config.h"
#include "base/id.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "cli/embedded.h"

static const char *const CONFIG_KEYS[] = {"coordinator", "server_key", "client_key", "model", NULL};

struct sources {
    const struct call *call;
    struct config config;
};

static const char *look(const struct sources *s, const char *flag, const char *variable,
                        const char *key)
{
    const char *value = call_option(s->call, flag);
    if (!value) value = getenv(variable);
    if (!value || !*value) value = config_get(&s->config, key);
    return value && *value ? value : NULL;
}

static bool load_config(struct config *config, struct error *err)
{
    char *folder = path_user_config("zoetrope", NULL);
    char *file = folder ? path_join(folder, "zoe.conf") : xstrdup("");
    bool ok = *file ? config_load(config, file, CONFIG_KEYS, err) : true;
    free(folder);
    free(file);
    return ok;
}

static bool set_key(struct target *target, const char *text, struct error *err)
{
    if (text && hex_decode(text, target->server_key, 32)) return true;
    if (!text)
        return error_set(err, ERROR_USAGE,
                         "the coordinator's public key is missing: --server-key, ZOE_SERVER_KEY or "
                         "server_key in zoe.conf");
    return error_set(err, ERROR_USAGE, "server key '%.80s' is not 64 hex digits", text);
}

static bool from_sources(struct target *target, const struct sources *s, const char *url,
                         struct error *err)
{
    const char *client_key = look(s, "client-key", "ZOE_CLIENT_KEY", "client_key");
    if (!set_key(target, look(s, "server-key", "ZOE_SERVER_KEY", "server_key"), err)) return false;
    target->url = xstrdup(url);
    if (client_key) {
        target->client_key_file = xstrdup(client_key);
        return true;
    }
    char *folder = path_user_config("zoetrope", err);
    if (!folder) return false;
    target->client_key_file = path_join(folder, "client.key");
    free(folder);
    return true;
}

bool target_find(struct target *target, const struct call *call, enum target_start start,
                 struct error *err)
{
    *target = (struct target){0};
    struct sources s = {.call = call};
    if (!load_config(&s.config, err)) return false;
    const char *url = call_option(call, "state")
                          ? NULL
                          : look(&s, "coordinator", "ZOE_COORDINATOR", "coordinator");
    bool ok = url ? from_sources(target, &s, url, err) : embedded_find(target, call, start, err);
    config_finish(&s.config);
    if (!ok) target_finish(target);
    return ok;
}

void target_finish(struct target *target)
{
    free(target->url);
    free(target->client_key_file);
    *target = (struct target){0};
}

char *target_model(const char *other, struct error *err)
{
    struct config config = {0};
    if (!load_config(&config, err)) return NULL;
    const char *model = getenv("ZOE_MODEL");
    if (!model || !*model) model = config_get(&config, "model");
    char *copy = xstrdup(model && *model ? model : other);
    config_finish(&config);
    return copy;
}
