/* tidy: the names of a diffusers folder's tensors as today's diffusers writes them. Older versions,
 * wrappers and other writers left prefixes and older names. */
#ifndef ZOE_ENGINE_FORMS_TIDY_H
#define ZOE_ENGINE_FORMS_TIDY_H

#include "engine/folder/model_parts.h"

/* Takes `file` over; gives it back, or a view that owns it. */
struct tensor_file *tidy_names(struct tensor_file *file, enum model_part part);

#endif
