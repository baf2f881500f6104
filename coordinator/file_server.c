/* Small synchronous reads: a piece is 256 KiB at most and the files are local. */
#include "coordinator/file_server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/xalloc.h"
#include "coordinator/reply.h"
#include "coordinator/scope.h"
#include "coordinator/shell.h"
#include "proto/codec.h"
#include "proto/limits.h"

static const struct model *find_model(struct dispatch *d, const ProtobufCBinaryData *field,
                                      struct error *err)
{
    struct digest digest;
    char hex[DIGEST_TEXT_SIZE];
    (void)codec_digest_get(field, &digest);
    const struct model *model = models_find_digest(d->c->models, &digest);
    if (model != NULL) return model;
    digest_text(&digest, hex);
    error_set(err, ERROR_NOT_FOUND, "this farm has no model %s", hex);
    return NULL;
}

void file_server_model(struct dispatch *d, const ProtobufCBinaryData *digest)
{
    struct error err = {0};
    const struct model *model = find_model(d, digest, &err);
    if (model == NULL) {
        dispatch_problem(d, &err);
        return;
    }
    struct reply r;
    Farm__ModelFiles m = FARM__MODEL_FILES__INIT;
    reply_init(&r);
    m.digest = reply_digest(&r, &model->digest);
    m.name = reply_name(&r, model->name, LIMIT_NAME_BYTES);
    m.n_files = model->file_count;
    m.files = reply_alloc(&r, model->file_count + 1, sizeof(*m.files));
    for (size_t i = 0; i < model->file_count; i++) {
        Farm__ModelFile *file = reply_alloc(&r, 1, sizeof(*file));
        *file = (Farm__ModelFile)FARM__MODEL_FILE__INIT;
        file->path = reply_copy(&r, model->files[i].path);
        file->size_bytes = model->files[i].size_bytes;
        file->sha256 = reply_digest(&r, &model->files[i].digest);
        m.files[i] = file;
    }
    dispatch_reply(d, FARM__ENVELOPE__BODY_MODEL_FILES, &m.base);
    reply_finish(&r);
}

static void send_part(struct dispatch *d, const Farm__FileWanted *asked, uint64_t total,
                      struct bytes part)
{
    Farm__FileData m = FARM__FILE_DATA__INIT;
    Farm__Envelope e = FARM__ENVELOPE__INIT;
    m.model_digest = asked->model_digest;
    m.input = asked->input;
    m.batch = asked->batch;
    m.path = asked->path;
    m.offset = asked->offset;
    m.total_bytes = total;
    e.request = d->envelope->request;
    e.body_case = FARM__ENVELOPE__BODY_FILE_DATA;
    e.file_data = &m;
    bool to_client = d->sender->role != MESSAGE_FROM_WORKER;
    (void)outbound_add(&d->c->outbound, to_client, d->peer, &e, part, OUTBOUND_ALWAYS);
}

static bool read_part(int fd, const Farm__FileWanted *m, uint8_t *out, size_t *size_out,
                      uint64_t *total_out, struct error *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0) return error_set_errno(err, errno, "cannot look at %s", m->path);
    if (!S_ISREG(info.st_mode)) {
        return error_set(err, ERROR_NOT_FOUND, "%s is no file", m->path);
    }
    *total_out = (uint64_t)info.st_size;
    *size_out = 0;
    while (*size_out < m->size_bytes) {
        ssize_t got =
            pread(fd, out + *size_out, m->size_bytes - *size_out, (off_t)(m->offset + *size_out));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return error_set_errno(err, errno, "cannot read %s", m->path);
        if (got == 0) break;
        *size_out += (size_t)got;
    }
    return true;
}

/* Anything else that keeps a file from being opened may pass. */
static bool is_missing(int reason)
{
    return reason == ENOENT || reason == ENOTDIR || reason == ELOOP;
}

