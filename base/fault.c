/* The one place where test faults live: no other file looks at these variables. */
#include "base/fault.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    bool read;
    const char *name; /* NULL: no fault wanted */
    size_t name_length;
    int signal;
    atomic_long left;
} wanted;

static void read_environment(void)
{
    wanted.read = true;
    wanted.name = getenv("ZOE_FAULT_KILL");
    wanted.signal = wanted.name ? SIGKILL : SIGSTOP;
    if (!wanted.name) wanted.name = getenv("ZOE_FAULT_STOP");
    if (!wanted.name) return;
    const char *colon = strchr(wanted.name, ':');
    wanted.name_length = colon ? (size_t)(colon - wanted.name) : strlen(wanted.name);
    wanted.left = colon ? strtol(colon + 1, NULL, 10) : 1;
}

void fault_point(const char *name)
{
    if (!wanted.read) read_environment();
    if (!wanted.name) return;
    if (strlen(name) != wanted.name_length || memcmp(name, wanted.name, wanted.name_length) != 0)
        return;
    if (atomic_fetch_sub(&wanted.left, 1) == 1) kill(getpid(), wanted.signal);
}
