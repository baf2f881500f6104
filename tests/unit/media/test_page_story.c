/* The storyboard of a clip: the right pictures, every prompt, nothing that becomes markup. */
#include "unit/media/media_test.h"

#include <sodium.h>

#include "media/fit.h"
#include "media/page.h"
#include "media/sheet.h"
#include "media/source.h"
#include "media/stitch.h"

static char *make_mp4(const char *folder, const struct frames_shape *shape)
{
    char *segment = in_folder(folder, "s.mkv"), *mp4 = in_folder(folder, "clip.mp4");
    struct segment_result written;
    struct stitch_result *result = xcalloc(1, sizeof *result);
    struct error err;
    write_segment(segment, shape, 0, &written);
    const struct stitch_job job = {.out_path = mp4,
                                   .shape = *shape,
                                   .tags = {"", ""},
                                   .segments = (const char *[]){segment},
                                   .segment_count = 1};
    must(stitch_run(&job, result, &err), &err);
    free(result);
    free(segment);
    return mp4;
}

static bool load(const char *folder, const char *json, struct manifest *out, struct error *err)
{
    char *path = in_folder(folder, "manifest.json");
    write_bytes(path, json, strlen(json));
    bool ok = manifest_load(out, path, err);
    free(path);
    return ok;
}

static char *page_of(const char *folder, const char *json)
{
    struct manifest manifest;
    struct error err;
    struct buf html = BUF_INIT;
    must(load(folder, json, &manifest, &err), &err);
    (void)page_render(&manifest, &html);
    manifest_finish(&manifest);
    return buf_take_text(&html);
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (const char *p = strstr(text, part); p != NULL; p = strstr(p + 1, part))
        count++;
    return count;
}

#define DATA "data:image/jpeg;base64,"

/* The picture that begins at `*at`, as RGB; moves *at behind it. */
static void take_picture(const char *folder, const char **at, const struct frames_shape *shape,
                         uint8_t *rgb)
{
    struct error err;
    bool end = false;
    char *path = in_folder(folder, "scene.jpg");
    *at = strstr(*at, DATA);
    assert_non_null(*at);
    *at += strlen(DATA);
    size_t length = strcspn(*at, "\""), size = 0;
    uint8_t *bytes = xmalloc(length);
    assert_int_equal(sodium_base642bin(bytes, length, *at, length, NULL, &size, NULL,
                                       sodium_base64_VARIANT_ORIGINAL),
                     0);
    write_bytes(path, bytes, size);
    struct source *s = source_open(path, &err);
    must(s != NULL, &err);
    const AVFrame *picture = source_next(s, &end, &err);
    must(picture != NULL, &err);
    assert_int_equal(picture->width, shape->width);
    struct fit *fit = fit_create(shape->width, shape->height, false);
    must(fit_picture(fit, picture, rgb, &err), &err);
    fit_destroy(fit);
    source_destroy(s);
    free(bytes);
    free(path);
}

static double difference(const struct frames_shape *shape, const uint8_t *rgb, int64_t index)
{
    uint8_t *want = moving_picture(shape, index);
    int64_t sum = 0;
    for (size_t i = 0; i < frames_size_bytes(shape); i++)
        sum += abs(rgb[i] - want[i]);
    free(want);
    return (double)sum / (double)frames_size_bytes(shape);
}

static void each_scene_has_its_picture(void **state)
{
    static const int frames[] = {2, 9, 9, 23};
    const struct frames_shape shape = shape_of(64, 48, 24);
    char *mp4 = make_mp4(*state, &shape);
    char *json = xasprintf("{\"clips\": [{\"path\": \"%s\", \"video\": \"clip.mp4\", \"scenes\": ["
                           "{\"frame\": 2, \"prompt\": \"one\", \"seconds\": 0.5},"
                           "{\"frame\": 9, \"prompt\": \"two\", \"seconds\": 61},"
                           "{\"frame\": 9, \"prompt\": \"three\", \"seconds\": 0.5},"
                           "{\"frame\": 23, \"prompt\": \"<script>four\", \"seconds\": 1}]}]}",
                           mp4);
    char *html = page_of(*state, json);
    const char *at = html;
    uint8_t *rgb = xmalloc(frames_size_bytes(&shape));
    for (size_t i = 0; i < 4; i++) {
        take_picture(*state, &at, &shape, rgb);
        double near = difference(&shape, rgb, frames[i]);
        double far = difference(&shape, rgb, frames[i] + 4);
        if (near > 12 || far < 2 * near) fail_msg("scene %zu: %g off, %g", i, near, far);
    }
    assert_int_equal(count_of(html, DATA), 4);
    assert_int_equal(count_of(html, "class=\"card told\""), 1);
    assert_non_null(strstr(html, "<span>one</span>"));
    assert_non_null(strstr(html, "&lt;script&gt;four"));
    assert_int_equal(count_of(html, "<script"), 1);
    assert_non_null(strstr(html, "data-at=\"61.5\""));
    assert_non_null(strstr(html, "<time>1:01</time>"));
    free(rgb);
    free(html);
    free(json);
    free(mp4);
}

