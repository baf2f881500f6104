#include "worker/probe.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/id.h"
#include "base/path.h"
#include "base/xalloc.h"

#define ID_FILE_BYTES 64

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

bool probe_read(struct probe *p, const char *state_folder, struct error *err)
{
    memset(p, 0, sizeof *p);
    if (gethostname(p->host, sizeof p->host - 1) != 0) snprintf(p->host, sizeof p->host, "unknown");
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    p->memory_bytes = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
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
