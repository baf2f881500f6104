/* Rules of the messages of the client socket. One row a field, in the order of the numbers. */
#include "proto/validate_rows.h"

#include "base/recipe.h"
#include "proto/keys.h"

/* clang-format off */
static const struct validate_rule client_hello[] = {
    RANGE(version_min, 1, PROTOCOL_LAST),
    RANGE(version_max, 1, PROTOCOL_LAST),
    NAME(build, 0, LIMIT_NAME_BYTES),
};
static const struct validate_rule client_welcome[] = {
    RANGE(version, 1, PROTOCOL_LAST),
    NAME(build, 0, LIMIT_NAME_BYTES),
    NAME(owner, 1, LIMIT_NAME_BYTES),
    WORD(role, 1),
};
static const struct validate_rule submit_open[] = {
    NAME(key, 0, LIMIT_KEY_BYTES),
    DIGEST(sha256, 1),
    RANGE(size_bytes, 0, LIMIT_SUBMIT_BYTES),
    WORD(format, 1),
    NAME(name, 0, LIMIT_NAME_BYTES),
    RANGE(priority, -LIMIT_PRIORITY, LIMIT_PRIORITY),
    TEXT(options, 0, LIMIT_OPTIONS_BYTES),
    ANY(again),
    ANY(dry_run),
};
static const struct validate_rule accepted[] = {
    BATCH_ID(batch, 0),
    NAME(folder, 0, LIMIT_NAME_BYTES),
    ANY(prompts),
    ANY(clips),
    ANY(existed),
    TEXTS(warnings, LIMIT_WARNINGS),
    NAME(key, 0, LIMIT_KEY_BYTES),
    MANY(groups, 0, LIMIT_GROUPS),
};
static const struct validate_rule input_open[] = {
    DIGEST(sha256, 1),
    RANGE(size_bytes, 1, LIMIT_INPUT_BYTES),
    WORD(kind, 0),
};
static const struct validate_rule input_stored[] = {
    DIGEST(sha256, 1),
    RANGE(size_bytes, 1, LIMIT_INPUT_BYTES),
    RANGE(frames, 0, LIMIT_FRAMES),
    RANGE(width, 0, LIMIT_SIDE),
    RANGE(height, 0, LIMIT_SIDE),
    NAME(format, 1, LIMIT_NAME_BYTES),
    ANY(existed),
    ANY(audio_ms),
};
static const struct validate_rule counts[] = {
    ANY(total), ANY(waiting), ANY(running), ANY(publishing), ANY(published), ANY(failed),
    ANY(canceled), ANY(suspect),
};
static const struct validate_rule reason[] = {
    NAME(code, 1, 64),
    ANY(count),
    TEXT(message, 0, LIMIT_TEXT_BYTES),
};
static const struct validate_rule status[] = {
    NAME(build, 0, LIMIT_NAME_BYTES),
    TEXT(state_folder, 0, LIMIT_FOLDER_BYTES),
    ANY(uptime_s), ANY(batches), ANY(batches_unfinished),
    SUB(clips, 1),
    ANY(workers), ANY(workers_busy), ANY(workers_idle), ANY(workers_away), ANY(slots),
    ANY(disk_free_bytes), ANY(disk_low), ANY(memory_bytes), ANY(attempts), ANY(attempts_lost),
    ANY(offers_dropped), ANY(clients), ANY(refused_keys), ANY(bad_messages),
    WORD(store_state, 0),
    ANY(at_ms), ANY(workers_joining), ANY(workers_quarantined), ANY(workers_draining),
    ANY(workers_drained), ANY(cut_connections),
};
static const struct validate_rule batches_wanted[] = {
    WORD(state, 0),
    RANGE(limit, 0, LIMIT_PAGE),
    BATCH_ID(before, 0),
};
static const struct validate_rule batches[] = {
    MANY(batches, 0, LIMIT_PAGE),
    ANY(truncated),
};
static const struct validate_rule batch_wanted[] = {
    BATCH_REF(batch, 1),
};
static const struct validate_rule group[] = {
    NAME(model, 0, LIMIT_NAME_BYTES),
    RANGE(width, 0, LIMIT_SIDE),
    RANGE(height, 0, LIMIT_SIDE),
    RANGE(frames, 0, LIMIT_FRAMES),
    RANGE(steps, 0, LIMIT_STEPS),
    RANGE(fps, 0, LIMIT_FRAMES),
    SUB(clips, 0),
    RANGE(tasks, 0, LIMIT_TASKS_PER_CLIP),
    WORD(method, 0),
};
static const struct validate_rule running[] = {
    SUB(attempt, 1),
    NAME(worker, 0, LIMIT_NAME_BYTES),
    ENUM(phase, 0),
    RANGE(step, 0, LIMIT_STEPS),
    RANGE(steps, 0, LIMIT_STEPS),
    ANY(age_ms),
};
static const struct validate_rule batch[] = {
    BATCH_ID(id, 1),
    NAME(folder, 0, LIMIT_NAME_BYTES),
    NAME(name, 0, LIMIT_NAME_BYTES),
    NAME(owner, 0, LIMIT_NAME_BYTES),
    WORD(state, 1),
    RANGE(priority, -LIMIT_PRIORITY, LIMIT_PRIORITY),
    ANY(created_ms), ANY(finished_ms), ANY(prompts),
    SUB(clips, 0),
    MANY(groups, 0, LIMIT_GROUPS),
    MANY(running, 0, LIMIT_RUNNING),
    MANY(reasons, 0, LIMIT_REASONS),
    ANY(attempts), ANY(steps_computed), ANY(steps_wasted), ANY(eta_ms),
    NAME(key, 0, LIMIT_KEY_BYTES),
    TEXT(path, 0, LIMIT_FOLDER_BYTES),
    ANY(goes_ms),
};
static const struct validate_rule batch_action[] = {
    BATCH_REF(batch, 1),
    ENUM(verb, 1),
    RANGE(priority, -LIMIT_PRIORITY, LIMIT_PRIORITY),
    RANGE(keep_s, 0, LIMIT_KEEP_S),
};
static const struct validate_rule clips_wanted[] = {
    BATCH_REF(batch, 1),
    WORD(state, 0),
    RANGE(from, 0, LIMIT_SUBMIT_CLIPS),
    RANGE(limit, 0, LIMIT_PAGE),
};
static const struct validate_rule clip[] = {
    ANY(index),
    WORD(state, 1),
    TEXT(prompt, 0, RECIPE_PROMPT_MAX_BYTES),
    ANY(seed),
    PATH(file, 0),
    ANY(size_bytes),
    DIGEST(sha256, 0),
    ANY(attempts),
    NAME(worker, 0, LIMIT_NAME_BYTES),
    WORD(suspect, 0),
    WORD(why, 0),
    TEXT(message, 0, LIMIT_TEXT_BYTES),
    ANY(sidecar_bytes),
    RANGE(tasks, 0, LIMIT_TASKS_PER_CLIP),
    RANGE(tasks_done, 0, LIMIT_TASKS_PER_CLIP),
    TEXT(report, 0, LIMIT_INLINE_BYTES),
};
static const struct validate_rule clip_wanted[] = {
    BATCH_REF(batch, 1),
    RANGE(clip, 0, LIMIT_SUBMIT_CLIPS - 1),
};
static const struct validate_rule clip_part[] = {
    RANGE(task, 0, LIMIT_TASKS_PER_CLIP - 1),
    RANGE(first, 0, LIMIT_FRAMES),
    RANGE(frames, 1, LIMIT_FRAMES),
    DIGEST(sha256, 1),
    RANGE(size_bytes, 1, LIMIT_SEGMENT_BYTES),
};
static const struct validate_rule clip_parts[] = {
    BATCH_ID(batch, 1),
    SUB(clip, 1),
    MANY(segments, 0, LIMIT_CLIP_PARTS),
    DIGEST(latents, 0),
    ANY(latents_bytes),
    RANGE(latents_first, 0, LIMIT_FRAMES),
    RANGE(latents_frames, 0, LIMIT_FRAMES),
    ANY(truncated),
};
static const struct validate_rule task_wanted[] = {
    NAME(subject, 1, LIMIT_NAME_BYTES),
};
static const struct validate_rule attempt_shown[] = {
    RANGE(task, 0, LIMIT_TASKS_PER_CLIP - 1),
    ANY(fence),
    NAME(worker, 0, LIMIT_NAME_BYTES),
    WORD(end, 0),
    TEXT(message, 0, LIMIT_TEXT_BYTES),
    TEXT(log_tail, 0, LIMIT_LOG_TAIL_BYTES),
    ANY(resumed_step),
    ANY(steps_computed),
    ANY(steps_wasted),
    ANY(render_ms),
    ANY(begun_ms),
    ANY(ended_ms),
};
static const struct validate_rule task_shown[] = {
    NAME(subject, 1, LIMIT_NAME_BYTES),
    SUB(clip, 1),
    MANY(attempts, 0, LIMIT_PAGE),
    ANY(truncated),
    TEXT(recipe, 1, LIMIT_RECIPE_BYTES),
};
static const struct validate_rule clips[] = {
    MANY(clips, 0, LIMIT_PAGE),
    ANY(truncated),
    ANY(next),
};
static const struct validate_rule workers_wanted[] = {
    NAME(name, 0, LIMIT_NAME_BYTES),
    NAME(after, 0, LIMIT_NAME_BYTES),
};
static const struct validate_rule worker[] = {
    NAME(name, 1, LIMIT_NAME_BYTES),
    WORD(state, 1),
    TEXT(reason, 0, LIMIT_TEXT_BYTES),
    ANY(since_ms),
    NAME(by, 0, LIMIT_NAME_BYTES),
    NAME(host, 0, LIMIT_TEXT_BYTES),
    NAME(build, 0, LIMIT_NAME_BYTES),
    MANY(slots, 0, LIMIT_SLOTS),
    MANY(running, 0, LIMIT_HELD),
    ANY(finished), ANY(failed), ANY(lost), ANY(memory_bytes), ANY(outbox_count),
    NAME(key, 0, KEY_TEXT_SIZE - 1),
    ANY(seen_ms_ago),
};
static const struct validate_rule workers[] = {
    MANY(workers, 0, LIMIT_PAGE),
    ANY(truncated),
};
static const struct validate_rule worker_action[] = {
    NAME(name, 1, LIMIT_NAME_BYTES),
    ENUM(verb, 1),
    RANGE(grace_ms, 0, LIMIT_GRACE_MS),
    TEXT(reason, 0, LIMIT_TEXT_BYTES),
};
static const struct validate_rule key_allow[] = {
    BYTES(key, KEY_BYTES),
    WORD(role, 1),
    NAME(name, 1, LIMIT_NAME_BYTES),
};
static const struct validate_rule key_allowed[] = {
    NAME(name, 1, LIMIT_NAME_BYTES),
    ANY(existed),
};
static const struct validate_rule models_wanted[] = {
    NAME(name, 0, LIMIT_NAME_BYTES),
};
static const struct validate_rule model[] = {
    NAME(name, 1, LIMIT_NAME_BYTES),
    DIGEST(digest, 0),
    ANY(size_bytes),
    TEXT(description, 0, LIMIT_OPTIONS_BYTES),
    TEXT(path, 0, LIMIT_FOLDER_BYTES),
    TEXT(problem, 0, LIMIT_TEXT_BYTES),
};
static const struct validate_rule models[] = {
    MANY(models, 0, LIMIT_MODELS),
};
static const struct validate_rule events_wanted[] = {
    ANY(after),
    BATCH_REF(batch, 0),
    RANGE(limit, 0, LIMIT_PAGE),
    RANGE(wait_ms, 0, LIMIT_EVENT_WAIT_MS),
    ANY(tail),
};
static const struct validate_rule event[] = {
    ANY(sequence), ANY(at_ms),
    NAME(kind, 1, 64),
    BATCH_ID(batch, 0),
    ANY(clip), ANY(has_clip),
    NAME(worker, 0, LIMIT_NAME_BYTES),
    TEXT(message, 0, LIMIT_TEXT_BYTES),
};
static const struct validate_rule events[] = {
    MANY(events, 0, LIMIT_PAGE),
    ANY(last),
};
/* clang-format on */

