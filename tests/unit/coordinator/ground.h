/* ground: what the coordinator's unit tests stand on: cmocka, an own temporary folder a test, files
 * with known content, a loop that is run until it is empty. */
#ifndef ZOE_TESTS_UNIT_COORDINATOR_GROUND_H
#define ZOE_TESTS_UNIT_COORDINATOR_GROUND_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/path.h"
#include "base/xalloc.h"

/* A test's state is the path of its own folder. */
static inline int ground_make(void **state)
{
    const char *base = getenv("TMPDIR");
    char *folder = xasprintf("%s/zoe-coordinator-XXXXXX", base ? base : "/tmp");
    if (mkdtemp(folder) == NULL) return -1;
    *state = folder;
    return 0;
}

static inline int ground_clear(void **state)
{
    struct error err;
    bool ok = path_remove_tree(*state, &err);
    free(*state);
    return ok ? 0 : -1;
}

#define ground_test(f) cmocka_unit_test_setup_teardown(f, ground_make, ground_clear)

/* FOLDER/NAME; caller frees. */
static inline char *ground_path(void **state, const char *name)
{
    return path_join(*state, name);
}

static inline void ground_write(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static inline void ground_write_text(const char *path, const char *text)
{
    ground_write(path, text, strlen(text));
}

static inline struct buf ground_read(const char *path)
{
    struct buf b = BUF_INIT;
    struct error err;
    if (!path_read(path, SIZE_MAX / 4, &b, &err)) fail_msg("%s", err.message);
    return b;
}

/* `call` must hold; says why not. */
#define assert_ok(call, err)                                                                       \
    do {                                                                                           \
        if (!(call)) fail_msg("%s: %s", #call, (err).message);                                     \
    } while (0)

#endif
