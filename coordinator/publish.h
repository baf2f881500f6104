/* publish: where finished clips stand, and the steps that put them there, each one restartable.
 *
 * A batch's folder is RENDERS/ID or RENDERS/ID-SLUG. It is prepared under RENDERS/.tmp-ID before
 * the batch is committed and renamed after. A clip's files are INDEX_SLUG_sSEED.mp4 (of images
 * .png: base/output_kind.h) and .json,
 * index padded to the batch's size; over 10,000 clips they stand in sub-folders of 1,000 named by
 * their first index. Publishing: the temporaries .tmp-INDEX.mp4 and .tmp-INDEX.json stand fsynced
 * in the target's own folder (publish_seal); the caller commits `publishing(sha256)`; the sidecar,
 * then the MP4 are renamed and the folder fsynced (publish_place); the caller commits `published`.
 * After a crash publish_look tells which of the steps is next.
 *
 * No state; every function may run on a pool thread, one at a time a clip. */
#ifndef ZOE_COORDINATOR_PUBLISH_H
#define ZOE_COORDINATOR_PUBLISH_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/id.h"
#include "base/output_kind.h"

#define PUBLISH_FOLDER_SIZE 64
#define PUBLISH_NAME_SIZE 128

/* ---- batch folder ---- */

#define PUBLISH_RECIPES "recipes.prompts" /* a second name of STATE/prompts/ID.prompts */

/* "ID-SLUG", or "ID" when the name has no slug. */
void publish_folder_name(const char *batch, const char *name, char out[PUBLISH_FOLDER_SIZE]);

struct publish_batch {
    const char *renders; /* folder of all batches; must exist */
    const char *batch;   /* id */
    const char *folder;  /* publish_folder_name */
    const json_t *about; /* batch.json */
    const char *source;  /* file as submitted: hard-linked, else copied; it stays */
    const char *recipes; /* its prompts file, linked beside: the folder alone tells what each clip
                            is; NULL: not */
    bool source_is_jsonl;
};
/* Makes RENDERS/.tmp-ID with batch.json and prompts.txt or prompts.jsonl, all durable. On failure
 * nothing of it is left. */
bool publish_batch_prepare(const struct publish_batch *b, struct error *err);
/* After the commit. Done already = true; a folder that stands already is filled up. */
bool publish_batch_place(const char *renders, const char *batch, const char *folder,
                         struct error *err);
void publish_batch_drop(const char *renders, const char *batch); /* the prepared folder */
/* Start: prepared folders of known batches are placed, others removed. `folder_of` gives a known
 * batch's folder name or NULL. */
bool publish_batch_recover(const char *renders,
                           const char *(*folder_of)(void *context, const char *batch),
                           void *context, struct error *err);
/* The batch.json of an accepted batch. `groups`: array of objects as the caller knows them. New
 * reference. */
json_t *publish_batch_about(const char *batch, const char *name, const char *owner, int priority,
                            int64_t submitted_ms, uint64_t prompts, uint64_t clips,
                            const json_t *options, const json_t *groups);

/* ---- clip ---- */

/* "INDEX_SLUG_sSEED" without extension, with its sub-folder ("0012000/0012345_...") if it has one.
 */
void publish_clip_name(uint64_t clip, uint64_t clip_count, const char *prompt, int64_t seed,
                       char out[PUBLISH_NAME_SIZE]);

struct publish_target {
    const char *folder; /* path of the batch's folder */
    const char *name;   /* publish_clip_name */
    const char *batch;  /* id */
    uint64_t clip;
    enum output_kind output; /* says the extension */
};
/* Temporary file of a clip, for the stitcher to write. Makes the sub-folder, removes leftovers.
 * Caller frees; NULL on failure. */
char *publish_temp(const struct publish_target *t, struct error *err);

struct publish_record {   /* what a sidecar tells; borrowed */
    const json_t *recipe; /* complete */
    const char *model;
    struct digest model_digest;
    const char *second_model; /* of upscaled clips; NULL: there is none */
    struct digest second_digest;
    const char *fingerprint;
    int64_t frames, width, height;
    double fps;
    int64_t attempts;
    const char *worker;
    int64_t submitted_ms, started_ms, rendered_ms, published_ms; /* wall; 0 = unknown, left out */
    int64_t steps_computed, steps_wasted;
    const char *suspect;         /* "black", "still", or NULL */
    struct digest frames_sha256; /* of the source frames */
    const char *method;          /* how its windows are joined; NULL: it has one */
    json_t *segments;            /* who made which frames, or NULL */
    /* What was asked for and done at stitching; 0: as rendered. */
    int64_t output_fps, output_width, output_height;
    int64_t output_frames;
};
/* Text of the file's comment: {fingerprint, model_digest, recipe}, canonical, nothing that
 * differs between two runs. Caller frees. */
char *publish_comment(const struct publish_record *r);

struct publish_sealed {
    struct digest sha256;
    uint64_t size_bytes;
    uint64_t sidecar_bytes;
};
/* Step 1: fsyncs and hashes the temporary file and writes the temporary sidecar, fsynced. */
bool publish_seal(const struct publish_target *t, const struct publish_record *r,
                  struct publish_sealed *out, struct error *err);

struct publish_placed {
    char name[PUBLISH_NAME_SIZE]; /* without extension; differs from the target's when a foreign
                                     file stood there */
    bool renamed;                 /* it differs: tell it in an event */
    uint64_t sidecar_bytes;
};
/* Step 2, after `publishing(sha256)` is committed: sidecar, then MP4, never over a foreign file
 * (then NAME_2, NAME_3 ...), folder fsynced. Doing it again is fine at any point. ERROR_STATE when
 * no pair of sidecar and video with that digest is there: stitch again. */
bool publish_place(const struct publish_target *t, const struct digest *sha256,
                   struct publish_placed *out, struct error *err);

void publish_clip_drop(const struct publish_target *t); /* its temporaries */
/* Start, after recovery, and only of unfinished batches: removes temporaries in a batch's folder
 * and its sub-folders, but the videos and sidecars of the clips that `keep` claims. Other hidden
 * files are somebody's. */
bool publish_sweep(const char *folder, bool (*keep)(void *context, uint64_t clip), void *context,
                   struct error *err);

#endif
