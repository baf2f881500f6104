#include "worker/probe.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/id.h"
#include "base/path.h"
#include "base/text.h"
#include "base/xalloc.h"

#define ID_FILE_BYTES 64
#define LIMIT_FILE_BYTES 64
#define GROUP_FILE_BYTES 8192

/* 32 hex digits and a newline. */
static bool take_id(const struct buf *text, char out[PROBE_ID_SIZE])
{
    uint8_t bytes[(PROBE_ID_SIZE - 1) / 2];
    if (text->size != PROBE_ID_SIZE || text->data[PROBE_ID_SIZE - 1] != '\n') return false;
    memcpy(out, text->data, PROBE_ID_SIZE - 1);
    out[PROBE_ID_SIZE - 1] = '\0';
    return hex_decode(out, bytes, sizeof bytes);
}

static bool make_id(const char *path, char out[PROBE_ID_SIZE], struct error *err)
{
    uint8_t bytes[(PROBE_ID_SIZE - 1) / 2];
    char line[PROBE_ID_SIZE + 1];
    id_random(bytes, sizeof bytes);
    hex_encode(bytes, sizeof bytes, out);
    snprintf(line, sizeof line, "%s\n", out);
    return path_write_atomic(path, line, strlen(line), 0600, err);
}

static bool read_id(const char *state_folder, char out[PROBE_ID_SIZE], struct error *err)
{
    struct buf text = BUF_INIT;
    char *path = path_join(state_folder, "machine-id");
    bool ok = (path_read(path, ID_FILE_BYTES, &text, NULL) && take_id(&text, out)) ||
              make_id(path, out, err);
    buf_finish(&text);
    free(path);
    return ok;
}

static int count_cores(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores > 0 ? (int)cores : 1;
}

/* A limit of the control group: "max" or bytes. 0 = none. */
static uint64_t read_limit(const char *path)
{
    struct buf text = BUF_INIT;
    int64_t limit = 0;
    if (path_read(path, LIMIT_FILE_BYTES, &text, NULL)) {
        char *line = (char *)text.data;
        line[strcspn(line, "\n")] = '\0';
        if (!text_parse_i64(line, 1, INT64_MAX, &limit)) limit = 0;
    }
    buf_finish(&text);
    return (uint64_t)limit;
}

/* The least of this process's group and those above it; UINT64_MAX = none. A container sees its
 * own group as the root. */
uint64_t probe_group_limit(const char *group_file, const char *mount)
{
    struct buf text = BUF_INIT;
    uint64_t least = UINT64_MAX;
    const char *at = path_read(group_file, GROUP_FILE_BYTES, &text, NULL)
                         ? strstr(buf_text(&text), "0::/")
                         : NULL;
    char *group = at ? xstrndup(at + 3, strcspn(at + 3, "\n")) : xstrdup("/");
    for (char *end = group + strlen(group); end >= group; end--) {
        if (*end != '/' && *end != '\0') continue;
        *end = '\0';
        char *path = xasprintf("%s%s/memory.max", mount, group);
        uint64_t limit = read_limit(path);
        if (limit > 0 && limit < least) least = limit;
        free(path);
    }
    buf_finish(&text);
    free(group);
    return least;
}

bool probe_read(struct probe *p, const char *state_folder, struct error *err)
{
    memset(p, 0, sizeof *p);
    if (gethostname(p->host, sizeof p->host - 1) != 0) snprintf(p->host, sizeof p->host, "unknown");
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    p->memory_bytes = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    uint64_t limit = probe_group_limit("/proc/self/cgroup", "/sys/fs/cgroup");
    if (limit < p->memory_bytes) p->memory_bytes = limit;
    p->cores = count_cores();
    return read_id(state_folder, p->machine_id, err);
}

uint64_t probe_resident_bytes(int pid)
{
    char path[64];
    uint64_t size, resident = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", pid);
    FILE *file = fopen(path, "re");
    if (!file) return 0;
    if (fscanf(file, "%" SCNu64 " %" SCNu64, &size, &resident) != 2) resident = 0;
    (void)fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}
