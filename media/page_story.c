/* Pictures of scenes, as JPEG in data: links. */
#include "media/page_story.h"

#include <sodium.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "media/jpeg.h"
#include "media/page_text.h"
#include "media/strip.h"

static void put_base64(struct buf *out, const struct buf *bytes)
{
    const int variant = sodium_base64_VARIANT_ORIGINAL;
    const size_t room = sodium_base64_encoded_len(bytes->size, variant);
    char *text = xmalloc(room);
    (void)sodium_bin2base64(text, room, bytes->data, bytes->size, variant);
    buf_append_text(out, text);
    free(text);
}

static void put_picture(struct buf *out, const struct strip *pictures, size_t index)
{
    struct buf jpeg = BUF_INIT;
    if (pictures->pictures != NULL &&
        jpeg_append(pictures->pictures[index], pictures->width, pictures->height, &jpeg, NULL)) {
        buf_printf(out, "<img alt=\"\" width=\"%d\" height=\"%d\" src=\"data:image/jpeg;base64,",
                   pictures->width, pictures->height);
        put_base64(out, &jpeg);
        buf_append_text(out, "\">");
    }
    buf_finish(&jpeg);
}

static void put_time(struct buf *out, double seconds)
{
    const int whole = (int)seconds;
    buf_printf(out, "<time>%d:%02d</time>", whole / 60, whole % 60);
}

static void put_scene(struct buf *out, const struct manifest_scene *scene, double at,
                      const struct strip *pictures, size_t index)
{
    buf_printf(out, "<li><button type=\"button\" class=\"scene\" data-at=\"%.6g\">", at);
    put_picture(out, pictures, index);
    put_time(out, at);
    buf_append_text(out, "<span>");
    page_put_text(out, scene->prompt);
    buf_append_text(out, "</span></button></li>\n");
}

/* Small clips keep their size: the page enlarges them pixel by pixel. */
static void load(const struct manifest_clip *clip, struct strip *out)
{
    int64_t frames[MANIFEST_SCENES_MAX];
    struct strip size;
    for (size_t i = 0; i < clip->scene_count; i++)
        frames[i] = clip->scenes[i].frame;
    *out = (struct strip){.pictures = NULL};
    if (*clip->path == '\0' || !strip_measure(clip->path, 1, 1, 1, &size, NULL)) return;
    const int most = PAGE_STORY_SIDE_MAX, width = size.source.width, height = size.source.height;
    (void)strip_load_at(clip->path, frames, (int)clip->scene_count, width < most ? width : most,
                        height < most ? height : most, out, NULL);
}

void page_put_story(struct buf *out, const struct manifest_clip *clip)
{
    struct strip pictures;
    double at = 0;
    if (clip->scene_count == 0) return;
    load(clip, &pictures);
    buf_append_text(out, "<ol class=\"story\" aria-label=\"Storyboard\">\n");
    for (size_t i = 0; i < clip->scene_count; i++) {
        put_scene(out, &clip->scenes[i], at, &pictures, i);
        at += clip->scenes[i].seconds;
    }
    buf_append_text(out, "</ol>\n");
    strip_finish(&pictures);
}
