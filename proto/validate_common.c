/* Rules of the messages that both sockets use. One row a field, in the order of the numbers. */
#include "proto/validate_rows.h"

/* clang-format off */
static const struct validate_rule problem[] = {
    WORD(code, 1),
    TEXT(message, 0, LIMIT_TEXT_BYTES),
    MANY(inputs, 0, LIMIT_INPUT_PROBLEMS),
};
static const struct validate_rule input_problem[] = {
    ANY(line),
    NAME(field, 0, LIMIT_NAME_BYTES),
    TEXT(message, 0, LIMIT_TEXT_BYTES),
};
static const struct validate_rule bye[] = {
    WORD(code, 1),
    TEXT(message, 0, LIMIT_TEXT_BYTES),
};
static const struct validate_rule attempt[] = {
    BATCH_ID(batch, 0),
    RANGE(clip, 0, LIMIT_SUBMIT_CLIPS - 1),
    RANGE(task, 0, LIMIT_TASKS_PER_CLIP - 1),
    RANGE(fence, 1, INT64_MAX),
};
static const struct validate_rule credit[] = {
    SUB(attempt, 0),
    RANGE(output, 0, CHECKPOINT_OUTPUT),
    RANGE(offset, 0, LIMIT_SEGMENT_BYTES),
    RANGE(size_bytes, 1, LIMIT_SEGMENT_BYTES),
    NAME(key, 0, LIMIT_KEY_BYTES),
    DIGEST(input, 0),
};
static const struct validate_rule chunk[] = {
    SUB(attempt, 0),
    RANGE(output, 0, CHECKPOINT_OUTPUT),
    RANGE(offset, 0, LIMIT_SEGMENT_BYTES),
    NAME(key, 0, LIMIT_KEY_BYTES),
    DIGEST(input, 0),
};
static const struct validate_rule file_wanted[] = {
    DIGEST(model_digest, 0),
    BATCH_ID(batch, 0),
    PATH(path, 1),
    RANGE(offset, 0, INT64_MAX),
    RANGE(size_bytes, 1, LIMIT_CHUNK_BYTES),
    DIGEST(input, 0),
};
static const struct validate_rule file_data[] = {
    DIGEST(model_digest, 0),
    BATCH_ID(batch, 0),
    PATH(path, 1),
    RANGE(offset, 0, INT64_MAX),
    RANGE(total_bytes, 0, INT64_MAX),
    DIGEST(input, 0),
};
/* clang-format on */

static bool one_of_three(bool first, bool second, bool third, const char *names, struct error *err)
{
    if ((int)first + (int)second + (int)third == 1) return true;
    return error_set(err, ERROR_INVALID, "needs one of %s", names);
}

static bool credit_extra(const ProtobufCMessage *message, struct error *err)
{
    const Farm__Credit *m = (const Farm__Credit *)message;
    return one_of_three(m->attempt != NULL, m->key[0] != '\0', m->input.len > 0,
                        "attempt, key and input", err);
}

static bool chunk_extra(const ProtobufCMessage *message, struct error *err)
{
    const Farm__Chunk *m = (const Farm__Chunk *)message;
    return one_of_three(m->attempt != NULL, m->key[0] != '\0', m->input.len > 0,
                        "attempt, key and input", err);
}

static bool file_wanted_extra(const ProtobufCMessage *message, struct error *err)
{
    const Farm__FileWanted *m = (const Farm__FileWanted *)message;
    return one_of_three(m->model_digest.len > 0, m->batch[0] != '\0', m->input.len > 0,
                        "model_digest, batch and input", err);
}

static bool file_data_extra(const ProtobufCMessage *message, struct error *err)
{
    const Farm__FileData *m = (const Farm__FileData *)message;
    return one_of_three(m->model_digest.len > 0, m->batch[0] != '\0', m->input.len > 0,
                        "model_digest, batch and input", err);
}

static const struct validate_table tables[] = {
    TABLE(problem, problem, NULL),
    TABLE(input_problem, input_problem, NULL),
    EMPTY(who_are_you),
    TABLE(bye, bye, NULL),
    TABLE(attempt, attempt, NULL),
    TABLE(credit, credit, credit_extra),
    TABLE(chunk, chunk, chunk_extra),
    TABLE(file_wanted, file_wanted, file_wanted_extra),
    TABLE(file_data, file_data, file_data_extra),
};

const struct validate_table *validate_common_tables(size_t *count_out)
{
    *count_out = sizeof(tables) / sizeof(tables[0]);
    return tables;
}
