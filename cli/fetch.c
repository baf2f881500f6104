/* Pulls files in 256 KiB pieces, several under way at once, then has zoe-media draw the sheet and
 * write the page. */
#include "cli/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/json.h"
#include "base/output_kind.h"
#include "base/path.h"
#include "base/story.h"
#include "base/xalloc.h"
#include "cli/media_tool.h"
#include "proto/limits.h"

#define WINDOW 8
#define SIDECAR_LIMIT_BYTES (1024 * 1024)

/* ---- one file ---- */

struct wanted { /* a file of a batch, or a stored one */
    const char *batch, *path;
    struct digest input;
    bool is_input;
};

static uint64_t ask_piece(struct zclient *client, const struct wanted *file, uint64_t offset,
                          struct error *err)
{
    char *batch_text = xstrdup(file->batch), *path_text = xstrdup(file->path);
    Farm__FileWanted body = FARM__FILE_WANTED__INIT;
    body.batch = batch_text;
    body.path = path_text;
    if (file->is_input) body.input = codec_digest(&file->input);
    body.offset = offset;
    body.size_bytes = LIMIT_CHUNK_BYTES;
    Farm__Envelope request = FARM__ENVELOPE__INIT;
    request.body_case = FARM__ENVELOPE__BODY_FILE_WANTED;
    request.file_wanted = &body;
    uint64_t number = zclient_send(client, &request, err);
    free(batch_text);
    free(path_text);
    return number;
}

/* The next piece in file order into fd. *total is learned from the first. */
static bool take_piece(struct zclient *client, uint64_t number, int fd, uint64_t offset,
                       uint64_t *total, struct error *err)
{
    struct message *answer = zclient_receive(client, number, CLIENT_LIMIT_NS, NULL, err);
    if (!answer) return false;
    const Farm__FileData *data = answer->envelope->body_case == FARM__ENVELOPE__BODY_FILE_DATA
                                     ? answer->envelope->file_data
                                     : NULL;
    bool ok = data && data->offset == offset;
    if (!ok) error_set(err, ERROR_INVALID, "the coordinator sent another piece than asked for");
    if (ok) *total = data->total_bytes;
    if (ok && pwrite(fd, answer->payload.data, answer->payload.size, (off_t)offset) !=
                  (ssize_t)answer->payload.size)
        ok = error_set_errno(err, errno, "cannot write the fetched file");
    message_free(answer);
    return ok;
}

static bool pull(struct zclient *client, const struct wanted *file, int fd, struct error *err)
{
    uint64_t numbers[WINDOW], total = 1, asked = 0, taken = 0;
    while (taken < total) {
        uint64_t ahead = asked == 0 ? LIMIT_CHUNK_BYTES : WINDOW * (uint64_t)LIMIT_CHUNK_BYTES;
        while (asked < total && asked - taken < ahead) {
            uint64_t number = ask_piece(client, file, asked, err);
            if (!number) return false;
            numbers[asked / LIMIT_CHUNK_BYTES % WINDOW] = number;
            asked += LIMIT_CHUNK_BYTES;
        }
        if (!take_piece(client, numbers[taken / LIMIT_CHUNK_BYTES % WINDOW], fd, taken, &total,
                        err))
            return false;
        taken += LIMIT_CHUNK_BYTES;
    }
    return true;
}

static bool has_digest(const char *path, const ProtobufCBinaryData *sha256)
{
    struct digest d;
    if (!sha256 || sha256->len != DIGEST_BYTES || !digest_of_file(path, &d, NULL, NULL))
        return false;
    return memcmp(d.bytes, sha256->data, DIGEST_BYTES) == 0;
}

static bool fetch(struct zclient *client, const struct wanted *file, const char *target,
                  const ProtobufCBinaryData *sha256, struct error *err)
{
    char *folder = path_dirname(target);
    char *part = xasprintf("%s.part", target);
    int fd = -1;
    bool ok = path_make_folders(folder, 0777, err);
    if (ok && (fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666)) < 0)
        ok = error_set_errno(err, errno, "cannot write %s", part);
    ok = ok && pull(client, file, fd, err);
    if (fd >= 0 && close(fd) != 0 && ok) ok = error_set_errno(err, errno, "cannot write %s", part);
    if (ok && sha256 && !has_digest(part, sha256))
        ok = error_set(err, ERROR_CORRUPT,
                       "%s arrived with another SHA-256 than published; run the command again",
                       file->path);
    if (ok && rename(part, target) != 0) ok = error_set_errno(err, errno, "cannot rename %s", part);
    if (!ok) unlink(part);
    free(part);
    free(folder);
    return ok;
}

