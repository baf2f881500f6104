/* model_digest: which files a model folder consists of, and the one digest that names them all.
 *
 * The digest is the SHA-256 of the lines `sha256 size path\n` of every file, sorted by path
 * (bytes). Left out, at the top of the folder: the file canary.json (the right answers stay on the
 * coordinator) and the folder train (how the weights were made, not what they are). A model is
 * shipped as exactly these files, so what was shipped has the same digest. */
#ifndef ZOE_BASE_MODEL_DIGEST_H
#define ZOE_BASE_MODEL_DIGEST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"

#define MODEL_DIGEST_FILES_MAX 1000
#define MODEL_DIGEST_DEPTH_MAX 8

/* Is this path, relative to the folder, left out? */
bool model_digest_leaves_out(const char *relative);

struct model_file {
    char *path; /* relative, '/' between parts; path_is_safe_relative holds */
    uint64_t size_bytes;
    struct digest digest;
};

struct model_files {
    struct model_file *items; /* sorted by path */
    size_t count;
    uint64_t total_bytes;
};

/* Lists and hashes every file. ERROR_NOT_FOUND, ERROR_IO; ERROR_INVALID for links, devices, unsafe
 * names, too many files, none at all. */
bool model_digest_list(const char *folder, struct model_files *out, struct error *err);
/* The same; ERROR_INTERRUPTED soon after another thread set *stop. */
bool model_digest_list_until(const char *folder, const atomic_bool *stop, struct model_files *out,
                             struct error *err);
void model_digest_finish(struct model_files *files);

/* The digest of a list, in its order of paths. Pure. */
struct digest model_digest_of(const struct model_files *files);

#endif
