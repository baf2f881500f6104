/* clip_tags: the texts that stand in a clip's own file. Borrowed, UTF-8, never NULL. */
#ifndef ZOE_MEDIA_CLIP_TAGS_H
#define ZOE_MEDIA_CLIP_TAGS_H

struct clip_tags {
    const char *title;   /* the prompt */
    const char *comment; /* the recipe, as JSON */
};

#endif
