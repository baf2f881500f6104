/* Where and how something was measured. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/bench/bench_farm.h"
#include "cli/sync_probe.h"

#define SYNCS 50

static void put_processor(json_t *o)
{
    char line[512];
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file && fgets(line, sizeof line, file)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon) continue;
        colon[strcspn(colon, "\n")] = '\0';
        json_object_set_new(o, "processor", json_string(colon + 2));
        break;
    }
    if (file) (void)fclose(file);
    json_object_set_new(o, "processors", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
}

static void put_disk(json_t *o, const char *folder)
{
    int64_t median_ns = 0;
    (void)sync_probe(folder ? folder : "/tmp", fdatasync, SYNCS, &median_ns);
    json_object_set_new(o, "fdatasync_median_ms", json_real((double)median_ns / NS_PER_MS));
}

void bench_conditions_load(json_t *o, const char *name)
{
    double loads[1];
    if (getloadavg(loads, 1) == 1) json_object_set_new(o, name, json_real(loads[0]));
}

json_t *bench_conditions(const char *folder)
{
    struct utsname name;
    json_t *o = json_object();
    put_processor(o);
    if (uname(&name) == 0) json_object_set_new(o, "kernel", json_string(name.release));
    bench_conditions_load(o, "load_before");
    put_disk(o, folder);
    json_object_set_new(o, "build", json_string(ZOE_VERSION));
    json_object_set_new(o, "durability", json_string("WAL, synchronous=FULL"));
    json_object_set_new(o, "transport", json_string("tcp on loopback, CURVE"));
    json_object_set_new(o, "coordinator", json_string("one processor of its own"));
    return o;
}