bool fetch_file(struct zclient *client, const char *batch, const char *path, const char *target,
                const ProtobufCBinaryData *sha256, struct error *err)
{
    const struct wanted file = {.batch = batch, .path = path};
    return fetch(client, &file, target, sha256, err);
}

bool fetch_stored(struct zclient *client, const struct digest *sha256, const char *target,
                  struct error *err)
{
    const struct wanted file = {.batch = "", .path = "input", .input = *sha256, .is_input = true};
    const ProtobufCBinaryData digest = codec_digest(sha256);
    return fetch(client, &file, target, &digest, err);
}

/* ---- the batch ---- */

struct fetch {
    struct zclient *client;
    char *batch;
    struct fetch_result *out;
    json_t *clips; /* for the manifest */
    struct buf reports;
    bool changed; /* something new came: sheet and page are due */
};

char *fetch_sidecar_name(const char *file)
{
    enum output_kind kind;
    const int stem = output_kind_of_path(file, &kind)
                         ? (int)(strlen(file) - strlen(output_kind_extension(kind)) - 1)
                         : (int)strlen(file);
    return xasprintf("%.*s.json", stem, file);
}

static bool fetch_clip_files(struct fetch *f, const Farm__Clip *clip, json_t **sidecar,
                             struct error *err)
{
    char *video = path_join(f->out->folder, clip->file);
    char *side_path = fetch_sidecar_name(clip->file);
    char *side = path_join(f->out->folder, side_path);
    bool there = has_digest(video, &clip->sha256) && path_exists(side);
    bool ok = path_is_safe_relative(clip->file) ||
              error_set(err, ERROR_INVALID, "the coordinator names an unsafe path: %s", clip->file);
    if (ok && !there) {
        ok = fetch_file(f->client, f->batch, side_path, side, NULL, err) &&
             fetch_file(f->client, f->batch, clip->file, video, &clip->sha256, err);
        f->out->fetched++;
        f->changed = true;
    }
    if (ok) *sidecar = json_parse_file(side, SIDECAR_LIMIT_BYTES, err);
    free(video);
    free(side_path);
    free(side);
    return ok && *sidecar;
}

/* Clips without a file, as lines of reports.jsonl. */
static bool add_report(struct fetch *f, const Farm__Clip *clip, struct error *err)
{
    json_t *report = json_parse(clip->report, strlen(clip->report), "a report", err);
    if (!report) return false;
    char seed[32];
    snprintf(seed, sizeof seed, "%lld", (long long)clip->seed);
    json_t *row = json_pack("{sIssssssso}", "index", (json_int_t)clip->index, "prompt",
                            clip->prompt, "seed", seed, "worker", clip->worker, "report", report);
    char *line = json_line(row);
    buf_printf(&f->reports, "%s\n", line);
    free(line);
    json_decref(row);
    return true;
}

static bool write_reports(struct fetch *f, struct error *err)
{
    if (f->reports.size == 0) return true;
    char *path = path_join(f->out->folder, "reports.jsonl");
    const bool ok = path_write_atomic(path, f->reports.data, f->reports.size, 0666, err);
    free(path);
    return ok;
}

/* The page shows a storyboard of clips that tell more than one. */
static void add_scenes(json_t *row, const json_t *recipe)
{
    json_t *scenes = story_scenes(recipe);
    if (scenes) json_object_set_new(row, "scenes", scenes);
}

static void add_to_manifest(struct fetch *f, const Farm__Clip *clip, const json_t *sidecar)
{
    char seed[32];
    snprintf(seed, sizeof seed, "%lld", (long long)clip->seed);
    json_t *row = json_pack("{ssssssss}", "prompt", clip->prompt, "seed", seed, "state",
                            clip->state, "suspect", clip->suspect);
    json_object_set_new(row, "note", json_string(clip->message));
    json_object_set_new(row, "worker", json_string(clip->worker));
    json_object_set_new(row, "index", json_integer((json_int_t)clip->index));
    if (sidecar) {
        char *path = path_join(f->out->folder, clip->file);
        json_object_set_new(row, "path", json_string(path));
        json_object_set_new(row, "video", json_string(clip->file));
        json_object_set(row, "recipe", json_object_get(sidecar, "recipe"));
        add_scenes(row, json_object_get(sidecar, "recipe"));
        free(path);
    }
    json_array_append_new(f->clips, row);
}

