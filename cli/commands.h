/* commands: the rows that the command files export. */
#ifndef ZOE_CLI_COMMANDS_H
#define ZOE_CLI_COMMANDS_H

#include "cli/command.h"

extern const struct command command_render;
extern const struct command command_submit;
extern const struct command command_extend;
extern const struct command command_stream;
extern const struct command command_status;
extern const struct command command_events;
extern const struct command command_explain;
extern const struct command command_bench_farm;
extern const struct command command_bench_fleet;
extern const struct command command_bench_soak;
extern const struct command command_batch_list;
extern const struct command command_batch_show;
extern const struct command command_batch_watch;
extern const struct command command_batch_wait;
extern const struct command command_batch_pause;
extern const struct command command_batch_resume;
extern const struct command command_batch_cancel;
extern const struct command command_batch_retry;
extern const struct command command_batch_fetch;
extern const struct command command_batch_priority;
extern const struct command command_batch_remove;
extern const struct command command_batch_keep;
extern const struct command command_task_show;
extern const struct command command_task_logs;
extern const struct command command_coordinator_backup;
extern const struct command command_coordinator_restore;
extern const struct command command_coordinator_check;
extern const struct command command_recover;
extern const struct command command_doctor;
extern const struct command command_farm_up;
extern const struct command command_farm_down;
extern const struct command command_farm_status;
extern const struct command command_farm_supervise;
extern const struct command command_worker_list;
extern const struct command command_worker_show;
extern const struct command command_worker_drain;
extern const struct command command_worker_quarantine;
extern const struct command command_worker_readmit;
extern const struct command command_worker_revoke;
extern const struct command command_worker_allow;
extern const struct command command_client_allow;
extern const struct command command_key_new;
extern const struct command command_client_join;
extern const struct command command_key_show;
extern const struct command command_key_list;
extern const struct command command_key_revoke;
extern const struct command command_token_create;
extern const struct command command_token_list;
extern const struct command command_token_revoke;
extern const struct command command_owner_list;
extern const struct command command_owner_set;
extern const struct command command_audit;
extern const struct command command_model_list;
extern const struct command command_model_show;
extern const struct command command_model_add;
extern const struct command command_model_convert;
extern const struct command command_model_verify;
extern const struct command command_model_canary;
extern const struct command command_model_remove;

#endif
