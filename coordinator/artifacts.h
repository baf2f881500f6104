/* artifacts: stored files (segments, latents, checkpoints, inputs), named by the SHA-256 of their
 * bytes.
 *
 * An upload is written to tmp/NAME, resumable by offset as long as that file is there, a restart of
 * the coordinator included. When it is complete a pool thread hashes and fsyncs it, then the loop
 * thread renames it to aa/HEX. The store counts the uses of a digest; the loop thread alone renames
 * in and unlinks, and unlinking asks for the count again, so that a digest whose count is above
 * zero always has its file. Two clips may have the same bytes: a file whose use is not committed
 * yet is held, and no sweep takes it. Everything goes through a table of operations: a folder
 * today, an object store next.
 *
 * Loop thread only. The store is borrowed. */
#ifndef ZOE_COORDINATOR_ARTIFACTS_H
#define ZOE_COORDINATOR_ARTIFACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/digest.h"
#include "base/error.h"

struct store;
struct artifacts;
struct artifact_upload;

#define ARTIFACT_ORPHAN_MS (INT64_C(3600) * 1000)

/* Where the bytes live. `self` is what `open` returned. Every operation is called on the loop
 * thread but `seal`, which runs on a pool thread and touches nothing but the named temporary. */
struct artifact_backend {
    const char *name;
    void *(*open)(const char *place, struct error *err);
    void (*close)(void *self);
    /* Bytes of a temporary that are already there; 0 when there is none. */
    bool (*size)(void *self, const char *upload, uint64_t *size_out, struct error *err);
    bool (*write)(void *self, const char *upload, uint64_t offset, const void *data, size_t size,
                  struct error *err);
    /* Makes the temporary durable and hashes it. A failure empties it: what could not be synced or
     * read back is not there, whatever the kernel says later. */
    bool (*seal)(void *self, const char *upload, struct digest *digest_out, uint64_t *size_out,
                 struct error *err);
    /* Temporary -> its digest's name, durably; over an equal file is fine. */
    bool (*keep)(void *self, const char *upload, const struct digest *digest, struct error *err);
    void (*discard)(void *self, const char *upload); /* missing is fine */
    bool (*remove)(void *self, const struct digest *digest,
                   struct error *err); /* missing is fine */
    /* Local path for a media child; caller frees. NULL when it is not there. */
    char *(*path)(void *self, const struct digest *digest);
    /* Calls `each` for every kept file (upload NULL) and every temporary (digest NULL). */
    bool (*list)(void *self,
                 void (*each)(void *context, const struct digest *digest, const char *upload,
                              uint64_t size_bytes, int64_t modified_ms),
                 void *context, struct error *err);
    bool (*free_bytes)(void *self, uint64_t *free_out, uint64_t *total_out, struct error *err);
};

extern const struct artifact_backend artifact_backend_folder;

/* Makes the folders. NULL on failure. */
struct artifacts *artifacts_open(const struct artifact_backend *backend, const char *place,
                                 struct store *store, uv_loop_t *loop, struct error *err);
/* Ends uploads (their temporaries stay for a resume). While a seal is on its way the memory lives
 * on until that ends, silently. */
void artifacts_close(struct artifacts *a);

/* `name` is unique to attempt and output and safe as a file name ("BATCH.CLIP.TASK.FENCE.OUTPUT").
 * Opening one that is open is our bug. A leftover temporary larger than `size_bytes` is discarded.
 * NULL with ERROR_IO, ERROR_FULL, or ERROR_REFUSED when larger than LIMIT_SEGMENT_BYTES. */
struct artifact_upload *artifact_upload_open(struct artifacts *a, const char *name,
                                             const struct digest *digest, uint64_t size_bytes,
                                             struct error *err);
/* Where the next byte goes; equal to size_bytes when it is complete. */
uint64_t artifact_upload_offset(const struct artifact_upload *u);
uint64_t artifact_upload_size(const struct artifact_upload *u);
/* Bytes that lie before the offset are skipped (a doubled chunk); a gap, or bytes past the end, are
 * ERROR_INVALID. ERROR_FULL and ERROR_IO leave the upload where it was: send again later. */
bool artifact_upload_write(struct artifact_upload *u, uint64_t offset, const void *data,
                           size_t size_bytes, struct error *err);

/* Only when complete. `done` runs on the loop thread and ends the upload: err NULL = the file
 * stands under its digest's name and is held until artifacts_release. ERROR_INVALID = other digest,
 * the temporary is gone (offer it again from 0). ERROR_FULL and ERROR_IO = open it again later, its
 * offset says what is left: nothing, when it was not synced. */
typedef void (*artifact_done)(void *context, const struct error *err);
void artifact_upload_finish(struct artifact_upload *u, artifact_done done, void *context);

/* Ends an upload without a result: `keep` leaves the temporary for a resume. Also while finishing:
 * then `done` never runs. NULL is fine. */
void artifact_upload_close(struct artifact_upload *u, bool keep);
/* Ends one hold, once the use is committed or given up; the last one removes a file without uses.
 */
void artifacts_release(struct artifacts *a, const struct digest *digest);
/* Removes a file that holds other bytes than its name says; its uses stay, and may be stored again.
 * One that is held was hashed a moment ago: it stays, and that is fine. */
bool artifacts_remove_damaged(struct artifacts *a, const struct digest *digest, struct error *err);
/* Removes a temporary that nobody has open. */
void artifacts_discard(struct artifacts *a, const char *name);

/* After a commit that dropped uses (EFFECT_DROP_OUTPUTS, EFFECT_REMOVE_BATCH): unlinks the files
 * whose count is zero and that nobody holds, then forgets them in the store, which the next commit
 * makes lasting. Some at a time, for other turns must not wait: true when there may be more.
 * `anew`: uses were dropped since the last one. */
bool artifacts_sweep(struct artifacts *a, bool anew);

/* Where the folder store keeps a file below its `folder`, there or not; caller frees. */
char *artifacts_place(const char *folder, const struct digest *digest);
/* Local path; caller frees; NULL when the file is not there. */
char *artifacts_path(struct artifacts *a, const struct digest *digest);
/* Whether a whole file is there: its size is looked at, not its bytes. */
bool artifacts_has(struct artifacts *a, const struct digest *digest, uint64_t size_bytes);

/* Start: sweeps; removes kept files without a row when they are older than one hour, and
 * temporaries that are older or that `live` denies (an attempt that may still resume it claims it;
 * NULL = age alone decides); calls `missing` for each counted row whose file is gone or of another
 * size. */
struct artifacts_claims {
    void *context;
    bool (*live)(void *context, const char *upload);
    void (*missing)(void *context, const struct digest *digest);
};
bool artifacts_recover(struct artifacts *a, int64_t wall_ms, const struct artifacts_claims *claims,
                       struct error *err);

bool artifacts_free(struct artifacts *a, uint64_t *free_out, uint64_t *total_out,
                    struct error *err);

#endif
