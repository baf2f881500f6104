/* The renames of a finished clip. What stands on disk says which of them are done: each file is
 * known by its digest or, a sidecar, by the clip and the digest it tells of. */
#define _GNU_SOURCE /* renameat2 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "coordinator/publish.h"
#include "coordinator/publish_files.h"
#include "coordinator/publish_sidecar.h"

#define NAMES_MAX 99

enum video_kind { VIDEO_NONE, VIDEO_OURS, VIDEO_FOREIGN };

struct place {
    const struct publish_target *t;
    const struct digest *sha256;
    char *temp_video;
    char *temp_sidecar;
    bool has_video; /* the temporaries are those of `sha256` */
    bool has_sidecar;
};

struct candidate { /* a name that the clip might have */
    char name[PUBLISH_NAME_SIZE];
    char *video_path;
    char *sidecar_path;
    enum video_kind video;
    enum sidecar_kind sidecar;
};

/* ---- looking ---- */

static bool look_at_video(const char *path, const struct digest *sha256, enum video_kind *out,
                          struct error *err)
{
    struct stat info;
    struct digest found;
    *out = VIDEO_NONE;
    if (lstat(path, &info) != 0) return true;
    *out = VIDEO_FOREIGN;
    if (!S_ISREG(info.st_mode)) return true;
    if (!digest_of_file(path, &found, NULL, err)) return false;
    if (digest_equal(&found, sha256)) *out = VIDEO_OURS;
    return true;
}

static bool look_at_temporaries(struct place *p, struct error *err)
{
    enum video_kind video = VIDEO_NONE;
    enum sidecar_kind sidecar = SIDECAR_NONE;
    bool ok = look_at_video(p->temp_video, p->sha256, &video, err) &&
              publish_sidecar_look(p->temp_sidecar, p->t, p->sha256, &sidecar, err);
    p->has_video = video == VIDEO_OURS;
    p->has_sidecar = sidecar == SIDECAR_OURS;
    return ok;
}

static bool look_at_candidate(const struct place *p, int number, struct candidate *c,
                              struct error *err)
{
    char suffix[8] = "";
    if (number > 1) (void)snprintf(suffix, sizeof(suffix), "_%d", number);
    int length = snprintf(c->name, sizeof(c->name), "%s%s", p->t->name, suffix);
    ZOE_ASSERT(length > 0 && (size_t)length < sizeof(c->name));
    c->video_path =
        xasprintf("%s/%s.%s", p->t->folder, c->name, output_kind_extension(p->t->output));
    c->sidecar_path = xasprintf("%s/%s.json", p->t->folder, c->name);
    return look_at_video(c->video_path, p->sha256, &c->video, err) &&
           publish_sidecar_look(c->sidecar_path, p->t, p->sha256, &c->sidecar, err);
}

static void finish_candidate(struct candidate *c)
{
    free(c->video_path);
    free(c->sidecar_path);
    *c = (struct candidate){.video = VIDEO_NONE};
}

/* Nothing foreign is in the way, and with what stands there already the pair becomes whole. */
static bool fits(const struct place *p, const struct candidate *c)
{
    if (c->video == VIDEO_FOREIGN || c->sidecar == SIDECAR_FOREIGN) return false;
    bool video = p->has_video || c->video == VIDEO_OURS;
    bool sidecar = p->has_sidecar || c->sidecar == SIDECAR_OURS;
    return video && sidecar;
}

/* ---- moving ---- */

/* Fails with EEXIST rather than replace a file. */
static int rename_new(const char *from, const char *to)
{
    struct stat info;
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS) return -1;
    if (lstat(to, &info) == 0) { /* a file system that cannot promise it */
        errno = EEXIST;
        return -1;
    }
    return rename(from, to);
}

static bool move(const char *from, const char *to, bool over_ours, struct error *err)
{
    if ((over_ours ? rename(from, to) : rename_new(from, to)) == 0) return true;
    if (errno == EEXIST) return error_set(err, ERROR_STATE, "%s appeared meanwhile", to);
    return error_set_errno(err, errno, "cannot rename %s to %s", from, to);
}

static bool sync_folder(const struct publish_target *t, struct error *err)
{
    char *folder = publish_files_folder(t);
    bool ok = path_fsync_folder(folder, err);
    free(folder);
    return ok;
}

/* The sidecar goes first: a video under its final name is never without one. */
static bool move_pair(const struct place *p, const struct candidate *c, struct error *err)
{
    if (p->has_sidecar &&
        !move(p->temp_sidecar, c->sidecar_path, c->sidecar != SIDECAR_NONE, err)) {
        return false;
    }
    fault_point("publish.renamed_sidecar");
    if (p->has_video && !move(p->temp_video, c->video_path, c->video == VIDEO_OURS, err)) {
        return false;
    }
    fault_point("publish.renamed_video");
    if (!sync_folder(p->t, err)) return false;
    fault_point("publish.folder_synced");
    return true;
}

static bool take(const struct place *p, const struct candidate *c, int number,
                 struct publish_placed *out, struct error *err)
{
    struct stat info;
    if (!move_pair(p, c, err)) return false;
    publish_clip_drop(p->t);
    memcpy(out->name, c->name, sizeof(out->name));
    out->renamed = number > 1;
    out->sidecar_bytes = lstat(c->sidecar_path, &info) == 0 ? (uint64_t)info.st_size : 0;
    return true;
}

static bool nothing_fits(const struct place *p, struct error *err)
{
    if (p->has_video && p->has_sidecar) {
        return error_set(err, ERROR_REFUSED, "%s/%s and %d names after it are taken", p->t->folder,
                         p->t->name, NAMES_MAX - 1);
    }
    return error_set(err, ERROR_STATE, "%s/%s is not there any more", p->t->folder, p->t->name);
}

static bool place(const struct place *p, struct publish_placed *out, struct error *err)
{
    for (int number = 1; number <= NAMES_MAX; number++) {
        struct candidate c = {.video = VIDEO_NONE};
        bool ok = look_at_candidate(p, number, &c, err);
        bool fit = ok && fits(p, &c);
        if (fit) ok = take(p, &c, number, out, err);
        finish_candidate(&c);
        if (fit || !ok) return ok;
    }
    return nothing_fits(p, err);
}

bool publish_place(const struct publish_target *t, const struct digest *sha256,
                   struct publish_placed *out, struct error *err)
{
    struct place p = {.t = t,
                      .sha256 = sha256,
                      .temp_video = publish_files_temporary(t, output_kind_extension(t->output)),
                      .temp_sidecar = publish_files_temporary(t, "json")};
    bool ok = look_at_temporaries(&p, err) && place(&p, out, err);
    free(p.temp_video);
    free(p.temp_sidecar);
    return ok;
}