/* Inputs, and what tasks have stored: of a worker who knows a digest, the farm told it. */
static int open_artifact(struct dispatch *d, const Farm__FileWanted *m, struct error *err)
{
    struct digest digest;
    uint64_t uses = 0;
    char hex[DIGEST_TEXT_SIZE];
    (void)codec_digest_get(&m->input, &digest);
    digest_text(&digest, hex);
    bool known = d->sender->role == MESSAGE_FROM_WORKER || scope_sees_file(d, &digest);
    if (known && !store_artifact_uses(d->c->store, &digest, &uses, err)) return -1;
    char *path = uses > 0 ? artifacts_path(d->c->artifacts, &digest) : NULL;
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    const int reason = path != NULL ? errno : ENOENT;
    free(path);
    if (fd < 0 && is_missing(reason))
        error_set(err, ERROR_NOT_FOUND, "this farm has no file %s", hex);
    else if (fd < 0)
        error_set_errno(err, reason, "cannot open the file %s", hex);
    return fd;
}

/* Closes `fd`; below 0 it is none, and `err` says why. */
static void send_open_part(struct dispatch *d, const Farm__FileWanted *m, int fd, struct error *err)
{
    uint64_t total = 0;
    size_t size = 0;
    uint8_t *part = xmalloc(LIMIT_CHUNK_BYTES);
    if (fd >= 0 && read_part(fd, m, part, &size, &total, err)) {
        send_part(d, m, total, (struct bytes){part, size});
    } else {
        dispatch_problem(d, err);
    }
    free(part);
    if (fd >= 0) (void)close(fd);
}

static void send_artifact_part(struct dispatch *d, const Farm__FileWanted *m)
{
    struct error err = {0};
    int fd = open_artifact(d, m, &err);
    send_open_part(d, m, fd, &err);
}

void file_server_model_part(struct dispatch *d, const Farm__FileWanted *m)
{
    struct error err = {0};
    uint64_t total = 0;
    size_t size = 0;
    if (m->input.len > 0) {
        send_artifact_part(d, m);
        return;
    }
    if (m->model_digest.len == 0) {
        error_set(&err, ERROR_AUTH, "workers may fetch files of models and stored files only");
        dispatch_problem(d, &err);
        return;
    }
    const struct model *model = find_model(d, &m->model_digest, &err);
    uint8_t *part = xmalloc(LIMIT_CHUNK_BYTES);
    if (model != NULL &&
        model_read(model, m->path, m->offset, part, m->size_bytes, &size, &total, &err)) {
        send_part(d, m, total, (struct bytes){part, size});
    } else {
        dispatch_problem(d, &err);
    }
    free(part);
}

/* ---- published files
 * ------------------------------------------------------------------------------ */

/* Temporaries of the publisher begin with a dot and are nobody's business. */
static bool has_hidden_part(const char *path)
{
    for (const char *part = path; part != NULL; part = strchr(part, '/')) {
        if (*part == '/') part++;
        if (*part == '.') return true;
    }
    return false;
}

static int open_published(struct dispatch *d, const Farm__FileWanted *m, struct error *err)
{
    struct batch_brief info;
    const char *folder = catalog_folder(&d->c->catalog, m->batch);
    if (folder == NULL || !farm_batch_brief(d->c->farm, m->batch, &info) ||
        !scope_sees_batch(d, m->batch, info.owner) || !path_is_safe_relative(m->path) ||
        has_hidden_part(m->path)) {
        error_set(err, ERROR_NOT_FOUND, "batch %s has no file %s", m->batch, m->path);
        return -1;
    }
    char *below = xasprintf("%s/%s", folder, m->path);
    int fd = path_open_below(d->c->renders, below);
    int reason = errno;
    free(below);
    if (fd < 0 && is_missing(reason)) {
        error_set(err, ERROR_NOT_FOUND, "batch %s has no file %s", m->batch, m->path);
    } else if (fd < 0) {
        error_set_errno(err, reason, "cannot open %s", m->path);
    }
    return fd;
}

void file_server_batch_part(struct dispatch *d, const Farm__FileWanted *m)
{
    struct error err = {0};
    if (m->input.len > 0) {
        send_artifact_part(d, m);
        return;
    }
    if (m->batch[0] == '\0') {
        error_set(&err, ERROR_AUTH, "clients may fetch files of batches and stored files only");
        dispatch_problem(d, &err);
        return;
    }
    int fd = open_published(d, m, &err);
    send_open_part(d, m, fd, &err);
}
