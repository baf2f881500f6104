/* Clock, memory, descriptors. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/timex.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "cli/doctor.h"

#define YEAR_2025_MS INT64_C(1735689600000)
#define FEW_DESCRIPTORS 4096 /* of the hard limit: the coordinator raises its own to it */
#define LITTLE_BYTES (UINT64_C(2) << 30)

/* ---- clock ---- */

void doctor_clock(struct doctor *d)
{
    struct timex now = {0};
    char text[CLOCK_TEXT_SIZE];
    const int state = adjtimex(&now);
    const bool synced = state >= 0 && state != TIME_ERROR && !(now.status & STA_UNSYNC);
    clock_wall_text(clock_wall_ms(), text);
    if (clock_wall_ms() < YEAR_2025_MS)
        DOCTOR_SAY(d, FAIL, "clock", text, "set it, and run a time service (chrony)",
                   "it was never set: retention and times of events go by it");
    else if (!synced)
        DOCTOR_SAY(d, WARN, "clock", text,
                   "run chrony or systemd-timesyncd (in a container: on its host)",
                   "no time service keeps it right; leases do not mind, retention does");
    else
        DOCTOR_SAY(d, OK, "clock", text, NULL, "kept right, within %.1f ms",
                   (double)now.maxerror / 1000);
}

/* ---- memory ---- */

/* A line "NAME:   N kB" of /proc/meminfo. */
static uint64_t memory_line(const char *name)
{
    char line[256];
    unsigned long long kilobytes = 0;
    FILE *file = fopen("/proc/meminfo", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
            (void)sscanf(line + strlen(name) + 1, "%llu", &kilobytes);
    if (file != NULL) (void)fclose(file);
    return (uint64_t)kilobytes * 1024;
}

/* What the control group allows; 0 = no limit. */
static uint64_t group_limit(void)
{
    unsigned long long bytes = 0;
    FILE *file = fopen("/sys/fs/cgroup/memory.max", "re");
    if (file == NULL) file = fopen("/sys/fs/cgroup/memory/memory.limit_in_bytes", "re");
    if (file == NULL) return 0;
    if (fscanf(file, "%llu", &bytes) != 1) bytes = 0;
    (void)fclose(file);
    return bytes < (UINT64_C(1) << 60) ? bytes : 0;
}

static void look_at_memory(struct doctor *d)
{
    char left[32], total[32], limit[32];
    const uint64_t free_bytes = memory_line("MemAvailable"), group = group_limit();
    text_size(free_bytes, left, sizeof left);
    text_size(memory_line("MemTotal"), total, sizeof total);
    text_size(group, limit, sizeof limit);
    const bool little = free_bytes < LITTLE_BYTES || (group > 0 && group < LITTLE_BYTES);
    findings_add(&d->findings, little ? FINDING_WARN : FINDING_OK, "memory", "",
                 little ? "a coordinator needs little; a worker needs what its models take: `zoe "
                          "model show NAME`"
                        : NULL,
                 "%s of %s available%s%s%s", left, total,
                 group > 0 ? ", the control group allows " : "", group > 0 ? limit : "",
                 little ? ": too little for most models" : "");
}

/* ---- descriptors ---- */

static void look_at_descriptors(struct doctor *d)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    const bool few = limit.rlim_max != RLIM_INFINITY && limit.rlim_max < FEW_DESCRIPTORS;
    findings_add(&d->findings, few ? FINDING_WARN : FINDING_OK, "limits", "descriptors",
                 few ? "ulimit -Hn 65536, or LimitNOFILE= in the service" : NULL,
                 "%llu, at most %llu%s", (unsigned long long)limit.rlim_cur,
                 (unsigned long long)limit.rlim_max,
                 few ? ": enough for a small farm; each worker and client takes some" : "");
}

void doctor_machine(struct doctor *d)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    DOCTOR_SAY(d, OK, "machine", "", NULL, "%ld processors", cores);
    look_at_memory(d);
    look_at_descriptors(d);
}
