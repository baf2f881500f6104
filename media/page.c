/* The page's HTML. */
#include "media/page.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/json.h"
#include "base/path.h"
#include "media/page_assets.h"
#include "media/page_story.h"
#include "media/page_text.h"

#define CRISP_SIDE_MAX 160 /* smaller clips are enlarged pixel by pixel */

static void put_lines(struct buf *out, const char *const *lines)
{
    for (; *lines != NULL; lines++) {
        buf_append_text(out, *lines);
    }
}

/* Base64 of the script's SHA-256: the browser runs this script and no other. */
static void put_script_hash(struct buf *out)
{
    struct digest_stream stream;
    digest_begin(&stream);
    digest_update(&stream, "\n", 1);
    for (const char *const *line = page_script; *line != NULL; line++) {
        digest_update(&stream, *line, strlen(*line));
    }
    const struct digest digest = digest_end(&stream);
    char text[sodium_base64_ENCODED_LEN(DIGEST_BYTES, sodium_base64_VARIANT_ORIGINAL)];
    buf_append_text(out, sodium_bin2base64(text, sizeof(text), digest.bytes, DIGEST_BYTES,
                                           sodium_base64_VARIANT_ORIGINAL));
}

static bool is_suspect(const struct manifest_clip *clip)
{
    return *clip->suspect != '\0';
}

static const char *state_of(const struct manifest_clip *clip)
{
    return *clip->state != '\0' ? clip->state : "published";
}

static size_t count_state(const struct manifest *m, const char *state)
{
    size_t count = 0;
    for (size_t i = 0; i < m->clip_count; i++) {
        if (strcmp(state_of(&m->clips[i]), state) == 0) count++;
    }
    return count;
}

static size_t count_suspect(const struct manifest *m)
{
    size_t count = 0;
    for (size_t i = 0; i < m->clip_count; i++) {
        if (is_suspect(&m->clips[i])) count++;
    }
    return count;
}

static void put_head(struct buf *out, const char *title)
{
    buf_append_text(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                         "<meta http-equiv=\"Content-Security-Policy\" content=\""
                         "default-src 'none'; base-uri 'none'; form-action 'none'; "
                         "media-src * file:; img-src * file: data:; style-src 'unsafe-inline'; "
                         "script-src 'sha256-");
    put_script_hash(out);
    buf_append_text(out, "'\">\n<meta name=\"viewport\" content=\"width=device-width, "
                         "initial-scale=1, viewport-fit=cover\">\n"
                         "<meta name=\"color-scheme\" content=\"light dark\">\n"
                         "<meta name=\"referrer\" content=\"no-referrer\">\n<title>");
    page_put_text(out, title);
    buf_append_text(out, "</title>\n<style>\n");
    put_lines(out, page_style);
    buf_append_text(out, "</style>\n</head>\n<body>\n");
}

static void put_filter(struct buf *out, const char *kind, const char *label, size_t count,
                       bool pressed)
{
    buf_printf(out,
               "<button type=\"button\" data-kind=\"%s\" aria-pressed=\"%s\">%s"
               "<span>%zu</span></button>\n",
               kind, pressed ? "true" : "false", label, count);
}

/* A choice that would hold everything or nothing is left out. */
static void put_filters(struct buf *out, const struct manifest *m)
{
    const struct {
        const char *kind, *label;
        size_t count;
    } rows[] = {
        {"published", "Published", count_state(m, "published")},
        {"failed", "Failed", count_state(m, "failed")},
        {"canceled", "Canceled", count_state(m, "canceled")},
        {"suspect", "Suspect", count_suspect(m)},
    };
    bool first = true;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].count == 0 || rows[i].count == m->clip_count) continue;
        if (first) {
            buf_append_text(out, "<div class=\"filters\" role=\"group\" aria-label=\"Show\">\n");
            put_filter(out, "all", "All", m->clip_count, true);
            first = false;
        }
        put_filter(out, rows[i].kind, rows[i].label, rows[i].count, false);
    }
    if (!first) buf_append_text(out, "</div>\n");
}

static void put_header(struct buf *out, const struct manifest *m, const char *title)
{
    buf_append_text(out, "<header>\n<h1>");
    page_put_text(out, title);
    buf_append_text(out, "</h1>\n<p class=\"subtitle\">");
    if (*m->subtitle != '\0') {
        page_put_text(out, m->subtitle);
    } else {
        buf_printf(out, "%zu clip%s", m->clip_count, m->clip_count == 1 ? "" : "s");
    }
    buf_append_text(out,
                    "</p>\n</header>\n<div class=\"tools\"><div>\n"
                    "<input id=\"search\" type=\"search\" placeholder=\"Search prompts, seeds, "
                    "recipes\" aria-label=\"Search\" autocomplete=\"off\" "
                    "spellcheck=\"false\">\n");
    put_filters(out, m);
    buf_append_text(out, "<span id=\"count\" class=\"facts\" role=\"status\"></span>\n"
                         "</div></div>\n");
}

