/* Order of a write: segment (synced by the engine) renamed to its name, record written beside it
 * and renamed in, folder synced. A record is therefore never without its segment. */
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
#include "proto/limits.h"

#define RECORD_BYTES (128 * 1024)
#define RECORD_VERSION 1

/* ---- names ---- */

static char *file_path(const struct outbox *o, const struct attempt_name *name, const char *ending)
{
    char text[ATTEMPT_NAME_TEXT_SIZE];
    attempt_name_text(name, text);
    return xasprintf("%s/%s.%s", o->folder, text, ending);
}

char *outbox_part_path(const struct outbox *o, const struct attempt_name *name)
{
    return file_path(o, name, "part");
}

static void unlink_file(const struct outbox *o, const struct attempt_name *name, const char *ending)
{
    char *path = file_path(o, name, ending);
    if (unlink(path) != 0 && errno != ENOENT) log_warn("%s: %s", path, strerror(errno));
    free(path);
}

void outbox_discard_part(const struct outbox *o, const struct attempt_name *name)
{
    unlink_file(o, name, "part");
}

static bool has_size(const char *path, uint64_t size_bytes, struct error *err)
{
    struct stat info;
    if (stat(path, &info) != 0) return error_set_errno(err, errno, "%s", path);
    if (S_ISREG(info.st_mode) && (uint64_t)info.st_size == size_bytes) return true;
    return error_set(err, ERROR_CORRUPT, "%s is not of the size it should have", path);
}

/* ---- records ---- */

static void put_digest(json_t *object, const char *key, const struct digest *digest)
{
    char text[DIGEST_TEXT_SIZE];
    digest_text(digest, text);
    json_object_set_new(object, key, json_string(text));
}

static char *record_text(const struct outbox_entry *e)
{
    const struct slot_result *r = &e->result;
    json_t *o =
        json_pack("{sisssIsIsIsssssIsIsIsIsIsI}", "version", RECORD_VERSION, "batch", e->name.batch,
                  "clip", (json_int_t)e->name.clip, "task", (json_int_t)e->name.task, "fence",
                  (json_int_t)e->name.fence, "recipe", e->recipe, "fingerprint", e->fingerprint,
                  "size_bytes", (json_int_t)r->size_bytes, "frames", (json_int_t)r->frames, "width",
                  (json_int_t)r->width, "height", (json_int_t)r->height, "steps",
                  (json_int_t)r->steps, "render_ms", (json_int_t)r->render_ms);
    ZOE_ASSERT(o != NULL);
    put_digest(o, "recipe_digest", &e->recipe_digest);
    put_digest(o, "model_digest", &e->model);
    put_digest(o, "sha256", &r->sha256);
    put_digest(o, "frames_sha256", &r->frames_sha256);
    char *text = json_pretty(o);
    json_decref(o);
    return text;
}

static bool get_digest(const json_t *object, const char *key, struct digest *out, struct error *err)
{
    const char *text;
    if (!json_get_text(object, key, &text, "record", err)) return false;
    return digest_parse(text, out) ||
           error_set(err, ERROR_INVALID, "record: %s is not a digest", key);
}

static bool get_u32(const json_t *object, const char *key, uint32_t *out, struct error *err)
{
    int64_t value;
    if (!json_get_int(object, key, &value, "record", err)) return false;
    if (value < 0 || value > UINT32_MAX)
        return error_set(err, ERROR_INVALID, "record: %s is out of range", key);
    *out = (uint32_t)value;
    return true;
}

static bool get_u64(const json_t *object, const char *key, uint64_t *out, struct error *err)
{
    int64_t value;
    if (!json_get_int(object, key, &value, "record", err)) return false;
    if (value < 0) return error_set(err, ERROR_INVALID, "record: %s is out of range", key);
    *out = (uint64_t)value;
    return true;
}

static bool read_name(const json_t *o, struct attempt_name *name, struct error *err)
{
    const char *batch;
    if (!json_get_text(o, "batch", &batch, "record", err)) return false;
    if (!id_is_batch(batch)) return error_set(err, ERROR_INVALID, "record: no batch");
    snprintf(name->batch, sizeof name->batch, "%s", batch);
    return get_u32(o, "clip", &name->clip, err) && get_u32(o, "task", &name->task, err) &&
           get_u64(o, "fence", &name->fence, err);
}

