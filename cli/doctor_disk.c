/* Whether what is said to be on the disk is on the disk. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/disk.h"
#include "base/path.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "cli/doctor.h"
#include "cli/sync_probe.h"

#define SYNCS 21
#define PLAUSIBLE_NS (15 * NS_PER_US)    /* of any device that keeps what it has */
#define PLAUSIBLE_TURNING_NS (NS_PER_MS) /* a turn of 15,000 a minute takes 4 ms */
#define SLOW_NS (50 * NS_PER_MS)
#define LOCAL_FIX "keep the state folder on a local disk (ext4, xfs)"

/* ---- kinds ---- */

static const struct doctor_disk_kind kinds[] = {
    {0xEF53, "ext4", FINDING_OK, "", NULL},
    {0x58465342, "xfs", FINDING_OK, "", NULL},
    {0x9123683E, "btrfs", FINDING_OK, "", NULL},
    {0x2FC12FC1, "zfs", FINDING_OK, "", NULL},
    {0xF2F52010, "f2fs", FINDING_OK, "", NULL},
    {0x01021994, "tmpfs", FINDING_WARN, "it is memory: gone at power off", LOCAL_FIX},
    {0x858458F6, "ramfs", FINDING_WARN, "it is memory: gone at power off", LOCAL_FIX},
    {0x794C7630, "overlay", FINDING_WARN, "a container's layer: gone with the container",
     "mount a volume for the state folder"},
    {0x6969, "nfs", FINDING_FAIL, "locks and the database's log need a local disk", LOCAL_FIX},
    {0xFF534D42, "cifs", FINDING_FAIL, "locks and the database's log need a local disk", LOCAL_FIX},
    {0xFE534D42, "smb", FINDING_FAIL, "locks and the database's log need a local disk", LOCAL_FIX},
    {0x01021997, "9p", FINDING_FAIL, "a host's folder: syncs and locks are not what they say",
     LOCAL_FIX},
    {0x65735546, "fuse", FINDING_WARN, "what a sync does is up to its program", LOCAL_FIX},
};

const struct doctor_disk_kind *doctor_disk_kind(long magic)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].magic == (long)((unsigned long)magic & 0xFFFFFFFFUL)) return &kinds[i];
    return NULL;
}

static void look_at_kind(struct doctor *d, const char *folder)
{
    struct statfs info;
    if (statfs(folder, &info) != 0) return;
    const struct doctor_disk_kind *kind = doctor_disk_kind((long)info.f_type);
    if (kind == NULL)
        DOCTOR_SAY(d, WARN, "disk", folder, LOCAL_FIX, "a file system of an unknown kind (%lx)",
                   (unsigned long)info.f_type);
    else if (kind->level == FINDING_OK)
        DOCTOR_SAY(d, OK, "disk", folder, NULL, "on %s", kind->name);
    else
        findings_add(&d->findings, kind->level, "disk", folder, kind->fix, "on %s: %s", kind->name,
                     kind->words);
}

/* ---- mount options ---- */

const char *doctor_disk_bad_option(const char *options)
{
    static const char *const bad[] = {"nobarrier", "barrier=0", "data=writeback", "nolog",
                                      "async_unsafe"};
    for (const char *at = options; *at != '\0'; at += strcspn(at, ","), at += *at == ',')
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
            if (strncmp(at, bad[i], strlen(bad[i])) == 0 &&
                (at[strlen(bad[i])] == ',' || at[strlen(bad[i])] == '\0'))
                return bad[i];
    return NULL;
}

/* The line of /proc/self/mountinfo whose device is the folder's; the last one counts. */
static void look_at_options(struct doctor *d, const char *folder, dev_t device)
{
    char line[4096], wanted[32];
    const char *bad = NULL;
    FILE *file = fopen("/proc/self/mountinfo", "re");
    if (file == NULL) return;
    (void)snprintf(wanted, sizeof wanted, "%u:%u", major(device), minor(device));
    while (fgets(line, sizeof line, file) != NULL) {
        char number[32] = "", options[1024] = "";
        const char *rest = strstr(line, " - ");
        if (sscanf(line, "%*s %*s %31s", number) != 1 || strcmp(number, wanted) != 0) continue;
        if (rest == NULL || sscanf(rest, " - %*s %*s %1023s", options) != 1) continue;
        bad = doctor_disk_bad_option(options);
    }
    (void)fclose(file);
    if (bad != NULL)
        DOCTOR_SAY(d, FAIL, "disk", folder, "mount it without this option",
                   "mounted with %s: a power cut can lose what was synced", bad);
}

/* ---- syncs ---- */

