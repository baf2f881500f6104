/* probe: what this machine is: its name, cores, memory, and an id that stays. */
#ifndef ZOE_WORKER_PROBE_H
#define ZOE_WORKER_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define PROBE_ID_SIZE 33
#define PROBE_HOST_SIZE 256

struct probe {
    char machine_id[PROBE_ID_SIZE]; /* of this machine and state folder: kept in STATE/machine-id */
    char host[PROBE_HOST_SIZE];
    int cores;
    uint64_t memory_bytes; /* that this machine, or our control group, has */
};

/* The least memory.max from the process's group (a /proc/PID/cgroup file) up to `mount`; UINT64_MAX
 * when none is set. */
uint64_t probe_group_limit(const char *group_file, const char *mount);

bool probe_read(struct probe *p, const char *state_folder, struct error *err);

/* Resident bytes of a process; 0 when it is gone. */
uint64_t probe_resident_bytes(int pid);

#endif