static bool read_result(const json_t *o, struct slot_result *r, struct error *err)
{
    return get_u64(o, "size_bytes", &r->size_bytes, err) && get_u32(o, "frames", &r->frames, err) &&
           get_u32(o, "width", &r->width, err) && get_u32(o, "height", &r->height, err) &&
           get_u32(o, "steps", &r->steps, err) && get_u64(o, "render_ms", &r->render_ms, err) &&
           get_digest(o, "sha256", &r->sha256, err) &&
           get_digest(o, "frames_sha256", &r->frames_sha256, err);
}

static bool read_entry(const json_t *o, struct outbox_entry *e, struct error *err)
{
    const char *recipe, *fingerprint;
    if (!read_name(o, &e->name, err) || !read_result(o, &e->result, err) ||
        !get_digest(o, "recipe_digest", &e->recipe_digest, err) ||
        !get_digest(o, "model_digest", &e->model, err) ||
        !json_get_text(o, "recipe", &recipe, "record", err) ||
        !json_get_text(o, "fingerprint", &fingerprint, "record", err))
        return false;
    e->recipe = xstrdup(recipe);
    e->fingerprint = xstrdup(fingerprint);
    return true;
}

/* ---- entries ---- */

static void free_entry(struct outbox_entry *e)
{
    if (e->fd >= 0) (void)close(e->fd);
    free(e->recipe);
    free(e->fingerprint);
    free(e);
}

static void keep_entry(struct outbox *o, struct outbox_entry *e)
{
    chunk_sender_init(&e->sender, e->result.size_bytes);
    o->entries = xrealloc_array(o->entries, o->count + 1, sizeof(struct outbox_entry *));
    o->entries[o->count++] = e;
    o->size_bytes += e->result.size_bytes;
}

static struct outbox_entry *load_entry(const struct outbox *o, const char *file, struct error *err)
{
    char *path = path_join(o->folder, file);
    json_t *record = json_parse_file(path, RECORD_BYTES, err);
    free(path);
    if (!record) return NULL;
    struct outbox_entry *e = xcalloc(1, sizeof *e);
    e->fd = -1;
    bool ok = read_entry(record, e, err);
    json_decref(record);
    char *segment = ok ? file_path(o, &e->name, "segment") : NULL;
    ok = ok && has_size(segment, e->result.size_bytes, err);
    free(segment);
    if (ok) return e;
    free_entry(e);
    return NULL;
}

static bool ends_with(const char *text, const char *ending)
{
    size_t size = strlen(text), tail = strlen(ending);
    return size > tail && strcmp(text + size - tail, ending) == 0;
}

static void remove_file(const struct outbox *o, const char *file)
{
    char *path = path_join(o->folder, file);
    log_info("outbox: %s is left over and removed", file);
    if (unlink(path) != 0) log_warn("%s: %s", path, strerror(errno));
    free(path);
}

static void load_records(struct outbox *o, char **names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct error err = {0};
        if (names[i][0] == '.' || !ends_with(names[i], ".json")) continue;
        struct outbox_entry *e = load_entry(o, names[i], &err);
        if (e) {
            keep_entry(o, e);
            continue;
        }
        log_error("outbox: %s cannot be used: %s", names[i], err.message);
        remove_file(o, names[i]);
    }
}

static bool belongs_to_entry(const struct outbox *o, const char *file)
{
    char text[ATTEMPT_NAME_TEXT_SIZE];
    for (size_t i = 0; i < o->count; i++) {
        attempt_name_text(&o->entries[i]->name, text);
        size_t size = strlen(text);
        if (strncmp(file, text, size) == 0 &&
            (strcmp(file + size, ".json") == 0 || strcmp(file + size, ".segment") == 0))
            return true;
    }
    return false;
}

/* Only what this file itself may have left: a stranger's files are not ours to delete. */
static bool is_leftover(const struct outbox *o, const char *file)
{
    if (belongs_to_entry(o, file)) return false;
    return ends_with(file, ".part") || ends_with(file, ".segment") || strstr(file, ".json.tmp.");
}

