/* Order of a write: the files (synced by the engine) renamed to their names, record written beside
 * them and renamed in, folder synced. A record is therefore never without its files. */
#include "worker/outbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/json.h"
#include "base/log.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "worker/outbox_record.h"
#include "worker/read_at.h"

#define RECORD_BYTES (128 * 1024)

/* ---- names ---- */

static char *file_path(const struct outbox *o, const struct attempt_name *name, const char *ending)
{
    char text[ATTEMPT_NAME_TEXT_SIZE];
    attempt_name_text(name, text);
    return xasprintf("%s/%s.%s", o->folder, text, ending);
}

char *outbox_part_path(const struct outbox *o, const struct attempt_name *name,
                       enum slot_output_kind kind)
{
    char ending[32];
    snprintf(ending, sizeof ending, "%s.part", slot_output_name(kind));
    return file_path(o, name, ending);
}

char *outbox_file(const struct outbox *o, const struct outbox_entry *entry, size_t output)
{
    return file_path(o, &entry->name, slot_output_name(entry->result.outputs[output].kind));
}

static void unlink_path(char *path)
{
    if (unlink(path) != 0 && errno != ENOENT) log_warn("%s: %s", path, strerror(errno));
    free(path);
}

void outbox_discard_parts(const struct outbox *o, const struct attempt_name *name)
{
    for (int kind = 0; kind < SLOT_OUTPUT_KINDS; kind++)
        unlink_path(outbox_part_path(o, name, (enum slot_output_kind)kind));
}

static void unlink_outputs(const struct outbox *o, const struct attempt_name *name)
{
    for (int kind = 0; kind < SLOT_OUTPUT_KINDS; kind++)
        unlink_path(file_path(o, name, slot_output_name((enum slot_output_kind)kind)));
}

static bool has_size(const char *path, uint64_t size_bytes, struct error *err)
{
    struct stat info;
    if (stat(path, &info) != 0 && errno == ENOENT)
        return error_set(err, ERROR_NOT_FOUND, "there is no file %s", path);
    if (stat(path, &info) != 0) return error_set_errno(err, errno, "%s", path);
    if (S_ISREG(info.st_mode) && (uint64_t)info.st_size == size_bytes) return true;
    return error_set(err, ERROR_CORRUPT, "%s is not of the size it should have", path);
}

/* ---- entries ---- */

static void free_entry(struct outbox_entry *e)
{
    for (int i = 0; i < SLOT_OUTPUT_KINDS; i++)
        if (e->fds[i] >= 0) (void)close(e->fds[i]);
    free(e->recipe);
    free(e->fingerprint);
    free(e);
}

static struct outbox_entry *new_entry(void)
{
    struct outbox_entry *e = xcalloc(1, sizeof *e);
    for (int i = 0; i < SLOT_OUTPUT_KINDS; i++)
        e->fds[i] = -1;
    return e;
}

uint64_t outbox_entry_bytes(const struct outbox_entry *e)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < e->result.output_count; i++)
        bytes += e->result.outputs[i].size_bytes;
    return bytes;
}

static void keep_entry(struct outbox *o, struct outbox_entry *e)
{
    for (size_t i = 0; i < e->result.output_count; i++)
        chunk_sender_init(&e->senders[i], e->result.outputs[i].size_bytes);
    o->entries = xrealloc_array(o->entries, o->count + 1, sizeof(struct outbox_entry *));
    o->entries[o->count++] = e;
    o->size_bytes += outbox_entry_bytes(e);
}

static bool has_files(const struct outbox *o, const struct outbox_entry *e, struct error *err)
{
    bool ok = true;
    for (size_t i = 0; ok && i < e->result.output_count; i++) {
        char *path = outbox_file(o, e, i);
        ok = has_size(path, e->result.outputs[i].size_bytes, err);
        free(path);
    }
    return ok;
}

