#include "cli/input_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/path.h"
#include "base/recipe.h"
#include "base/xalloc.h"

#define SIZE_WORDS "1 GiB" /* LIMIT_INPUT_BYTES */

void input_files_finish(struct input_files *files)
{
    for (int i = 0; i < files->count; i++)
        free(files->items[i].path);
    files->count = 0;
}

/* ---- paths ---- */

static const struct input_file *find(const struct input_files *files, const char *path)
{
    for (int i = 0; i < files->count; i++)
        if (strcmp(files->items[i].path, path) == 0) return &files->items[i];
    return NULL;
}

static bool check_file(const char *path, struct error *err)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return error_set(err, errno == ENOENT ? ERROR_NOT_FOUND : ERROR_IO, "cannot open %s: %s",
                         path, strerror(errno));
    if (!S_ISREG(info.st_mode)) return error_set(err, ERROR_REFUSED, "%s is not a file", path);
    if (info.st_size == 0) return error_set(err, ERROR_REFUSED, "%s is empty", path);
    return info.st_size <= LIMIT_INPUT_BYTES ||
           error_set(err, ERROR_REFUSED, "%s is larger than " SIZE_WORDS ": cut it, or scale it",
                     path);
}

static const struct input_file *add(struct input_files *files, const char *path, struct error *err)
{
    const struct input_file *known = find(files, path);
    if (known != NULL) return known;
    if (files->count == LIMIT_INPUTS) {
        error_set(err, ERROR_REFUSED, "more than %d files in one batch: split it", LIMIT_INPUTS);
        return NULL;
    }
    struct input_file *file = &files->items[files->count];
    if (!check_file(path, err) || !digest_of_file(path, &file->sha256, &file->size_bytes, err))
        return NULL;
    file->path = xstrdup(path);
    files->count++;
    return file;
}

static bool replace(struct input_files *files, json_t *fields, const char *name, const char *folder,
                    struct error *err)
{
    const char *value = json_string_value(json_object_get(fields, name));
    char text[sizeof RECIPE_FILE_PREFIX + DIGEST_TEXT_SIZE] = RECIPE_FILE_PREFIX;
    struct digest digest;
    if (value == NULL || recipe_file_digest(value, &digest)) return true;
    bool from_here = folder == NULL || value[0] == '/';
    char *path = from_here ? xstrdup(value) : path_join(folder, value);
    const struct input_file *file = add(files, path, err);
    free(path);
    if (file == NULL) return error_wrap(err, "%s", name);
    digest_text(&file->sha256, text + sizeof RECIPE_FILE_PREFIX - 1);
    json_object_set_new(fields, name, json_string(text));
    return true;
}

bool input_files_replace(struct input_files *files, json_t *fields, const char *folder,
                         struct error *err)
{
    int count;
    const struct recipe_field *all = recipe_fields(&count);
    for (int i = 0; i < count; i++)
        if (recipe_is_file(all[i].name) && !replace(files, fields, all[i].name, folder, err))
            return false;
    return true;
}

/* ---- lines ---- */

static bool may_name_files(const char *line, size_t size)
{
    int count;
    const struct recipe_field *all = recipe_fields(&count);
    for (int i = 0; i < count; i++) {
        size_t length = strlen(all[i].name);
        if (!recipe_is_file(all[i].name)) continue;
        for (const char *at = line; (size_t)(line + size - at) >= length; at++)
            if (memcmp(at, all[i].name, length) == 0) return true;
    }
    return false;
}

static bool names_files(const json_t *object)
{
    int count;
    const struct recipe_field *all = recipe_fields(&count);
    for (int i = 0; i < count; i++)
        if (recipe_is_file(all[i].name) && json_object_get(object, all[i].name)) return true;
    return false;
}

static bool replace_line(struct input_files *files, const char *line, size_t size,
                         const char *folder, struct buf *out, struct error *err)
{
    json_t *object = NULL;
    if (size <= LIMIT_SUBMIT_LINE_BYTES && may_name_files(line, size))
        object = json_parse(line, size, "the line", NULL);
    if (!names_files(object)) {
        buf_append(out, line, size);
        json_decref(object);
        return true;
    }
    bool ok = input_files_replace(files, object, folder, err);
    char *text = json_canonical(object);
    buf_append_text(out, text);
    free(text);
    json_decref(object);
    return ok;
}

bool input_files_replace_lines(struct input_files *files, struct buf *text, const char *folder,
                               struct error *err)
{
    struct buf out = BUF_INIT;
    const char *at = buf_text(text), *end = at + text->size;
    bool ok = true;
    for (long line = 1; ok && at < end; line++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t size = (size_t)((stop ? stop : end) - at);
        ok = replace_line(files, at, size, folder, &out, err) || error_wrap(err, "line %ld", line);
        if (stop) buf_append_char(&out, '\n');
        at = stop ? stop + 1 : end;
    }
    if (ok) {
        struct buf old = *text;
        *text = out;
        out = old;
    }
    buf_finish(&out);
    return ok;
}

/* ---- sending ---- */

static bool send_mapped(const struct input_file *file, const void *data, struct zclient *client,
                        int64_t timeout_ns, zclient_progress progress, void *context,
                        struct error *err)
{
    struct bytes content = {data, file->size_bytes};
    struct message *answer =
        zclient_send_input(client, &file->sha256, content, timeout_ns, progress, context, err);
    message_free(answer);
    return answer != NULL;
}

static bool send_file(const struct input_file *file, struct zclient *client, int64_t timeout_ns,
                      zclient_progress progress, void *context, struct error *err)
{
    struct stat info;
    int fd = open(file->path, O_RDONLY | O_CLOEXEC);
    void *data = MAP_FAILED;
    if (fd >= 0 && fstat(fd, &info) == 0 && (uint64_t)info.st_size == file->size_bytes)
        data = mmap(NULL, file->size_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (fd >= 0) (void)close(fd);
    if (data == MAP_FAILED)
        return error_set(err, ERROR_IO, "%s cannot be read, or was changed meanwhile", file->path);
    bool ok = send_mapped(file, data, client, timeout_ns, progress, context, err) ||
              error_wrap(err, "%s", file->path);
    (void)munmap(data, file->size_bytes);
    return ok;
}

bool input_files_send(const struct input_files *files, struct zclient *client, int64_t timeout_ns,
                      zclient_progress progress, void *context, struct error *err)
{
    for (int i = 0; i < files->count; i++)
        if (!send_file(&files->items[i], client, timeout_ns, progress, context, err)) return false;
    return true;
}