bool outbox_open(struct outbox *o, const char *folder, struct error *err)
{
    char **names;
    size_t count;
    memset(o, 0, sizeof *o);
    if (!path_make_folders(folder, 0700, err) || !path_list(folder, &names, &count, err))
        return false;
    o->folder = xstrdup(folder);
    load_records(o, names, count);
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

static bool move_segment(const struct outbox *o, const struct outbox_entry *e, struct error *err)
{
    char *part = outbox_part_path(o, &e->name);
    char *segment = file_path(o, &e->name, "segment");
    bool ok = has_size(part, e->result.size_bytes, err);
    if (ok && rename(part, segment) != 0)
        ok = error_set_errno(err, errno, "cannot rename %s", part);
    free(part);
    free(segment);
    return ok;
}

static bool write_record(const struct outbox *o, const struct outbox_entry *e, struct error *err)
{
    char *path = file_path(o, &e->name, "json");
    char *text = record_text(e);
    bool ok = path_write_atomic(path, text, strlen(text), 0600, err);
    free(path);
    free(text);
    return ok;
}

static bool write_entry(const struct outbox *o, const struct outbox_entry *e, struct error *err)
{
    fault_point("outbox.before_segment");
    if (!move_segment(o, e, err)) return false;
    fault_point("outbox.before_record");
    if (!write_record(o, e, err)) return false;
    fault_point("outbox.kept");
    return true;
}

struct outbox_entry *outbox_add(struct outbox *o, const struct slot_work *work,
                                const char *fingerprint, const struct slot_result *result,
                                struct error *err)
{
    struct outbox_entry *e = xcalloc(1, sizeof *e);
    e->name = work->name;
    e->recipe = xstrdup(work->recipe);
    e->recipe_digest = work->recipe_digest;
    e->model = work->models[0].digest;
    e->fingerprint = xstrdup(fingerprint);
    e->result = *result;
    e->fd = -1;
    if (write_entry(o, e, err)) {
        keep_entry(o, e);
        return e;
    }
    outbox_discard_part(o, &e->name);
    unlink_file(o, &e->name, "segment");
    free_entry(e);
    return NULL;
}

struct outbox_entry *outbox_find(const struct outbox *o, const struct attempt_name *name)
{
    for (size_t i = 0; i < o->count; i++)
        if (attempt_name_equal(&o->entries[i]->name, name)) return o->entries[i];
    return NULL;
}

/* The record first: without it the segment is a leftover. A crash in between costs nothing; a
 * removal that a power cut undoes leads to one more Offer, which is answered. */
void outbox_remove(struct outbox *o, struct outbox_entry *entry)
{
    size_t i = 0;
    while (i < o->count && o->entries[i] != entry)
        i++;
    ZOE_ASSERT(i < o->count);
    memmove(o->entries + i, o->entries + i + 1, (o->count - i - 1) * sizeof(struct outbox_entry *));
    o->count--;
    o->size_bytes -= entry->result.size_bytes;
    unlink_file(o, &entry->name, "json");
    fault_point("outbox.record_removed");
    unlink_file(o, &entry->name, "segment");
    free_entry(entry);
}

/* ---- reading ---- */

static bool open_segment(struct outbox *o, struct outbox_entry *e, struct error *err)
{
    if (e->fd >= 0) return true;
    char *path = file_path(o, &e->name, "segment");
    e->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool ok = e->fd >= 0 || error_set_errno(err, errno, "%s", path);
    free(path);
    return ok;
}

bool outbox_read(struct outbox *o, struct outbox_entry *entry, uint64_t offset, void *out,
                 uint32_t size, struct error *err)
{
    uint32_t got = 0;
    if (!open_segment(o, entry, err)) return false;
    while (got < size) {
        ssize_t n = pread(entry->fd, (char *)out + got, size - got, (off_t)(offset + got));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return error_set_errno(err, errno, "outbox");
        if (n == 0) return error_set(err, ERROR_CORRUPT, "outbox: a segment became shorter");
        got += (uint32_t)n;
    }
    return true;
}

bool outbox_has_room(const struct outbox *o, uint64_t result_bytes, uint64_t *free_out)
{
    uint64_t total;
    *free_out = 0;
    if (!path_free_bytes(o->folder, free_out, &total, NULL)) return false;
    return result_bytes <= UINT64_MAX / 2 && *free_out >= 2 * result_bytes;
}