static struct outbox_entry *load_entry(const struct outbox *o, const char *file, struct error *err)
{
    char *path = path_join(o->folder, file);
    json_t *record = json_parse_file(path, RECORD_BYTES, err);
    free(path);
    if (!record) return NULL;
    struct outbox_entry *e = new_entry();
    const bool ok = outbox_record_read(record, e, err) && has_files(o, e, err);
    json_decref(record);
    if (ok) return e;
    free_entry(e);
    return NULL;
}

/* ---- what an earlier run left ---- */

/* What follows the attempt's name; NULL: such a name only a stranger gives. */
static const char *ending_of(const char *file)
{
    const size_t size = attempt_name_length(file);
    return size > 0 ? file + size : NULL;
}

static bool is_record(const char *file)
{
    const char *ending = ending_of(file);
    return ending && strcmp(ending, ".json") == 0;
}

static void remove_file(const struct outbox *o, const char *file)
{
    char *path = path_join(o->folder, file);
    log_info("outbox: %s is left over and removed", file);
    if (unlink(path) != 0) log_warn("%s: %s", path, strerror(errno));
    free(path);
}

/* Nobody will ever read it. What cannot be read now may be at the next start, and what a newer
 * build wrote can be read by that one. */
static bool is_worthless(const struct error *why)
{
    return why->code == ERROR_NOT_FOUND || why->code == ERROR_CORRUPT || why->code == ERROR_INVALID;
}

static void load_record(struct outbox *o, const char *file)
{
    struct error err = {0};
    struct outbox_entry *e = load_entry(o, file, &err);
    if (e) {
        keep_entry(o, e);
    } else if (is_worthless(&err)) {
        log_error("outbox: %s cannot be used: %s", file, err.message);
        remove_file(o, file);
    } else {
        log_warn("outbox: %s is left there for another start: %s", file, err.message);
    }
}

static bool is_output(const char *ending)
{
    for (int kind = 0; kind < SLOT_OUTPUT_KINDS; kind++)
        if (ending[0] == '.' &&
            strcmp(ending + 1, slot_output_name((enum slot_output_kind)kind)) == 0)
            return true;
    return false;
}

/* Of the same attempt, whether it could be read or not. */
static bool has_record(const struct outbox *o, const char *file)
{
    struct stat info;
    char *path = xasprintf("%s/%.*s.json", o->folder, (int)attempt_name_length(file), file);
    const bool there = lstat(path, &info) == 0 || errno != ENOENT;
    free(path);
    return there;
}

static bool is_part(const char *ending)
{
    const size_t size = strlen(ending), tail = strlen(".part");
    return size > tail && strcmp(ending + size - tail, ".part") == 0;
}

/* Only what this file itself may have left: a stranger's files are not ours to delete. */
static bool is_leftover(const struct outbox *o, const char *file)
{
    const bool hidden = file[0] == '.';
    const char *ending = ending_of(file + hidden);
    if (!ending) return false;
    if (hidden) return strstr(ending, ".json.tmp.") || strstr(ending, ".part.tmp.");
    return is_part(ending) || (is_output(ending) && !has_record(o, file));
}

bool outbox_open(struct outbox *o, const char *folder, struct error *err)
{
    char **names;
    size_t count;
    memset(o, 0, sizeof *o);
    if (!path_make_folders(folder, 0700, err) || !path_list(folder, &names, &count, err))
        return false;
    o->folder = xstrdup(folder);
    for (size_t i = 0; i < count; i++)
        if (is_record(names[i])) load_record(o, names[i]);
    for (size_t i = 0; i < count; i++)
        if (is_leftover(o, names[i])) remove_file(o, names[i]);
    path_list_free(names, count);
    return true;
}

void outbox_finish(struct outbox *o)
{
    for (size_t i = 0; i < o->count; i++)
        free_entry(o->entries[i]);
    free(o->entries);
    free(o->folder);
    memset(o, 0, sizeof *o);
}

/* ---- adding ---- */

