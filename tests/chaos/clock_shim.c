/* clock_shim: a machine whose wall clock is wrong (LD_PRELOAD). ZOE_CLOCK_FILE names a file of
 * eight bytes, an offset in nanoseconds (int64, this machine's byte order), which is mapped: who
 * writes to it steps the clock of running programs. Only the wall clock moves; CLOCK_MONOTONIC
 * stays, as on a real machine. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NS INT64_C(1000000000)

static const volatile int64_t *offset_ns;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("ZOE_CLOCK_FILE");
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *page = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
    if (page != MAP_FAILED) offset_ns = page;
    (void)close(fd);
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
    int result = (int)syscall(SYS_clock_gettime, clock, out);
    bool wall = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
    if (result != 0 || !wall || offset_ns == NULL) return result;
    int64_t ns = (int64_t)out->tv_sec * NS + out->tv_nsec + *offset_ns;
    out->tv_sec = (time_t)(ns / NS);
    out->tv_nsec = (long)(ns % NS);
    return 0;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
    out->tv_sec = now.tv_sec;
    out->tv_usec = (suseconds_t)(now.tv_nsec / 1000);
    return 0;
}

time_t time(time_t *out)
{
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) return (time_t)-1;
    if (out != NULL) *out = now.tv_sec;
    return now.tv_sec;
}
