/* page_story: the storyboard of a clip on the page: one picture a scene with its prompt and its
 * time. The pictures are decoded from the clip and stand in the page itself. */
#ifndef ZOE_MEDIA_PAGE_STORY_H
#define ZOE_MEDIA_PAGE_STORY_H

#include "base/buf.h"
#include "media/manifest.h"

#define PAGE_STORY_SIDE_MAX 320 /* pixels of a picture */

/* Nothing for a clip without scenes. A picture that cannot be had is left out, its prompt is not.
 */
void page_put_story(struct buf *out, const struct manifest_clip *clip);

#endif
