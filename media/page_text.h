/* page_text: texts from outside on a page. Nothing that they hold can become markup. */
#ifndef ZOE_MEDIA_PAGE_TEXT_H
#define ZOE_MEDIA_PAGE_TEXT_H

#include "base/buf.h"

/* As text, also inside a quoted attribute. */
void page_put_text(struct buf *out, const char *text);
/* As a relative link: nothing but letters, digits and "-._~/" stays as it is, so no name can become
 * a scheme or a query. */
void page_put_link(struct buf *out, const char *path);

#endif