enum finding_level doctor_disk_judge(int64_t sync_ns, bool rotational, const char **words_out)
{
    *words_out = "";
    if (rotational && sync_ns < PLAUSIBLE_TURNING_NS) {
        *words_out =
            "it says that it turns, but is faster than a turn: a virtual disk on something "
            "faster, or one that says \"written\" before it is";
        return FINDING_WARN;
    }
    if (sync_ns < PLAUSIBLE_NS) {
        *words_out = "implausibly fast: something says \"written\" before it is";
        return FINDING_WARN;
    }
    if (sync_ns > SLOW_NS) {
        *words_out = "slow: each turn of the coordinator waits for one";
        return FINDING_WARN;
    }
    return FINDING_OK;
}

static bool is_rotational(dev_t device)
{
    static const char *const places[] = {"", "../"}; /* a disk's own, or its partition's disk's */
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char *path = xasprintf("/sys/dev/block/%u:%u/%squeue/rotational", major(device),
                               minor(device), places[i]);
        FILE *file = fopen(path, "re");
        int c = file != NULL ? fgetc(file) : EOF;
        if (file != NULL) (void)fclose(file);
        free(path);
        if (c != EOF) return c == '1';
    }
    return false;
}

static void look_at_syncs(struct doctor *d, const char *folder, dev_t device)
{
    const char *words = "";
    const bool rotational = is_rotational(device);
    int64_t sync_ns = 0;
    if (sync_probe(folder, fsync, SYNCS, &sync_ns) < SYNCS) {
        DOCTOR_SAY(d, FAIL, "disk", folder, "see its owner, its mode and its free space",
                   "nothing can be written and synced there");
        return;
    }
    enum finding_level level = doctor_disk_judge(sync_ns, rotational, &words);
    findings_add(&d->findings, level, "disk", folder,
                 level == FINDING_OK ? NULL
                 : sync_ns > SLOW_NS ? "a faster disk, or one that less else uses"
                                     : "turn off write caches that a power cut empties (disk, "
                                       "controller, virtual machine: cache=none)",
                 "a write and its sync take %.3f ms (median of %d)%s%s",
                 (double)sync_ns / NS_PER_MS, SYNCS, words[0] != '\0' ? ": " : "", words);
}

/* ---- room ---- */

static void look_at_room(struct doctor *d, const char *folder)
{
    char text[32], low_text[32];
    struct statvfs info;
    uint64_t left = 0, total = 0;
    if (!path_free_bytes(folder, &left, &total, NULL)) return;
    const uint64_t low = disk_low_bytes(total);
    text_size(left, text, sizeof text);
    text_size(2 * low, low_text, sizeof low_text);
    findings_add(&d->findings,
                 left < low       ? FINDING_FAIL
                 : left < 2 * low ? FINDING_WARN
                                  : FINDING_OK,
                 "disk", folder,
                 left < 2 * low ? "free space: `zoe batch remove`, or --keep; the farm goes on by "
                                  "itself"
                                : NULL,
                 left < low ? "%s free: the coordinator accepts and starts nothing below %s"
                            : "%s free%.0s",
                 text, low_text);
    if (statvfs(folder, &info) == 0 && info.f_files > 0 && info.f_favail < info.f_files / 100)
        DOCTOR_SAY(d, WARN, "disk", folder,
                   "remove batches, or make a file system with more inodes",
                   "only %llu files more can be made", (unsigned long long)info.f_favail);
}

static void look_at(struct doctor *d, const char *folder)
{
    struct stat info;
    if (stat(folder, &info) != 0) return;
    look_at_kind(d, folder);
    look_at_options(d, folder, info.st_dev);
    look_at_syncs(d, folder, info.st_dev);
    look_at_room(d, folder);
}

static bool same_disk(const char *one, const char *other)
{
    struct stat a, b;
    return one != NULL && stat(one, &a) == 0 && stat(other, &b) == 0 && a.st_dev == b.st_dev;
}

/* Parts of a state folder may be mounts of their own. */
static void look_at_mounts(struct doctor *d, const char *folder)
{
    static const char *const parts[] = {"artifacts", "renders"};
    struct stat whole, part;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char *path = path_join(folder, parts[i]);
        if (stat(folder, &whole) == 0 && stat(path, &part) == 0 && part.st_dev != whole.st_dev)
            look_at(d, path);
        free(path);
    }
}

void doctor_disk(struct doctor *d)
{
    const char *home = getenv("HOME");
    if (d->coordinator != NULL) {
        look_at(d, d->coordinator);
        look_at_mounts(d, d->coordinator);
    }
    if (d->worker != NULL && !same_disk(d->coordinator, d->worker)) look_at(d, d->worker);
    if (d->coordinator == NULL && d->worker == NULL && home != NULL) look_at(d, home);
}
