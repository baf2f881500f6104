/* A real coordinator whose media children say when they begin, and wait until they may go on. */
#include <poll.h>

#include "wire/liar.h"

static struct {
    char *folder;
    int begun, gate; /* pipes with names */
} media;

static int open_pipe(const char *name)
{
    char *path = path_join(media.folder, name);
    assert_int_equal(mkfifo(path, 0600), 0);
    int fd = open(path, O_RDWR | O_CLOEXEC); /* it never ends */
    assert_true(fd >= 0);
    free(path);
    return fd;
}

static void write_script(void)
{
    struct error err = {0};
    char *path = path_join(media.folder, "zoe-media");
    char *text = xasprintf("#!/bin/sh\n"
                           "echo \"$*\" > '%s/begun'\n"
                           "read -r go < '%s/gate'\n"
                           "exec '%s/zoe-media' \"$@\"\n",
                           media.folder, media.folder, TEST_BIN);
    if (!path_write_expendable(path, text, strlen(text), 0700, &err)) fail_msg("%s", err.message);
    free(text);
    free(path);
}

/* It looks for the others beside itself. */
static void copy_coordinator(void)
{
    static char bytes[1 << 16];
    ssize_t got = 0;
    char *from = path_join(TEST_BIN, "zoe-coordinator");
    char *to = path_join(media.folder, "zoe-coordinator");
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
    assert_true(in >= 0 && out >= 0);
    while ((got = read(in, bytes, sizeof(bytes))) > 0)
        assert_true(path_write_fd(out, bytes, (size_t)got, to, NULL));
    assert_int_equal(got, 0);
    assert_int_equal(close(in) | close(out), 0);
    free(from);
    free(to);
}

static void link_engine(void)
{
    char *from = path_join(TEST_BIN, "zoe-engine"), *to = path_join(media.folder, "zoe-engine");
    assert_int_equal(symlink(from, to), 0);
    free(from);
    free(to);
}

static int open_gated(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    media.folder = xasprintf("%s/zoe-wire-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(media.folder));
    media.begun = open_pipe("begun");
    media.gate = open_pipe("gate");
    write_script();
    copy_coordinator();
    link_engine();
    cast_open(media.folder);
    return 0;
}

static int close_gated(void **state)
{
    struct error err = {0};
    (void)cast_close(state);
    (void)close(media.begun);
    (void)close(media.gate);
    if (!path_remove_tree(media.folder, &err)) fail_msg("%s", err.message);
    free(media.folder);
    return 0;
}

/* A child looks at that file, and waits. */
static void expect_begun(const struct digest *sha256)
{
    char line[4096], hex[DIGEST_TEXT_SIZE];
    struct pollfd in = {.fd = media.begun, .events = POLLIN};
    if (poll(&in, 1, WIRE_PATIENCE_MS) != 1) fail_msg("no child was begun");
    ssize_t got = read(media.begun, line, sizeof(line) - 1);
    assert_true(got > 0);
    line[got] = '\0';
    digest_text(sha256, hex);
    if (strstr(line, hex) == NULL) fail_msg("not %s: %s", hex, line);
}

static void bring(struct labour *w, const struct digest *sha256, const uint8_t *bytes)
{
    offer_own(w, sha256);
    peer_skip(&w->peer, FARM__ENVELOPE__BODY_CREDIT);
    send_chunk(w, 0, 0, bytes, SEGMENT_BYTES);
    expect_begun(sha256);
}

/* The attempt ends while its file is looked at, and is taken up again with another file: the first
 * verdict says nothing about that. */
static void a_verdict_is_of_what_was_seen(void **state)
{
    (void)state;
    static uint8_t other[SEGMENT_BYTES];
    struct labour w;
    struct digest sha256;
    const struct digest others = digest_of(other, sizeof(other));
    labour_begin(&w, 0);
    const uint8_t *bytes = noise(&sha256);
    bring(&w, &sha256, bytes);
    peer_steer(&cast.admin, FARM__WORKER_VERB__WORKER_QUARANTINE, "w1", "to see");
    expect_dropped(&w, FARM__DROP_REASON__DROP_FENCED);
    peer_steer(&cast.admin, FARM__WORKER_VERB__WORKER_READMIT, "w1", "to see");
    bring(&w, &others, other);
    assert_int_equal(write(media.gate, "go\n", 3), 3);
    expect_dropped(&w, FARM__DROP_REASON__DROP_REJECTED);
    labour_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_verdict_is_of_what_was_seen),
    };
    return cmocka_run_group_tests(tests, open_gated, close_gated);
}
