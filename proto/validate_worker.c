/* Rules of the messages of the worker socket. One row a field, in the order of the numbers. */
#include "proto/validate_rows.h"

#include "base/id.h"

#define HEARTBEAT_LAST_MS (3600 * 1000)
#define LIMIT_LAST_MS (24 * 3600 * 1000)
#define THREADS_LAST 4096

/* clang-format off */
static const struct validate_rule slot[] = {
    RANGE(index, 0, LIMIT_SLOTS - 1),
    WORD(backend, 1),
    NAME(fingerprint, 0, LIMIT_TEXT_BYTES),
    RANGE(threads, 0, THREADS_LAST),
    ANY(memory_bytes),
};
static const struct validate_rule held[] = {
    SUB(attempt, 1),
    RANGE(slot, 0, LIMIT_SLOTS - 1),
    ENUM(phase, 1),
    RANGE(step, 0, LIMIT_STEPS),
    RANGE(steps, 0, LIMIT_STEPS),
};
static const struct validate_rule hello[] = {
    RANGE(version_min, 1, PROTOCOL_LAST),
    RANGE(version_max, 1, PROTOCOL_LAST),
    NAME(build, 0, LIMIT_NAME_BYTES),
    ENUM(connection, 1),
    ANY(session),
    BYTES(boot_id, ID_BOOT_BYTES),
    NAME(machine_id, 0, LIMIT_NAME_BYTES),
    NAME(host, 0, LIMIT_TEXT_BYTES),
    MANY(slots, 0, LIMIT_SLOTS),
    MANY(held, 0, LIMIT_HELD),
    DIGESTS(models, LIMIT_MODELS),
    ANY(draining),
    ANY(last_message),
};
static const struct validate_rule welcome[] = {
    RANGE(version, 1, PROTOCOL_LAST),
    RANGE(session, 1, INT64_MAX),
    RANGE(heartbeat_ms, 1, HEARTBEAT_LAST_MS),
    NAME(name, 1, LIMIT_NAME_BYTES),
};
static const struct validate_rule heartbeat[] = {
    ANY(session),
    ANY(last_message),
    MANY(held, 0, LIMIT_HELD),
    ANY(memory_bytes),
    ANY(outbox_count),
    ANY(outbox_bytes),
    ANY(disk_free_bytes),
    ANY(draining),
    ANY(disk_low),
    DIGESTS(models, LIMIT_MODELS),
};
static const struct validate_rule heartbeat_seen[] = {
    ANY(session),
};
static const struct validate_rule assign[] = {
    RANGE(message, 1, INT64_MAX),
    SUB(attempt, 1),
    RANGE(slot, 0, LIMIT_SLOTS - 1),
    ANY(prefetch),
    ANY(canary),
    TEXT(recipe, 2, LIMIT_RECIPE_BYTES),
    NAME(model, 0, LIMIT_NAME_BYTES),
    DIGEST(model_digest, 1),
    RANGE(limit_ms, 1, LIMIT_LAST_MS),
    DIGESTS(loras, LIMIT_LORAS),
    MANY(inputs, 0, LIMIT_TASK_INPUTS),
    ANY(own),
    RANGE(around_limit_ms, 0, LIMIT_LAST_MS),
};
static const struct validate_rule task_input[] = {
    RANGE(task, 0, LIMIT_TASKS_PER_CLIP - 1),
    WORD(kind, 1),
    DIGEST(sha256, 1),
    RANGE(size_bytes, 1, LIMIT_SEGMENT_BYTES),
    RANGE(step, 0, LIMIT_STEPS),
};
static const struct validate_rule checkpoint[] = {
    SUB(attempt, 1),
    RANGE(step, 1, LIMIT_STEPS),
    RANGE(steps, 1, LIMIT_STEPS),
    DIGEST(sha256, 1),
    RANGE(size_bytes, 1, LIMIT_LATENTS_BYTES),
    NAME(fingerprint, 1, LIMIT_TEXT_BYTES),
    DIGEST(recipe_digest, 1),
    ANY(leaving),
};
static const struct validate_rule checkpoint_seen[] = {
    SUB(attempt, 1),
    RANGE(step, 0, LIMIT_STEPS),
    ANY(kept),
};
static const struct validate_rule progress[] = {
    SUB(attempt, 1),
    ENUM(phase, 1),
    RANGE(step, 0, LIMIT_STEPS),
    RANGE(steps, 0, LIMIT_STEPS),
    ANY(amount),
};
static const struct validate_rule started[] = {
    SUB(attempt, 1),
};
static const struct validate_rule handed_back[] = {
    SUB(attempt, 1),
    ENUM(reason, 1),
    TEXT(message, 0, LIMIT_TEXT_BYTES),
};
static const struct validate_rule ended[] = {
    SUB(attempt, 1),
    ENUM(kind, 1),
    TEXT(message, 0, LIMIT_TEXT_BYTES),
    TEXT(log_tail, 0, LIMIT_LOG_TAIL_BYTES),
    RANGE(steps_computed, 0, LIMIT_STEPS),
};
static const struct validate_rule output[] = {
    WORD(kind, 1),
    DIGEST(sha256, 1),
    RANGE(size_bytes, 1, LIMIT_SEGMENT_BYTES),
    DIGEST(frames_sha256, 0),
    RANGE(frames, 0, LIMIT_FRAMES),
    RANGE(width, 0, LIMIT_SIDE),
    RANGE(height, 0, LIMIT_SIDE),
    SOME(data, 0, LIMIT_INLINE_BYTES),
};
static const struct validate_rule offer[] = {
    SUB(attempt, 1),
    DIGEST(recipe_digest, 1),
    DIGEST(model_digest, 1),
    NAME(fingerprint, 1, LIMIT_TEXT_BYTES),
    MANY(outputs, 1, LIMIT_OUTPUTS),
    RANGE(steps_computed, 0, LIMIT_STEPS),
    RANGE(steps_wasted, 0, LIMIT_STEPS),
    ANY(render_ms),
};
static const struct validate_rule stored[] = {
    SUB(attempt, 1),
};
static const struct validate_rule dropped[] = {
    SUB(attempt, 1),
    ENUM(reason, 1),
    TEXT(message, 0, LIMIT_TEXT_BYTES),
};
static const struct validate_rule canary_done[] = {
    RANGE(number, 1, INT64_MAX),
    RANGE(slot, 0, LIMIT_SLOTS - 1),
    DIGEST(frames_sha256, 0),
    NAME(fingerprint, 0, LIMIT_TEXT_BYTES),
    TEXT(message, 0, LIMIT_TEXT_BYTES),
    DIGEST(model_digest, 0),
    SOME(frames, 0, LIMIT_CANARY_BYTES),
    RANGE(width, 0, CANARY_SIDE),
    RANGE(height, 0, CANARY_SIDE),
};
static const struct validate_rule cancel[] = {
    RANGE(message, 1, INT64_MAX),
    SUB(attempt, 1),
    TEXT(why, 0, LIMIT_TEXT_BYTES),
};
static const struct validate_rule recall[] = {
    RANGE(message, 1, INT64_MAX),
    SUB(attempt, 1),
};
static const struct validate_rule drain[] = {
    RANGE(message, 1, INT64_MAX),
    RANGE(grace_ms, 0, LIMIT_GRACE_MS),
};
static const struct validate_rule leaving[] = {
    TEXT(reason, 0, LIMIT_TEXT_BYTES),
    RANGE(grace_ms, 0, LIMIT_GRACE_MS),
    ANY(drained),
};
static const struct validate_rule model_wanted[] = {
    DIGEST(digest, 1),
};
static const struct validate_rule model_file[] = {
    PATH(path, 1),
    RANGE(size_bytes, 0, INT64_MAX),
    DIGEST(sha256, 1),
};
static const struct validate_rule model_files[] = {
    DIGEST(digest, 1),
    NAME(name, 0, LIMIT_NAME_BYTES),
    MANY(files, 0, LIMIT_MODEL_FILES),
};
/* clang-format on */