static bool move_output(const struct outbox *o, const struct outbox_entry *e, size_t output,
                        struct error *err)
{
    const struct slot_output *out = &e->result.outputs[output];
    char *part = outbox_part_path(o, &e->name, out->kind);
    char *path = outbox_file(o, e, output);
    bool ok = has_size(part, out->size_bytes, err);
    if (ok && rename(part, path) != 0) ok = error_set_errno(err, errno, "cannot rename %s", part);
    free(part);
    free(path);
    return ok;
}

static bool move_outputs(const struct outbox *o, const struct outbox_entry *e, struct error *err)
{
    for (size_t i = 0; i < e->result.output_count; i++)
        if (!move_output(o, e, i, err)) return false;
    return true;
}

static bool write_record(const struct outbox *o, const struct outbox_entry *e, struct error *err)
{
    char *path = file_path(o, &e->name, "json");
    char *text = outbox_record_text(e);
    bool ok = path_write_atomic(path, text, strlen(text), 0600, err);
    free(path);
    free(text);
    return ok;
}

static bool write_entry(const struct outbox *o, const struct outbox_entry *e, struct error *err)
{
    fault_point("outbox.before_segment");
    if (!move_outputs(o, e, err)) return false;
    fault_point("outbox.before_record");
    if (!write_record(o, e, err)) return false;
    fault_point("outbox.kept");
    return true;
}

struct outbox_entry *outbox_add(struct outbox *o, const struct slot_work *work,
                                const char *fingerprint, const struct slot_result *result,
                                struct error *err)
{
    struct outbox_entry *e = new_entry();
    e->name = work->name;
    e->recipe = xstrdup(work->recipe);
    e->recipe_digest = work->recipe_digest;
    e->model = work->parts[0].digest;
    e->fingerprint = xstrdup(fingerprint);
    e->result = *result;
    if (write_entry(o, e, err)) {
        keep_entry(o, e);
        return e;
    }
    outbox_discard_parts(o, &e->name);
    unlink_outputs(o, &e->name);
    free_entry(e);
    return NULL;
}

struct outbox_entry *outbox_find(const struct outbox *o, const struct attempt_name *name)
{
    for (size_t i = 0; i < o->count; i++)
        if (attempt_name_equal(&o->entries[i]->name, name)) return o->entries[i];
    return NULL;
}

/* The record first: without it the files are left over. A crash in between costs nothing; a
 * removal that a power cut undoes leads to one more Offer, which is answered. */
void outbox_remove(struct outbox *o, struct outbox_entry *entry)
{
    size_t i = 0;
    while (i < o->count && o->entries[i] != entry)
        i++;
    ZOE_ASSERT(i < o->count);
    memmove(o->entries + i, o->entries + i + 1, (o->count - i - 1) * sizeof(struct outbox_entry *));
    o->count--;
    o->size_bytes -= outbox_entry_bytes(entry);
    unlink_path(file_path(o, &entry->name, "json"));
    fault_point("outbox.record_removed");
    unlink_outputs(o, &entry->name);
    free_entry(entry);
}

/* ---- reading ---- */

static bool open_output(struct outbox *o, struct outbox_entry *e, size_t output, struct error *err)
{
    if (e->fds[output] >= 0) return true;
    char *path = outbox_file(o, e, output);
    e->fds[output] = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool ok = e->fds[output] >= 0 || error_set_errno(err, errno, "%s", path);
    free(path);
    return ok;
}

bool outbox_read(struct outbox *o, struct outbox_entry *entry, size_t output, uint64_t offset,
                 void *out, uint32_t size, struct error *err)
{
    return open_output(o, entry, output, err) &&
           read_at(entry->fds[output], offset, out, size, err);
}

bool outbox_has_room(const struct outbox *o, uint64_t size_bytes, uint64_t *free_out)
{
    uint64_t total;
    *free_out = 0;
    if (!path_free_bytes(o->folder, free_out, &total, NULL)) return false;
    return *free_out >= size_bytes;
}