static bool client_hello_extra(const ProtobufCMessage *message, struct error *err)
{
    const Farm__ClientHello *m = (const Farm__ClientHello *)message;
    if (m->version_min <= m->version_max) return true;
    return error_set(err, ERROR_INVALID, "version_min is above version_max");
}

static const struct validate_table tables[] = {
    TABLE(client_hello, client_hello, client_hello_extra),
    TABLE(client_welcome, client_welcome, NULL),
    TABLE(submit_open, submit_open, NULL),
    TABLE(accepted, accepted, NULL),
    TABLE(input_open, input_open, NULL),
    TABLE(input_stored, input_stored, NULL),
    EMPTY(status_wanted),
    TABLE(counts, counts, NULL),
    TABLE(reason, reason, NULL),
    TABLE(status, status, NULL),
    TABLE(batches_wanted, batches_wanted, NULL),
    TABLE(batches, batches, NULL),
    TABLE(batch_wanted, batch_wanted, NULL),
    TABLE(group, group, NULL),
    TABLE(running, running, NULL),
    TABLE(batch, batch, NULL),
    TABLE(batch_action, batch_action, NULL),
    TABLE(clips_wanted, clips_wanted, NULL),
    TABLE(clip, clip, NULL),
    TABLE(clips, clips, NULL),
    TABLE(clip_wanted, clip_wanted, NULL),
    TABLE(clip_part, clip_part, NULL),
    TABLE(clip_parts, clip_parts, NULL),
    TABLE(task_wanted, task_wanted, NULL),
    TABLE(attempt_shown, attempt_shown, NULL),
    TABLE(task_shown, task_shown, NULL),
    TABLE(workers_wanted, workers_wanted, NULL),
    TABLE(worker, worker, NULL),
    TABLE(workers, workers, NULL),
    TABLE(worker_action, worker_action, NULL),
    TABLE(key_allow, key_allow, NULL),
    TABLE(key_allowed, key_allowed, NULL),
    TABLE(models_wanted, models_wanted, NULL),
    TABLE(model, model, NULL),
    TABLE(models, models, NULL),
    TABLE(events_wanted, events_wanted, NULL),
    TABLE(event, event, NULL),
    TABLE(events, events, NULL),
};

const struct validate_table *validate_client_tables(size_t *count_out)
{
    *count_out = sizeof(tables) / sizeof(tables[0]);
    return tables;
}