static bool check_control(const Farm__Hello *m, struct error *err)
{
    if (m->n_slots == 0) return error_set(err, ERROR_INVALID, "has no slots");
    if (m->machine_id[0] == '\0') return error_set(err, ERROR_INVALID, "has no machine_id");
    for (size_t i = 0; i < m->n_slots; i++) {
        if (m->slots[i]->index != i) {
            return error_set(err, ERROR_INVALID, "slots[%zu] has the index %u", i,
                             (unsigned)m->slots[i]->index);
        }
    }
    return true;
}

static bool hello_extra(const ProtobufCMessage *message, struct error *err)
{
    const Farm__Hello *m = (const Farm__Hello *)message;
    if (m->version_min > m->version_max) {
        return error_set(err, ERROR_INVALID, "version_min is above version_max");
    }
    if (m->connection == FARM__CONNECTION__CONNECTION_CONTROL) return check_control(m, err);
    if (m->session != 0) return true;
    return error_set(err, ERROR_INVALID, "a bulk connection names its session");
}

static bool canary_done_extra(const ProtobufCMessage *message, struct error *err)
{
    const Farm__CanaryDone *m = (const Farm__CanaryDone *)message;
    if (m->frames.len == (size_t)m->width * m->height * 3) return true;
    return error_set(err, ERROR_INVALID, "frames are not width x height RGB");
}

static const struct validate_table tables[] = {
    TABLE(slot, slot, NULL),
    TABLE(held, held, NULL),
    TABLE(hello, hello, hello_extra),
    TABLE(welcome, welcome, NULL),
    TABLE(heartbeat, heartbeat, NULL),
    TABLE(heartbeat_seen, heartbeat_seen, NULL),
    TABLE(assign, assign, NULL),
    TABLE(task_input, task_input, NULL),
    TABLE(checkpoint, checkpoint, NULL),
    TABLE(checkpoint_seen, checkpoint_seen, NULL),
    TABLE(progress, progress, NULL),
    TABLE(started, started, NULL),
    TABLE(handed_back, handed_back, NULL),
    TABLE(ended, ended, NULL),
    TABLE(output, output, NULL),
    TABLE(offer, offer, NULL),
    TABLE(stored, stored, NULL),
    TABLE(dropped, dropped, NULL),
    TABLE(canary_done, canary_done, canary_done_extra),
    TABLE(cancel, cancel, NULL),
    TABLE(recall, recall, NULL),
    TABLE(drain, drain, NULL),
    TABLE(leaving, leaving, NULL),
    TABLE(model_wanted, model_wanted, NULL),
    TABLE(model_file, model_file, NULL),
    TABLE(model_files, model_files, NULL),
};

const struct validate_table *validate_worker_tables(size_t *count_out)
{
    *count_out = sizeof(tables) / sizeof(tables[0]);
    return tables;
}
