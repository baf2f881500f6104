/* The table of commands. To add one: its row here, its file beside. */
#include <string.h>

#include "base/text.h"
#include "cli/commands.h"

static const struct command *const COMMANDS[] = {
    &command_render,
    &command_submit,
    &command_extend,
    &command_stream,
    &command_status,
    &command_events,
    &command_explain,
    &command_batch_list,
    &command_batch_show,
    &command_batch_watch,
    &command_batch_wait,
    &command_batch_pause,
    &command_batch_resume,
    &command_batch_cancel,
    &command_batch_retry,
    &command_batch_fetch,
    &command_batch_priority,
    &command_batch_remove,
    &command_batch_keep,
    &command_task_show,
    &command_task_logs,
    &command_farm_up,
    &command_farm_down,
    &command_farm_status,
    &command_farm_supervise,
    &command_worker_list,
    &command_worker_show,
    &command_worker_drain,
    &command_worker_quarantine,
    &command_worker_readmit,
    &command_worker_revoke,
    &command_worker_allow,
    &command_client_allow,
    &command_key_new,
    &command_client_join,
    &command_key_show,
    &command_key_list,
    &command_key_revoke,
    &command_token_create,
    &command_token_list,
    &command_token_revoke,
    &command_owner_list,
    &command_owner_set,
    &command_audit,
    &command_model_list,
    &command_model_show,
    &command_model_add,
    &command_model_convert,
    &command_model_verify,
    &command_model_canary,
    &command_model_remove,
    &command_coordinator_backup,
    &command_coordinator_restore,
    &command_coordinator_check,
    &command_recover,
    &command_doctor,
    &command_bench_farm,
    &command_bench_fleet,
    &command_bench_soak,
};

static const struct option COMMON[] = {
    {"json", 0, NULL, "machine-readable output, versioned by its `schema`"},
    {"quiet", 'q', NULL, "bare ids only, no progress"},
    {"state", 0, "DIR", "use the farm whose state folder is DIR (its admin key)"},
    {"coordinator", 0, "URL", "client socket of a coordinator (ZOE_COORDINATOR)"},
    {"server-key", 0, "KEY", "its public key, 64 hex digits (ZOE_SERVER_KEY)"},
    {"client-key", 0, "FILE", "our secret key file (ZOE_CLIENT_KEY)"},
    {"timeout", 0, "TIME", "give up after so long (90s, 5m, 1h): exit 124"},
    {"help", 'h', NULL, "this text"},
    {0},
};

const struct command *const *commands_all(int *count_out)
{
    *count_out = (int)(sizeof COMMANDS / sizeof *COMMANDS);
    return COMMANDS;
}

const struct option *commands_common_options(void)
{
    return COMMON;
}

const struct command *commands_find(int argc, char **argv, int *words)
{
    int count;
    const struct command *const *rows = commands_all(&count);
    for (int i = 0; i < count; i++) {
        if (argc < 1 || strcmp(rows[i]->noun, argv[0]) != 0) continue;
        if (rows[i]->verb && (argc < 2 || strcmp(rows[i]->verb, argv[1]) != 0)) continue;
        *words = rows[i]->verb ? 2 : 1;
        return rows[i];
    }
    return NULL;
}

const char *commands_nearest(int argc, char **argv)
{
    int count, found = 0;
    const struct command *const *rows = commands_all(&count);
    const char *names[sizeof COMMANDS / sizeof *COMMANDS + 1];
    bool noun_known = false;
    for (int i = 0; i < count; i++)
        if (strcmp(rows[i]->noun, argv[0]) == 0) noun_known = true;
    for (int i = 0; i < count; i++) {
        if (rows[i]->hidden) continue;
        if (!noun_known)
            names[found++] = rows[i]->noun;
        else if (strcmp(rows[i]->noun, argv[0]) == 0 && rows[i]->verb)
            names[found++] = rows[i]->verb;
    }
    names[found] = NULL;
    if (noun_known && argc < 2) return NULL;
    return text_nearest(noun_known ? argv[1] : argv[0], names);
}