static bool fetch_clip(struct fetch *f, const Farm__Clip *clip, struct error *err)
{
    f->out->clips++;
    json_t *sidecar = NULL;
    bool published = strcmp(clip->state, "published") == 0;
    if (!published) f->out->missing++;
    if (published && *clip->report) return add_report(f, clip, err);
    if (published && !fetch_clip_files(f, clip, &sidecar, err)) return false;
    add_to_manifest(f, clip, sidecar);
    json_decref(sidecar);
    return true;
}

static struct message *ask_page(struct fetch *f, uint64_t from, struct error *err)
{
    Farm__ClipsWanted body = FARM__CLIPS_WANTED__INIT;
    body.batch = f->batch;
    body.from = from;
    body.limit = LIMIT_PAGE;
    Farm__Envelope request = FARM__ENVELOPE__INIT;
    request.body_case = FARM__ENVELOPE__BODY_CLIPS_WANTED;
    request.clips_wanted = &body;
    return client_ask(f->client, &request, FARM__ENVELOPE__BODY_CLIPS, err);
}

static bool fetch_clips(struct fetch *f, struct error *err)
{
    uint64_t from = 0;
    bool ok = true, more = true;
    while (ok && more) {
        if (client_interrupted())
            return error_set(err, ERROR_INTERRUPTED,
                             "interrupted; run the command again to go on where it stopped");
        struct message *answer = ask_page(f, from, err);
        if (!answer) return false;
        const Farm__Clips *page = answer->envelope->clips;
        for (size_t i = 0; ok && i < page->n_clips; i++)
            ok = fetch_clip(f, page->clips[i], err);
        more = page->truncated;
        from = page->next;
        message_free(answer);
    }
    return ok;
}

/* batch.json and what the user submitted; a batch of an older farm may lack one. */
static void fetch_papers(struct fetch *f)
{
    static const char *const PAPERS[] = {"batch.json", "prompts.txt", "prompts.jsonl"};
    for (size_t i = 0; i < sizeof PAPERS / sizeof *PAPERS; i++) {
        char *target = path_join(f->out->folder, PAPERS[i]);
        if (!path_exists(target)) fetch_file(f->client, f->batch, PAPERS[i], target, NULL, NULL);
        free(target);
    }
}

static bool draw(struct fetch *f, const char *title, struct error *err)
{
    if (json_array_size(f->clips) == 0) return true;
    f->out->sheet = path_join(f->out->folder, "sheet.png");
    f->out->page = path_join(f->out->folder, "index.html");
    if (!f->changed && path_exists(f->out->sheet) && path_exists(f->out->page)) return true;
    json_t *manifest = json_object();
    json_object_set_new(manifest, "title", json_string(title));
    json_object_set_new(manifest, "batch", json_string(f->batch));
    json_object_set(manifest, "clips", f->clips);
    bool ok = media_tool_draw(f->out->folder, manifest, f->out->sheet, f->out->page, err);
    json_decref(manifest);
    return ok;
}

bool fetch_batch(struct zclient *client, const char *batch, const char *parent, bool quiet,
                 struct fetch_result *out, struct error *err)
{
    *out = (struct fetch_result){0};
    struct message *answer = client_batch(client, batch, err);
    if (!answer) return false;
    const Farm__Batch *b = answer->envelope->batch;
    struct fetch f = {.client = client, .batch = xstrdup(b->id), .out = out, .clips = json_array()};
    char *title = xstrdup(*b->name ? b->name : b->id);
    bool ok = path_is_safe_relative(b->folder) ||
              error_set(err, ERROR_INVALID, "the coordinator names an unsafe folder");
    if (ok) out->folder = path_join(parent, b->folder);
    ok = ok && path_make_folders(out->folder, 0777, err) && fetch_clips(&f, err) &&
         write_reports(&f, err);
    if (ok) fetch_papers(&f);
    ok = ok && draw(&f, title, err);
    if (ok && !quiet && out->missing)
        fprintf(stderr, "%d of %d clips are not published and could not be fetched\n", out->missing,
                out->clips);
    message_free(answer);
    json_decref(f.clips);
    buf_finish(&f.reports);
    free(f.batch);
    free(title);
    return ok;
}

void fetch_result_finish(struct fetch_result *result)
{
    free(result->folder);
    free(result->sheet);
    free(result->page);
    *result = (struct fetch_result){0};
}