static int64_t recipe_int(const struct manifest_clip *clip, const char *key)
{
    const json_t *value = clip->recipe != NULL ? json_object_get(clip->recipe, key) : NULL;
    return json_is_integer(value) ? json_integer_value(value) : 0;
}

static void put_shape_style(struct buf *out, const struct manifest_clip *clip)
{
    int64_t width = recipe_int(clip, "width");
    int64_t height = recipe_int(clip, "height");
    if (width < 1 || height < 1) width = height = 1;
    buf_printf(out, " style=\"aspect-ratio:%lld/%lld\"", (long long)width, (long long)height);
}

static bool is_small(const struct manifest_clip *clip)
{
    int64_t width = recipe_int(clip, "width");
    int64_t height = recipe_int(clip, "height");
    return width > 0 && width <= CRISP_SIDE_MAX && height <= CRISP_SIDE_MAX;
}

static bool all_small(const struct manifest *m)
{
    for (size_t i = 0; i < m->clip_count; i++) {
        if (m->clips[i].recipe != NULL && !is_small(&m->clips[i])) return false;
    }
    return true;
}

static bool is_picture(const struct manifest_clip *clip)
{
    const char *extension = strrchr(clip->video, '.');
    return extension != NULL && strcmp(extension, ".png") == 0;
}

/* Opens by itself: there is nothing to play. */
static void put_picture(struct buf *out, const struct manifest_clip *clip)
{
    buf_printf(out, "<a class=\"stage%s\"", is_small(clip) ? " crisp" : "");
    put_shape_style(out, clip);
    buf_append_text(out, " href=\"");
    page_put_link(out, clip->video);
    buf_append_text(out, "\"><img alt=\"\" loading=\"lazy\" src=\"");
    page_put_link(out, clip->video);
    buf_append_text(out, "\"></a>\n");
}

static void put_stage(struct buf *out, const struct manifest_clip *clip, bool playable)
{
    if (!playable) {
        buf_append_text(out, "<div class=\"stage none\"");
        put_shape_style(out, clip);
        buf_append_text(out, ">");
        page_put_text(out, *clip->note != '\0' ? clip->note : "no video");
        buf_append_text(out, "</div>\n");
        return;
    }
    if (is_picture(clip)) {
        put_picture(out, clip);
        return;
    }
    buf_printf(out, "<button type=\"button\" class=\"stage%s\" aria-label=\"Play or pause\"",
               is_small(clip) ? " crisp" : "");
    put_shape_style(out, clip);
    buf_append_text(out, "><video muted loop playsinline disablepictureinpicture "
                         "preload=\"metadata\" data-src=\"");
    page_put_link(out, clip->video);
    buf_append_text(out, "\"></video></button>\n");
}

static void put_fact(struct buf *out, bool *first, const char *text)
{
    if (!*first) buf_append_text(out, " · ");
    *first = false;
    page_put_text(out, text);
}

static void put_number_fact(struct buf *out, bool *first, const struct manifest_clip *clip,
                            const char *key, const char *format)
{
    const json_t *value = clip->recipe != NULL ? json_object_get(clip->recipe, key) : NULL;
    if (!json_is_number(value)) return;
    char number[32], text[64];
    (void)snprintf(number, sizeof(number), "%.6g", json_number_value(value));
    (void)snprintf(text, sizeof(text), "%s", format);
    char *place = strchr(text, '#');
    if (place == NULL) return;
    *place = '\0';
    char fact[128];
    (void)snprintf(fact, sizeof(fact), "%s%s%s", text, number, place + 1);
    put_fact(out, first, fact);
}

static void put_recipe_facts(struct buf *out, const struct manifest_clip *clip)
{
    static const struct {
        const char *key, *format;
        bool of_video;
    } rows[] = {
        {"num_frames", "#\u00a0frames", true},
        {"fps", "#\u00a0fps", true},
        {"num_inference_steps", "#\u00a0steps", false},
        {"guidance_scale", "guidance\u00a0#", false},
    };
    bool first = true;
    buf_append_text(out, "<p class=\"facts\">");
    if (clip->seed[0] != '\0') {
        buf_append_text(out, "<b>seed ");
        page_put_text(out, clip->seed);
        buf_append_text(out, "</b>");
        first = false;
    }
    int64_t width = recipe_int(clip, "width");
    int64_t height = recipe_int(clip, "height");
    if (width > 0 && height > 0) {
        char size[64];
        (void)snprintf(size, sizeof(size), "%lld×%lld", (long long)width, (long long)height);
        put_fact(out, &first, size);
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].of_video && is_picture(clip)) continue;
        put_number_fact(out, &first, clip, rows[i].key, rows[i].format);
    }
    const char *scheduler = json_string_value(json_object_get(clip->recipe, "scheduler"));
    if (scheduler != NULL) put_fact(out, &first, scheduler);
    buf_append_text(out, "</p>\n");
}