static void prompts_stay_when_pictures_are_missing(void **state)
{
    const struct frames_shape shape = shape_of(64, 48, 4);
    char *mp4 = make_mp4(*state, &shape);
    static const char format[] = "{\"clips\": [{\"path\": \"%s\", \"video\": \"clip.mp4\", "
                                 "\"scenes\": [{\"frame\": 0, \"prompt\": \"one\"}, "
                                 "{\"frame\": 4, \"prompt\": \"two\"}]}]}";
    const char *const paths[] = {"/nowhere.mp4", mp4, ""}; /* mp4 ends before frame 4 */
    for (size_t i = 0; i < 3; i++) {
        char *json = xasprintf(format, paths[i]);
        char *html = page_of(*state, json);
        assert_int_equal(count_of(html, DATA), 0);
        assert_non_null(strstr(html, "<span>one</span>"));
        assert_non_null(strstr(html, "<span>two</span>"));
        free(html);
        free(json);
    }
    free(mp4);
}

static void clips_without_scenes_have_no_storyboard(void **state)
{
    char *html = page_of(*state, "{\"clips\": [{\"video\": \"a.mp4\", \"scenes\": []}, "
                                 "{\"video\": \"b.mp4\"}]}");
    assert_int_equal(count_of(html, "<ol"), 0);
    assert_int_equal(count_of(html, "class=\"card told\""), 0);
    free(html);
}

static struct digest sheet_of(const char *folder, const char *mp4, const char *scenes)
{
    struct manifest manifest;
    struct sheet_result result;
    struct error err;
    struct digest digest;
    uint64_t size;
    char *png = in_folder(folder, "sheet.png");
    char *json =
        xasprintf("{\"columns\": 4, \"clips\": [{\"path\": \"%s\", \"scenes\": %s}]}", mp4, scenes);
    must(load(folder, json, &manifest, &err), &err);
    must(sheet_write(&manifest, png, &result, &err), &err);
    assert_int_equal(result.unreadable, 0);
    must(digest_of_file(png, &digest, &size, &err), &err);
    manifest_finish(&manifest);
    free(json);
    free(png);
    return digest;
}

/* Evenly spaced are 0, 3, 7, 10 of 11; other scenes look otherwise, impossible ones do not count.
 */
static void the_sheet_shows_scenes(void **state)
{
    const struct frames_shape shape = shape_of(64, 48, 11);
    char *mp4 = make_mp4(*state, &shape);
    const struct digest even = sheet_of(*state, mp4, "[]");
    const struct digest same =
        sheet_of(*state, mp4, "[{\"frame\": 0}, {\"frame\": 3}, {\"frame\": 7}, {\"frame\": 10}]");
    const struct digest two = sheet_of(*state, mp4, "[{\"frame\": 1}, {\"frame\": 8}]");
    const struct digest beyond = sheet_of(*state, mp4, "[{\"frame\": 1}, {\"frame\": 11}]");
    assert_true(digest_equal(&even, &same));
    assert_true(digest_equal(&even, &beyond));
    assert_false(digest_equal(&even, &two));
    free(mp4);
}

static void wrong_scenes_are_misuse(void **state)
{
    static const char *const scenes[] = {
        "1",
        "[1]",
        "[{}]",
        "[{\"frame\": -1}]",
        "[{\"frame\": 2}, {\"frame\": 1}]",
        "[{\"frame\": 0, \"prompt\": 1}]",
        "[{\"frame\": 0, \"seconds\": -1}]",
        "[{\"frame\": 0, \"seconds\": 1e9}]",
    };
    for (size_t i = 0; i < sizeof scenes / sizeof scenes[0]; i++) {
        struct manifest m;
        struct error err = {.code = ERROR_NONE};
        char *json = xasprintf("{\"clips\": [{\"scenes\": %s}]}", scenes[i]);
        if (load(*state, json, &m, &err)) fail_msg("taken: %s", json);
        assert_int_equal(err.code, ERROR_USAGE);
        free(json);
    }
    struct buf many = BUF_INIT;
    struct manifest m;
    struct error err;
    buf_append_text(&many, "{\"clips\": [{\"scenes\": [{\"frame\": 0}");
    for (int i = 1; i < MANIFEST_SCENES_MAX; i++)
        buf_append_text(&many, ", {\"frame\": 0}");
    struct buf more = BUF_INIT;
    buf_printf(&more, "%s, {\"frame\": 0}]}]}", buf_text(&many));
    buf_append_text(&many, "]}]}");
    must(load(*state, buf_text(&many), &m, &err), &err);
    assert_int_equal(m.clips[0].scene_count, MANIFEST_SCENES_MAX);
    manifest_finish(&m);
    assert_false(load(*state, buf_text(&more), &m, &err));
    assert_int_equal(err.code, ERROR_USAGE);
    buf_finish(&many);
    buf_finish(&more);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_scene_has_its_picture),
        cmocka_unit_test(prompts_stay_when_pictures_are_missing),
        cmocka_unit_test(clips_without_scenes_have_no_storyboard),
        cmocka_unit_test(the_sheet_shows_scenes),
        cmocka_unit_test(wrong_scenes_are_misuse),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
