/* The page: nothing from outside can become markup, and nothing inside is missing. */
#include "unit/media/media_test.h"

#include "media/page.h"
#include "media/page_assets.h"

static char *page_of(const char *folder, const char *manifest_json)
{
    char *path = in_folder(folder, "manifest.json");
    write_bytes(path, manifest_json, strlen(manifest_json));
    struct manifest manifest;
    struct error err;
    must(manifest_load(&manifest, path, &err), &err);
    free(path);
    struct buf html = BUF_INIT;
    (void)page_render(&manifest, &html);
    manifest_finish(&manifest);
    return buf_take_text(&html);
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (const char *p = strstr(text, part); p != NULL; p = strstr(p + 1, part)) {
        count++;
    }
    return count;
}

static void contains(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) fail_msg("\"%s\" is not on the page", part);
}

static void lacks(const char *text, const char *part)
{
    if (strstr(text, part) != NULL) fail_msg("\"%s\" is on the page", part);
}

#define EVIL "<script>alert(1)</script>\\\"'&<img src=x onerror=alert(2)>"

static void markup_is_escaped_everywhere(void **state)
{
    char *html =
        page_of(*state, "{\"title\": \"" EVIL "\", \"subtitle\": \"" EVIL "\", \"clips\": ["
                        "{\"prompt\": \"" EVIL "\", \"seed\": \"<b>1\", \"state\": \"" EVIL
                        "\", \"note\": \"" EVIL "\", \"suspect\": \"" EVIL "\","
                        "\"worker\": \"" EVIL "\", \"video\": \"" EVIL "\","
                        "\"recipe\": {\"" EVIL "\": \"" EVIL "\", \"scheduler\": \"" EVIL "\"}}]}");
    assert_int_equal(count_of(html, "<script"), 1);
    assert_int_equal(count_of(html, "</script"), 1);
    lacks(html, "<img");
    lacks(html, "<b>1");
    lacks(html, "\"'&<");
    contains(html, "&lt;script&gt;alert(1)&lt;/script&gt;");
    free(html);
}

static void script_cannot_end_early(void **state)
{
    (void)state;
    for (const char *const *line = page_script; *line != NULL; line++) {
        assert_null(strstr(*line, "</"));
    }
    for (const char *const *line = page_style; *line != NULL; line++) {
        assert_null(strstr(*line, "</"));
    }
}

static void nothing_is_loaded_from_elsewhere(void **state)
{
    char *html = page_of(*state, "{\"title\": \"t\", \"clips\": [{\"video\": \"a.mp4\"}]}");
    lacks(html, "https://");
    lacks(html, "<link");
    lacks(html, "@import");
    lacks(html, " src=\"");
    contains(html, "script-src 'sha256-");
    contains(html, "default-src 'none'");
    free(html);
}

static void links_stay_inside(void **state)
{
    static const char *const bad[] = {"javascript:alert(1)", "/etc/passwd", "../x.mp4",
                                      "//evil.example/x.mp4", "a/../../x.mp4"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char *json = xasprintf("{\"clips\": [{\"video\": \"%s\"}]}", bad[i]);
        char *html = page_of(*state, json);
        lacks(html, "javascript:");
        if (i > 0) lacks(html, "<video");
        free(html);
        free(json);
    }
    char *html = page_of(*state, "{\"clips\": [{\"video\": \"sub/a b#?%&ü.mp4\"}]}");
    contains(html, "data-src=\"sub/a%20b%23%3F%25%26%C3%BC.mp4\"");
    contains(html, "href=\"sub/a%20b%23%3F%25%26%C3%BC.mp4\"");
    free(html);
}

static void cards_tell_everything(void **state)
{
    char *html = page_of(
        *state,
        "{\"title\": \"shapes\", \"clips\": [{\"video\": \"0.mp4\", \"prompt\": \"a red circle\","
        "\"seed\": \"9223372036854775807\", \"seconds\": 3.25, \"worker\": \"gpu-1\","
        "\"recipe\": {\"seed\": 9223372036854775807, \"width\": 64, \"height\": 48, "
        "\"num_frames\": "
        "16, \"fps\": 8}}, {\"prompt\": \"a fox\", \"state\": \"failed\", \"note\": \"no luck\"},"
        "{\"prompt\": \"dark\", \"suspect\": \"black\", \"seed\": 5}]}");
    contains(html, "<h1>shapes</h1>");
    contains(html, "3 clips");
    contains(html, "a red circle");
    contains(html, "seed 9223372036854775807");
    contains(html, "&quot;seed&quot;: 9223372036854775807");
    contains(html, "64×48");
    contains(html, "rendered in 3.25 s on gpu-1");
    contains(html, "aspect-ratio:64/48");
    contains(html, "no luck");
    contains(html, "suspect: black");
    contains(html, "seed 5");
    assert_int_equal(count_of(html, "<article"), 3);
    assert_int_equal(count_of(html, "<video"), 1);
    assert_int_equal(count_of(html, "class=\"copy\""), 1);
    free(html);
}

static void pictures_are_shown_as_pictures(void **state)
{
    char *html = page_of(*state, "{\"clips\": [{\"video\": \"a b.png\", \"prompt\": \"p\","
                                 "\"recipe\": {\"num_frames\": 1, \"fps\": 8, \"width\": 64,"
                                 "\"height\": 64}}, {\"video\": \"../x.png\"}]}");
    assert_int_equal(count_of(html, "<img"), 1);
    contains(html, "<img alt=\"\" loading=\"lazy\" src=\"a%20b.png\">");
    contains(html, "Open PNG");
    lacks(html, "<video");
    lacks(html, "fps</");
    lacks(html, "../x.png");
    free(html);
}

static void limit_leaves_a_note(void **state)
{
    char *html = page_of(*state, "{\"limit\": 2, \"clips\": [{}, {}, {}, {}, {}]}");
    assert_int_equal(count_of(html, "<article"), 2);
    contains(html, "and 3 more");
    free(html);
    html = page_of(*state, "{\"clips\": []}");
    assert_int_equal(count_of(html, "<article"), 0);
    contains(html, "0 clips");
    free(html);
}

static void bad_manifests_are_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "[]",
                                      "{}",
                                      "{\"clips\": 5}",
                                      "{\"clips\": [5]}",
                                      "{\"clips\": [{\"prompt\": 5}]}",
                                      "{\"clips\": [{\"seed\": 1.5}]}",
                                      "{\"clips\": [{\"seed\": \"123456789012345678901234\"}]}",
                                      "{\"columns\": 33, \"clips\": []}",
                                      "{\"columns\": -1, \"clips\": []}",
                                      "{\"clips\": [}"};
    char *path = in_folder(*state, "bad.json");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        write_bytes(path, bad[i], strlen(bad[i]));
        struct manifest manifest;
        struct error err = {.code = ERROR_NONE};
        if (manifest_load(&manifest, path, &err)) fail_msg("taken: %s", bad[i]);
        if (err.code != ERROR_USAGE) fail_msg("%s: %s", error_name(err.code), err.message);
    }
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(markup_is_escaped_everywhere),
        cmocka_unit_test(script_cannot_end_early),
        cmocka_unit_test(nothing_is_loaded_from_elsewhere),
        cmocka_unit_test(links_stay_inside),
        cmocka_unit_test(cards_tell_everything),
        cmocka_unit_test(pictures_are_shown_as_pictures),
        cmocka_unit_test(limit_leaves_a_note),
        cmocka_unit_test(bad_manifests_are_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
