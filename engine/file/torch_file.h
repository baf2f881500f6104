/* torch_file: what torch.save writes: a ZIP archive with one pickle and a file a storage. Tensors
 * only: nothing in the pickle is run (pickle.h). A tensor that depends on an object of another
 * class, or does not fit its storage, is an entry with a problem, refused when asked for. */
#ifndef ZOE_ENGINE_FILE_TORCH_FILE_H
#define ZOE_ENGINE_FILE_TORCH_FILE_H

#include "engine/file/tensor_file.h"

/* Begins like an archive or like the pickles that torch wrote before 2020, which are refused with
 * a word on how to convert them. False for files that cannot be read. */
bool torch_file_is(const char *path);

/* ERROR_INVALID names file and tensor. Tensors are named by their keys in the state dict (the
 * outermost dict, or the one under "state_dict" in it), those of a list "0", "1", .. */
struct tensor_file *torch_file_open(const char *path, struct error *err);

#endif