static void put_work_facts(struct buf *out, const struct manifest_clip *clip)
{
    if (clip->seconds < 0 && *clip->worker == '\0') return;
    buf_append_text(out, "<p class=\"facts\">rendered");
    if (clip->seconds >= 0) buf_printf(out, " in %.3g s", clip->seconds);
    if (*clip->worker != '\0') {
        buf_append_text(out, " on ");
        page_put_text(out, clip->worker);
    }
    buf_append_text(out, "</p>\n");
}

static void put_badges(struct buf *out, const struct manifest_clip *clip)
{
    const char *state = state_of(clip);
    if (strcmp(state, "published") != 0) {
        bool failed = strcmp(state, "failed") == 0;
        buf_printf(out, "<span class=\"badge%s\">", failed ? " failed" : "");
        page_put_text(out, state);
        buf_append_text(out, "</span>\n");
    }
    if (!is_suspect(clip)) return;
    buf_append_text(out, "<span class=\"badge suspect\">suspect: ");
    page_put_text(out, clip->suspect);
    buf_append_text(out, "</span>\n");
}

static void put_recipe(struct buf *out, const struct manifest_clip *clip, bool playable)
{
    if (clip->recipe == NULL && !playable) return;
    buf_append_text(out, "<details class=\"more\"><summary>Recipe</summary>\n");
    if (clip->recipe != NULL) {
        char *text = json_pretty(clip->recipe);
        buf_append_text(out, "<pre>");
        page_put_text(out, text);
        buf_append_text(out, "</pre>\n");
        free(text);
    }
    buf_append_text(out, "<div class=\"acts\">");
    if (clip->recipe != NULL) {
        buf_append_text(out, "<button type=\"button\" class=\"copy\">Copy recipe</button>");
    }
    if (playable) {
        buf_append_text(out, "<a href=\"");
        page_put_link(out, clip->video);
        buf_append_text(out, is_picture(clip) ? "\">Open PNG</a>" : "\">Open MP4</a>");
    }
    buf_append_text(out, "</div>\n</details>\n");
}

static void put_card(struct buf *out, const struct manifest_clip *clip)
{
    bool playable = *clip->video != '\0' && path_is_safe_relative(clip->video);
    bool told = playable && clip->scene_count > 0;
    buf_printf(out, "<article class=\"card%s\" data-kinds=\"", told ? " told" : "");
    page_put_text(out, state_of(clip));
    buf_append_text(out, is_suspect(clip) ? " suspect\">\n" : "\">\n");
    put_stage(out, clip, playable);
    buf_append_text(out, "<div class=\"text\">\n<p class=\"prompt\">");
    page_put_text(out, *clip->prompt != '\0' ? clip->prompt : "(no prompt)");
    buf_append_text(out, "</p>\n");
    put_recipe_facts(out, clip);
    put_work_facts(out, clip);
    put_badges(out, clip);
    buf_append_text(out, "</div>\n");
    if (told) page_put_story(out, clip);
    put_recipe(out, clip, playable);
    buf_append_text(out, "</article>\n");
}

static void put_foot(struct buf *out, size_t left_out)
{
    buf_append_text(out, "<p id=\"empty\" class=\"empty\" hidden>Nothing matches.</p>\n</main>\n");
    if (left_out > 0) {
        buf_printf(out, "<footer>and %zu more, not on this page</footer>\n", left_out);
    }
    buf_append_text(out, "<noscript><footer>Without JavaScript the clips do not play here; each "
                         "recipe has a link to its file.</footer></noscript>\n<script>\n");
    put_lines(out, page_script);
    buf_append_text(out, "</script>\n</body>\n</html>\n");
}

size_t page_render(const struct manifest *m, struct buf *out)
{
    const char *title = *m->title != '\0' ? m->title : "Clips";
    size_t limit = m->limit > 0 ? (size_t)m->limit : PAGE_CLIPS;
    size_t shown = m->clip_count < limit ? m->clip_count : limit;
    put_head(out, title);
    put_header(out, m, title);
    buf_printf(out, "<main>\n<div class=\"grid%s\">\n", all_small(m) ? " small" : "");
    for (size_t i = 0; i < shown; i++) {
        put_card(out, &m->clips[i]);
    }
    buf_append_text(out, "</div>\n");
    put_foot(out, m->clip_count - shown);
    return shown;
}

bool page_write(const struct manifest *m, const char *path, size_t *shown, struct error *err)
{
    struct buf html = BUF_INIT;
    *shown = page_render(m, &html);
    bool ok = path_write_atomic(path, html.data, html.size, 0644, err);
    buf_finish(&html);
    return ok;
}
