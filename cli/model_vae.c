#include "cli/model_vae.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "base/xalloc.h"
#include "cli/file_copy.h"

#define FILE_NAME "VQGAN_autoencoder.pth"

bool model_vae_is_missing(const struct listing *l, enum model_listing_form form)
{
    if (form != LISTING_ORIGINAL) return false;
    for (size_t i = 0; i < l->count; i++)
        if (l->files[i].chosen && strncmp(l->files[i].path, FILE_NAME, strlen("VQGAN_")) == 0)
            return false;
    return true;
}

/* `place` itself, or the file in it. Takes nothing; NULL when there is none. */
static char *file_at(const char *place)
{
    char *inside = path_is_folder(place) ? path_join(place, FILE_NAME) : xstrdup(place);
    if (path_exists(inside)) return inside;
    free(inside);
    return NULL;
}

char *model_vae_find(const struct model_place *place, const char *given, struct error *err)
{
    if (!given) {
        error_set(
            err, ERROR_USAGE,
            "this model comes without a VAE: --vae names one, a " FILE_NAME
            ", a ModelScope folder, or a model of the farm that was added from such a folder");
        return NULL;
    }
    char *own = model_name_is_valid(given) ? model_place_model(place, given) : NULL;
    char *found = file_at(given);
    if (!found && own) found = file_at(own);
    free(own);
    if (!found)
        error_set(err, ERROR_NOT_FOUND, "--vae: there is no " FILE_NAME " at %.200s", given);
    return found;
}

bool model_vae_copy(const char *from, const char *folder, struct error *err)
{
    struct stat info;
    if (stat(from, &info) != 0) return error_set_errno(err, errno, "%s", from);
    char *to = path_join(folder, FILE_NAME);
    bool ok = file_copy(from, to, (uint64_t)info.st_size, err);
    free(to);
    return ok;
}
