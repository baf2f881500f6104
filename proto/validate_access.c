/* Rules of the messages about who may come in, who may do what, and why something is as it is. One
 * row a field, in the order of the numbers. */
#include "proto/validate_rows.h"

#include "proto/keys.h"

#define TOKEN_ID_TEXT (2 * TOKEN_ID_BYTES)

/* clang-format off */
static const struct validate_rule join[] = {
    BYTES(token, TOKEN_ID_BYTES),
    BYTES(proof, TOKEN_PROOF_BYTES),
    NAME(name, 0, LIMIT_NAME_BYTES),
    RANGE(version_min, 0, PROTOCOL_LAST),
    RANGE(version_max, 0, PROTOCOL_LAST),
};
static const struct validate_rule joined[] = {
    NAME(name, 1, LIMIT_NAME_BYTES),
    WORD(role, 1),
};
static const struct validate_rule token_create[] = {
    WORD(role, 1),
    RANGE(ttl_s, 1, LIMIT_TOKEN_TTL_S),
    RANGE(uses, 1, LIMIT_TOKEN_USES),
    ANY(ephemeral),
    NAME(name, 0, LIMIT_NAME_BYTES),
    TEXTS(endpoints, LIMIT_TOKEN_ENDPOINTS),
};
static const struct validate_rule token_created[] = {
    NAME(id, TOKEN_ID_TEXT, TOKEN_ID_TEXT),
    NAME(token, 1, LIMIT_TOKEN_BYTES),
    ANY(expires_ms),
};
static const struct validate_rule token[] = {
    NAME(id, TOKEN_ID_TEXT, TOKEN_ID_TEXT),
    WORD(role, 1),
    ANY(created_ms), ANY(expires_ms), ANY(uses), ANY(used), ANY(ephemeral),
    NAME(name, 0, LIMIT_NAME_BYTES),
    NAME(by, 0, LIMIT_NAME_BYTES),
};
static const struct validate_rule tokens[] = {
    MANY(tokens, 0, LIMIT_PAGE),
    ANY(truncated),
};
static const struct validate_rule token_revoke[] = {
    NAME(id, TOKEN_ID_TEXT, TOKEN_ID_TEXT),
};
static const struct validate_rule keys_wanted[] = {
    NAME(after, 0, KEY_TEXT_SIZE - 1),
};
static const struct validate_rule key[] = {
    NAME(key, KEY_TEXT_SIZE - 1, KEY_TEXT_SIZE - 1),
    WORD(role, 1),
    NAME(name, 1, LIMIT_NAME_BYTES),
    ANY(allowed_ms), ANY(ephemeral),
    NAME(token, 0, TOKEN_ID_TEXT),
};
static const struct validate_rule keys[] = {
    MANY(keys, 0, LIMIT_PAGE),
    ANY(truncated),
};
static const struct validate_rule key_revoke[] = {
    NAME(key, 1, LIMIT_NAME_BYTES),
    WORD(role, 0),
};
static const struct validate_rule key_revoked[] = {
    NAME(name, 1, LIMIT_NAME_BYTES),
    WORD(role, 1),
};
static const struct validate_rule owner_set[] = {
    NAME(name, 1, LIMIT_NAME_BYTES),
    RANGE(share, 0, LIMIT_SHARE),
    RANGE(max_batches, 0, INT64_MAX),
    RANGE(max_tasks, 0, INT64_MAX),
    RANGE(max_bytes, 0, INT64_MAX),
};
static const struct validate_rule owner[] = {
    NAME(name, 1, LIMIT_NAME_BYTES),
    RANGE(share, 0, LIMIT_SHARE),
    ANY(max_batches), ANY(max_tasks), ANY(max_bytes), ANY(batches), ANY(tasks), ANY(bytes),
    ANY(running),
};
static const struct validate_rule owners_wanted[] = {
    NAME(name, 0, LIMIT_NAME_BYTES),
    NAME(after, 0, LIMIT_NAME_BYTES),
};
static const struct validate_rule owners[] = {
    MANY(owners, 0, LIMIT_PAGE),
    ANY(truncated),
};
static const struct validate_rule audit_wanted[] = {
    ANY(after),
    RANGE(limit, 0, LIMIT_PAGE),
    ANY(newest),
};
static const struct validate_rule audit_entry[] = {
    ANY(sequence), ANY(at_ms),
    NAME(by, 0, LIMIT_NAME_BYTES),
    WORD(role, 0),
    NAME(action, 1, 64),
    NAME(subject, 0, LIMIT_NAME_BYTES),
    TEXT(detail, 0, LIMIT_TEXT_BYTES),
    ANY(allowed),
};
static const struct validate_rule audit[] = {
    MANY(entries, 0, LIMIT_PAGE),
    ANY(truncated),
};
static const struct validate_rule explain_wanted[] = {
    NAME(subject, 1, LIMIT_NAME_BYTES),
};
static const struct validate_rule explained[] = {
    NAME(subject, 1, LIMIT_NAME_BYTES),
    WORD(kind, 1),
    WORD(state, 1),
    NAME(code, 0, 64),
    TEXT(line, 1, LIMIT_TEXT_BYTES),
    MANY(reasons, 0, LIMIT_REASONS),
};
static const struct validate_rule backup_wanted[] = {
    NAME(path, 1, LIMIT_FOLDER_BYTES),
};
static const struct validate_rule backup_made[] = {
    NAME(path, 1, LIMIT_FOLDER_BYTES),
    ANY(size_bytes), ANY(took_ms),
};
/* clang-format on */

static const struct validate_table tables[] = {
    TABLE(join, join, NULL),
    TABLE(joined, joined, NULL),
    TABLE(token_create, token_create, NULL),
    TABLE(token_created, token_created, NULL),
    TABLE(token, token, NULL),
    EMPTY(tokens_wanted),
    TABLE(tokens, tokens, NULL),
    TABLE(token_revoke, token_revoke, NULL),
    TABLE(keys_wanted, keys_wanted, NULL),
    TABLE(key, key, NULL),
    TABLE(keys, keys, NULL),
    TABLE(key_revoke, key_revoke, NULL),
    TABLE(key_revoked, key_revoked, NULL),
    TABLE(owner_set, owner_set, NULL),
    TABLE(owner, owner, NULL),
    TABLE(owners_wanted, owners_wanted, NULL),
    TABLE(owners, owners, NULL),
    TABLE(audit_wanted, audit_wanted, NULL),
    TABLE(audit_entry, audit_entry, NULL),
    TABLE(audit, audit, NULL),
    TABLE(explain_wanted, explain_wanted, NULL),
    TABLE(explained, explained, NULL),
    TABLE(backup_wanted, backup_wanted, NULL),
    TABLE(backup_made, backup_made, NULL),
};

const struct validate_table *validate_access_tables(size_t *count_out)
{
    *count_out = sizeof(tables) / sizeof(tables[0]);
    return tables;
}
