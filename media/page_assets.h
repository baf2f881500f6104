/* page_assets: style and script of the page, as lines. NULL ends each. */
#ifndef ZOE_MEDIA_PAGE_ASSETS_H
#define ZOE_MEDIA_PAGE_ASSETS_H

extern const char *const page_style[];
extern const char *const page_script[];

#endif
