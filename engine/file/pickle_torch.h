/* pickle_torch: the few makers that torch.save writes: ordered dicts, tensors, parameters and
 * storages. Internal to the pickle reader. */
#ifndef ZOE_ENGINE_FILE_PICKLE_TORCH_H
#define ZOE_ENGINE_FILE_PICKLE_TORCH_H

#include "engine/file/pickle.h"

/* When calling `maker` only wraps its first argument: that argument. */
struct pickle_value *pickle_torch_pass(const struct pickle_value *maker, struct pickle_value *args);

/* Turns the fresh `out` into what `maker` called with `args` would give: a dict, a tensor, or an
 * inert value of the maker's name. */
void pickle_torch_make(const struct pickle_value *maker, const struct pickle_value *args,
                       struct pickle_value *out);

/* Turns the fresh `out` into the storage that a persistent id names, or an inert value. */
void pickle_torch_storage(const struct pickle_value *id, struct pickle_value *out);

#endif
