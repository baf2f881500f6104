/* The published tree read back: what cannot be read is told of, and hides nothing else. */
#include "ground.h"

#include <sys/stat.h>

#include "base/finding.h"
#include "coordinator/tree.h"

#define NOBODY 65534 /* root reads everything */

static void found_one(void *context, const struct clip_record *clip, uint64_t computed,
                      uint64_t wasted, int64_t published_ms)
{
    (void)context;
    (void)clip;
    (void)computed;
    (void)wasted;
    (void)published_ms;
    fail_msg("there is no whole clip");
}

static enum output_kind video(void *context, uint32_t clip)
{
    (void)context;
    (void)clip;
    return OUTPUT_VIDEO;
}

static const char *none(void *context, uint32_t clip)
{
    (void)context;
    (void)clip;
    return NULL;
}

static void be(uid_t user)
{
    if (getuid() == 0) assert_int_equal(seteuid(user), 0);
}

static void make(void **state, const char *name, mode_t mode)
{
    struct error err;
    char *path = ground_path(state, name);
    assert_ok(path_make_folders(path, 0755, &err), err);
    assert_int_equal(chmod(path, mode), 0);
    free(path);
}

static void a_folder_that_cannot_be_read_hides_no_other(void **state)
{
    struct findings findings = {0};
    struct error err = {0};
    make(state, "0000000", 0000);
    make(state, "0001000", 0755);
    char *sidecar = ground_path(state, "0001000/01000_a_s1.json");
    ground_write_text(sidecar, "{");
    if (getuid() == 0) assert_int_equal(chown(*state, NOBODY, (gid_t)-1), 0);
    struct tree_look look = {.folder = *state,
                             .batch = "0123456789",
                             .clips = 2000,
                             .findings = &findings,
                             .output = video,
                             .published = none,
                             .found = found_one};
    be(NOBODY);
    bool ok = tree_clips(&look, &err);
    be(0);
    if (!ok) fail_msg("%s", err.message);
    assert_int_equal(look.unread, 1);
    assert_int_equal(look.damaged.seen, 1); /* what stands in the other one was looked at */
    make(state, "0000000", 0755);
    findings_finish(&findings);
    free(sidecar);
}

static const char *fourth(void *context, uint32_t clip)
{
    (void)context;
    return clip == 4 ? "4_a.b_s1_2.mp4" : NULL;
}

/* Nothing of them can be read: whose they are is in their names. */
static void what_is_published_is_not_rendered_again(void **state)
{
    static const struct {
        const char *name;
        enum finding_level level;
    } files[] = {
        {"4_a.b_s1.json", FINDING_WARN},    {"4_a.b_s1_2.json", FINDING_FAIL},
        {"4_a.b_s1_22.json", FINDING_WARN}, {"5_a.b_s1_2.json", FINDING_WARN},
        {"99_a.b_s1_2.json", FINDING_WARN}, {"notes.json", FINDING_WARN},
    };
    const size_t count = sizeof files / sizeof files[0];
    struct findings findings = {0};
    struct error err = {0};
    struct tree_look look = {.folder = *state,
                             .batch = "0123456789",
                             .clips = 6,
                             .findings = &findings,
                             .output = video,
                             .published = fourth,
                             .found = found_one};
    for (size_t i = 0; i < count; i++) {
        char *path = ground_path(state, files[i].name);
        ground_write_text(path, "{");
        free(path);
    }
    assert_ok(tree_clips(&look, &err), err);
    assert_int_equal(findings.count, count);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(path_basename(findings.items[i].where), files[i].name);
        assert_int_equal(findings.items[i].level, files[i].level);
    }
    findings_finish(&findings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ground_test(a_folder_that_cannot_be_read_hides_no_other),
        ground_test(what_is_published_is_not_rendered_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
