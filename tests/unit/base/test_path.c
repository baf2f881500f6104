#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char *folder; /* of the test that runs */

static int setup(void **state)
{
    (void)state;
    folder = scratch_make();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    scratch_remove(folder);
    folder = NULL;
    return 0;
}

static void write_text(const char *path, const char *text)
{
    struct error err = {0};
    if (!path_write_atomic(path, text, strlen(text), 0644, &err)) fail_msg("%s", err.message);
}

static void expect_text(const char *path, const char *text)
{
    struct buf b = BUF_INIT;
    struct error err = {0};
    if (!path_read(path, 1 << 20, &b, &err)) fail_msg("%s", err.message);
    assert_string_equal(buf_text(&b), text);
    buf_finish(&b);
}

static size_t count_names(const char *path)
{
    char **names = NULL;
    size_t count = 0;
    struct error err = {0};
    if (!path_list(path, &names, &count, &err)) fail_msg("%s", err.message);
    path_list_free(names, count);
    return count;
}

static void names_are_joined_and_split(void **state)
{
    (void)state;
    static const struct {
        const char *folder, *name, *joined;
    } joins[] = {{"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"/", "b", "/b"}, {"", "b", "b"}};
    for (size_t i = 0; i < sizeof(joins) / sizeof(joins[0]); i++) {
        char *joined = path_join(joins[i].folder, joins[i].name);
        assert_string_equal(joined, joins[i].joined);
        free(joined);
    }
    static const struct {
        const char *path, *dirname, *basename;
    } splits[] = {
        {"a/b/c", "a/b", "c"}, {"c", ".", "c"}, {"/c", "/", "c"}, {"a/", "a", ""}, {"", ".", ""}};
    for (size_t i = 0; i < sizeof(splits) / sizeof(splits[0]); i++) {
        char *dirname = path_dirname(splits[i].path);
        assert_string_equal(dirname, splits[i].dirname);
        assert_string_equal(path_basename(splits[i].path), splits[i].basename);
        free(dirname);
    }
}

static void safe_relative_names(void **state)
{
    (void)state;
    static const char *const safe[] = {"a",   "a/b",  "unet/config.json", "...", "..a", ".hidden",
                                       "a b", "a..b", "\xc3\xa4/x"};
    static const char *const unsafe[] = {"",     ".",     "..",  "/a",      "a/",
                                         "a//b", "a/./b", "../", "a/..",    "../a/b",
                                         "a\nb", "\x7f",  "/",   "a/b/../c"};
    for (size_t i = 0; i < sizeof(safe) / sizeof(safe[0]); i++) {
        if (!path_is_safe_relative(safe[i])) fail_msg("'%s' is safe", safe[i]);
    }
    for (size_t i = 0; i < sizeof(unsafe) / sizeof(unsafe[0]); i++) {
        if (path_is_safe_relative(unsafe[i])) fail_msg("'%s' is not safe", unsafe[i]);
    }
    char part[258] = "";
    memset(part, 'a', 255);
    assert_true(path_is_safe_relative(part));
    part[255] = 'a';
    assert_false(path_is_safe_relative(part));
}

static void folders_are_made_and_removed(void **state)
{
    (void)state;
    struct error err = {0};
    char *deep = path_join(folder, "a/b//c/");
    assert_true(path_make_folders(deep, 0700, &err));
    assert_true(path_make_folders(deep, 0700, &err));
    assert_true(path_is_folder(deep));
    free(deep);
    char *file = path_join(folder, "a/b/file");
    write_text(file, "x");
    char *below = path_join(file, "d");
    assert_false(path_make_folders(below, 0700, &err));
    assert_int_equal(err.code, ERROR_IO);
    assert_false(path_make_folders(file, 0700, &err));
    assert_true(path_exists(file));
    assert_false(path_is_folder(file));
    free(below);
    free(file);
    char *top = path_join(folder, "a");
    assert_true(path_remove_tree(top, &err));
    assert_false(path_exists(top));
    assert_true(path_remove_tree(top, &err));
    free(top);
    assert_false(path_remove_tree("/proc/self/status", &err));
    assert_int_equal(err.code, ERROR_IO);
}

static void removal_does_not_follow_links(void **state)
{
    (void)state;
    struct error err = {0};
    char *kept = path_join(folder, "kept");
    char *doomed = path_join(folder, "doomed");
    char *precious = path_join(folder, "kept/precious");
    char *link_inside = path_join(folder, "doomed/link");
    assert_true(path_make_folders(kept, 0700, &err));
    assert_true(path_make_folders(doomed, 0700, &err));
    write_text(precious, "x");
    assert_int_equal(symlink(kept, link_inside), 0);
    assert_true(path_remove_tree(doomed, &err));
    assert_false(path_exists(doomed));
    assert_int_equal(symlink(kept, doomed), 0);
    assert_true(path_remove_tree(doomed, &err));
    expect_text(precious, "x");
    free(kept);
    free(doomed);
    free(precious);
    free(link_inside);
}

static void reading_has_a_limit(void **state)
{
    (void)state;
    struct error err = {0};
    struct buf b = BUF_INIT;
    char *path = path_join(folder, "file");
    write_text(path, "12345");
    assert_true(path_read(path, 5, &b, &err));
    assert_int_equal(b.size, 5);
    assert_false(path_read(path, 4, &b, &err));
    assert_int_equal(err.code, ERROR_REFUSED);
    assert_string_equal(buf_text(&b), "12345"); /* what was there stays */
    assert_true(path_read(path, SIZE_MAX, &b, &err));
    assert_string_equal(buf_text(&b), "1234512345");
    buf_clear(&b);
    write_text(path, "");
    assert_true(path_read(path, 0, &b, &err));
    assert_int_equal(b.size, 0);
    char *absent = path_join(folder, "absent");
    char *below_file = path_join(path, "x");
    assert_false(path_read(absent, 5, &b, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_false(path_read(below_file, 5, &b, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_false(path_read(folder, 5, &b, &err));
    assert_int_equal(err.code, ERROR_IO);
    free(below_file);
    free(absent);
    free(path);
    buf_finish(&b);
}

static void large_files_come_whole(void **state)
{
    (void)state;
    struct error err = {0};
    size_t size = 3 * 65536 + 17;
    uint8_t *data = xmalloc(size);
    for (size_t i = 0; i < size; i++) {
        data[i] = (uint8_t)(i * 31 >> 3);
    }
    char *path = path_join(folder, "large");
    assert_true(path_write_atomic(path, data, size, 0600, &err));
    struct buf b = BUF_INIT;
    assert_true(path_read(path, size, &b, &err));
    assert_int_equal(b.size, size);
    assert_memory_equal(b.data, data, size);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    buf_finish(&b);
    free(path);
    free(data);
}

static void a_full_disk_is_said(void **state)
{
    (void)state;
    struct error err = {0};
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_false(path_write_fd(fd, "x", 1, "the video", &err));
    assert_int_equal(err.code, ERROR_FULL);
    assert_string_equal(err.message, "cannot write the video: No space left on device");
    assert_true(path_write_fd(fd, "", 0, "nothing", &err));
    assert_false(path_write_at(fd, 4, "x", 1, "no video", &err));
    assert_int_equal(err.code, ERROR_FULL);
    assert_string_equal(err.message, "no video: No space left on device");
    (void)close(fd);
}

static void a_piece_goes_where_it_belongs(void **state)
{
    (void)state;
    struct error err = {0};
    char *path = path_join(folder, "pieces");
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_true(path_write_at(fd, 3, "def", 3, "", &err));
    assert_true(path_write_at(fd, 0, "abc", 3, "", &err));
    assert_true(path_write_at(fd, 9, "", 0, "", &err)); /* nothing, nowhere */
    (void)close(fd);
    expect_text(path, "abcdef");
    free(path);
}

/* The file size limit fails in the middle of the data, as a full disk does. */
static void a_failed_write_leaves_the_old_file(void **state)
{
    (void)state;
    struct error err = {0};
    char *path = path_join(folder, "state");
    write_text(path, "old");
    char *data = xcalloc(1, 200000);
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit small = {.rlim_cur = 100000, .rlim_max = before.rlim_max};
    void (*previous)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    bool ok = path_write_atomic(path, data, 200000, 0644, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, previous);
    assert_false(ok);
    assert_int_equal(err.code, ERROR_IO);
    expect_text(path, "old");
    assert_int_equal(count_names(folder), 1);
    free(data);
    free(path);
}

/* Not synced, and still never half there. */
static void expendable_files_are_whole(void **state)
{
    struct error err = {0};
    (void)state;
    char *path = path_join(folder, "f");
    char *absent = path_join(folder, "no/such/file");
    assert_true(path_write_expendable(path, "old", 3, 0600, &err));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(path_write_expendable(path, "new", 3, 0600, &err));
    expect_text(path, "new");
    char text[4] = "";
    assert_int_equal(read(fd, text, 3), 3);
    assert_string_equal(text, "old"); /* who has it open keeps what was there */
    (void)close(fd);
    assert_false(path_write_expendable(absent, "x", 1, 0644, &err));
    assert_int_equal(count_names(folder), 1);
    free(absent);
    free(path);
}

static void a_write_onto_a_folder_fails_clean(void **state)
{
    (void)state;
    struct error err = {0};
    char *path = path_join(folder, "sub");
    char *absent = path_join(folder, "no/such/file");
    assert_true(path_make_folders(path, 0700, &err));
    assert_false(path_write_atomic(path, "x", 1, 0644, &err));
    assert_int_equal(count_names(folder), 1);
    assert_false(path_write_atomic(absent, "x", 1, 0644, &err));
    assert_int_equal(count_names(folder), 1);
    free(absent);
    free(path);
}

static void the_longest_name_can_be_written(void **state)
{
    (void)state;
    char name[256] = "";
    memset(name, 'n', 255);
    char *path = path_join(folder, name);
    write_text(path, "x");
    expect_text(path, "x");
    free(path);
}

#define LONG_BYTES 60000
#define SHORT_BYTES 3000

/* One letter throughout and one of two lengths, or the file was torn. */
static void expect_whole(const char *path)
{
    struct buf b = BUF_INIT;
    struct error err = {0};
    if (!path_read(path, 1 << 20, &b, &err)) fail_msg("%s", err.message);
    assert_true(b.size == LONG_BYTES || b.size == SHORT_BYTES);
    for (size_t i = 0; i < b.size; i++) {
        assert_int_equal(b.data[i], b.size == LONG_BYTES ? 'L' : 'S');
    }
    buf_finish(&b);
}

static void write_for_ever(const char *path, int told)
{
    static char data[LONG_BYTES];
    for (;;) {
        memset(data, 'L', LONG_BYTES);
        if (!path_write_atomic(path, data, LONG_BYTES, 0644, NULL)) _exit(1);
        memset(data, 'S', SHORT_BYTES);
        if (!path_write_atomic(path, data, SHORT_BYTES, 0644, NULL)) _exit(1);
        if (write(told, "x", 1) != 1) _exit(1);
    }
}

static void a_killed_writer_leaves_a_whole_file(void **state)
{
    (void)state;
    char *path = path_join(folder, "state");
    for (int round = 0; round < 12; round++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) write_for_ever(path, ends[1]);
        (void)close(ends[1]);
        char byte = 0;
        assert_int_equal(read(ends[0], &byte, 1), 1);
        for (int i = 0; i < round * 7; i++) {
            expect_whole(path); /* readers never see a part either */
        }
        assert_int_equal(kill(child, SIGKILL), 0);
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        (void)close(ends[0]);
        expect_whole(path);
    }
    char **names = NULL;
    size_t count = 0;
    assert_true(path_list(folder, &names, &count, NULL));
    for (size_t i = 0; i < count; i++) {
        bool ours = strcmp(names[i], "state") == 0;
        if (!ours) assert_memory_equal(names[i], ".state.tmp.", 11);
    }
    path_list_free(names, count);
    free(path);
}

static void renames_move(void **state)
{
    (void)state;
    struct error err = {0};
    char *from = path_join(folder, "from");
    char *sub = path_join(folder, "sub");
    char *to = path_join(folder, "sub/to");
    write_text(from, "x");
    assert_false(path_rename_durable(from, to, &err));
    assert_int_equal(err.code, ERROR_IO);
    assert_true(path_make_folders(sub, 0700, &err));
    assert_true(path_rename_durable(from, to, &err));
    assert_false(path_exists(from));
    expect_text(to, "x");
    assert_true(path_fsync_file(to, &err));
    assert_true(path_fsync_folder(sub, &err));
    assert_false(path_fsync_folder(to, &err));
    assert_false(path_fsync_file(from, &err));
    free(from);
    free(sub);
    free(to);
}

static void free_space_is_known(void **state)
{
    (void)state;
    struct error err = {0};
    uint64_t free_bytes = 0;
    uint64_t total_bytes = 0;
    assert_true(path_free_bytes(folder, &free_bytes, &total_bytes, &err));
    assert_true(total_bytes > 0 && free_bytes <= total_bytes);
    assert_false(path_free_bytes("/no/such/place", &free_bytes, &total_bytes, &err));
}

static void a_lock_is_exclusive(void **state)
{
    (void)state;
    struct error err = {0};
    char *path = path_join(folder, "lock");
    int fd = path_lock(path, &err);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(path_lock(path, &err), -1);
    assert_int_equal(err.code, ERROR_STATE);
    (void)close(fd);
    fd = path_lock(path, &err);
    assert_true(fd >= 0);
    (void)close(fd);
    assert_int_equal(path_lock(folder, &err), -1);
    assert_int_equal(err.code, ERROR_IO);
    free(path);
}

static void a_killed_holder_frees_its_lock(void **state)
{
    (void)state;
    char *path = path_join(folder, "lock");
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char locked = path_lock(path, NULL) >= 0 ? 'y' : 'n';
        if (write(ends[1], &locked, 1) != 1) _exit(1);
        for (;;) {
            (void)pause();
        }
    }
    char answer = 0;
    assert_int_equal(read(ends[0], &answer, 1), 1);
    assert_int_equal(answer, 'y');
    struct error err = {0};
    int refused = path_lock(path, &err);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(refused, -1);
    assert_int_equal(err.code, ERROR_STATE);
    int fd = path_lock(path, &err);
    assert_true(fd >= 0);
    (void)close(fd);
    (void)close(ends[0]);
    (void)close(ends[1]);
    free(path);
}

static void expect_taken(char *text, const char *expected)
{
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static void user_folders_follow_xdg(void **state)
{
    (void)state;
    struct error err = {0};
    const char *home = getenv("HOME");
    char *kept = home != NULL ? xstrdup(home) : NULL;
    assert_int_equal(setenv("HOME", "/home/a", 1), 0);
    assert_int_equal(unsetenv("XDG_STATE_HOME"), 0);
    assert_int_equal(unsetenv("XDG_CONFIG_HOME"), 0);
    expect_taken(path_user_state("zoetrope", &err), "/home/a/.local/state/zoetrope");
    expect_taken(path_user_config("zoetrope", &err), "/home/a/.config/zoetrope");
    assert_int_equal(setenv("XDG_STATE_HOME", "/var/s", 1), 0);
    assert_int_equal(setenv("XDG_CONFIG_HOME", "relative", 1), 0);
    expect_taken(path_user_state("zoetrope", &err), "/var/s/zoetrope");
    expect_taken(path_user_config("zoetrope", &err), "/home/a/.config/zoetrope");
    assert_int_equal(unsetenv("HOME"), 0);
    expect_taken(path_user_state("zoetrope", &err), "/var/s/zoetrope");
    assert_null(path_user_config("zoetrope", &err));
    assert_int_equal(err.code, ERROR_USAGE);
    assert_int_equal(unsetenv("XDG_STATE_HOME"), 0);
    assert_int_equal(unsetenv("XDG_CONFIG_HOME"), 0);
    if (kept != NULL) assert_int_equal(setenv("HOME", kept, 1), 0);
    free(kept);
}

static void own_folder_holds_this_program(void **state)
{
    (void)state;
    char *own = path_own_folder();
    char *self = path_join(own, "base_test_path");
    assert_true(path_exists(self));
    free(self);
    free(own);
}

static void listings_are_sorted(void **state)
{
    (void)state;
    struct error err = {0};
    for (int i = 40; i > 0; i--) {
        char *name = xasprintf("%s/%c%02d", folder, i % 2 == 0 ? 'b' : '.', i);
        write_text(name, "");
        free(name);
    }
    char **names = NULL;
    size_t count = 0;
    assert_true(path_list(folder, &names, &count, &err));
    assert_int_equal(count, 40);
    for (size_t i = 1; i < count; i++) {
        assert_true(strcmp(names[i - 1], names[i]) < 0);
    }
    path_list_free(names, count);
    assert_false(path_list("/no/such/folder", &names, &count, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_null(names);
    path_list_free(names, count);
    assert_false(path_list("/proc/self/status", &names, &count, &err));
    assert_int_equal(err.code, ERROR_IO);
}

/* What is asked for by name and comes from outside stays below the folder, whatever was planted. */
static void opening_below_follows_no_link(void **state)
{
    (void)state;
    static const char *const hostile[] = {"link",          "out/secret", "a/out/secret", "a/link",
                                          "../secret",     "a/../../s",  "/etc/passwd",  "a//b",
                                          "a/./inner",     "",           "a/",           ".",
                                          "a/inner/below", "none"};
    char *inside = path_join(folder, "inside"), *a = path_join(inside, "a");
    char *secret = path_join(folder, "secret"), *inner = path_join(a, "inner");
    char *links[] = {path_join(inside, "link"), path_join(inside, "out"), path_join(a, "out"),
                     path_join(a, "link")};
    char found[8] = "";
    assert_true(path_make_folders(a, 0700, NULL));
    write_text(secret, "secret");
    write_text(inner, "inner");
    assert_int_equal(symlink(secret, links[0]), 0);
    assert_int_equal(symlink("..", links[1]), 0);
    assert_int_equal(symlink(folder, links[2]), 0);
    assert_int_equal(symlink("inner", links[3]), 0); /* even one that would stay inside */
    int fd = path_open_below(inside, "a/inner");
    assert_true(fd >= 0);
    assert_int_equal(read(fd, found, sizeof(found)), 5);
    assert_string_equal(found, "inner");
    assert_int_equal(close(fd), 0);
    for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
        errno = 0;
        if (path_open_below(inside, hostile[i]) >= 0) fail_msg("%s was opened", hostile[i]);
        assert_true(errno == ELOOP || errno == ENOTDIR || errno == EINVAL || errno == ENOENT);
    }
    for (size_t i = 0; i < 4; i++)
        free(links[i]);
    free(inner);
    free(secret);
    free(a);
    free(inside);
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_joined_and_split),
        cmocka_unit_test(safe_relative_names),
        IN_SCRATCH(folders_are_made_and_removed),
        IN_SCRATCH(removal_does_not_follow_links),
        IN_SCRATCH(opening_below_follows_no_link),
        IN_SCRATCH(reading_has_a_limit),
        IN_SCRATCH(large_files_come_whole),
        cmocka_unit_test(a_full_disk_is_said),
        IN_SCRATCH(a_piece_goes_where_it_belongs),
        IN_SCRATCH(a_failed_write_leaves_the_old_file),
        IN_SCRATCH(expendable_files_are_whole),
        IN_SCRATCH(a_write_onto_a_folder_fails_clean),
        IN_SCRATCH(the_longest_name_can_be_written),
        IN_SCRATCH(a_killed_writer_leaves_a_whole_file),
        IN_SCRATCH(renames_move),
        IN_SCRATCH(free_space_is_known),
        IN_SCRATCH(a_lock_is_exclusive),
        IN_SCRATCH(a_killed_holder_frees_its_lock),
        cmocka_unit_test(user_folders_follow_xdg),
        cmocka_unit_test(own_folder_holds_this_program),
        IN_SCRATCH(listings_are_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
