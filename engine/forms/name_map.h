/* name_map: old names of modules or tensors -> diffusers' names, and views of files under the new
 * ones. A row stands for a tensor of that name and for everything below it: "a.b" maps
 * "a.b.weight". The longest row wins. */
#ifndef ZOE_ENGINE_FORMS_NAME_MAP_H
#define ZOE_ENGINE_FORMS_NAME_MAP_H

#include "engine/file/tensor_file.h"

#define NAME_MAP_SIZE 256 /* of a name, with its end */

struct name_map;

struct name_map *name_map_new(void);
void name_map_free(struct name_map *m); /* NULL is fine */

void name_map_add(struct name_map *m, const char *from, const char *to);
/* Weights of a 1x1 convolution that diffusers keeps as a matrix: dimensions of 1 behind the second
 * go. */
void name_map_add_matrix(struct name_map *m, const char *from, const char *to);
/* One tensor of three equal parts: `to` has a %c for q, k and v: rows [0, n) are q. */
void name_map_add_thirds(struct name_map *m, const char *from, const char *to);
void name_map_drop(struct name_map *m, const char *from);

/* The tensors of `source` (borrowed) whose names begin with `prefix`, mapped without it. Names that
 * no row knows are kept whole, so that they are reported as left over; without a map (NULL) only
 * the prefix goes. ERROR_INVALID when two names become one. */
struct tensor_file *name_map_view(const struct name_map *m, const struct tensor_file *source,
                                  const char *prefix, struct error *err);

/* The first prefix (of a NULL-terminated list) under which `probe` is in the file, or NULL. */
const char *name_map_prefix(const struct tensor_file *file, const char *const *prefixes,
                            const char *probe);

#endif
