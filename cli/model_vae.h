/* model_vae: the VAE for a model that comes without one: the web interface's form of ZeroScope has
 * UNet and text encoder only. A model of the farm is whole by itself, since workers get its folder
 * and nothing beside it, so the VAE is copied in. */
#ifndef ZOE_CLI_MODEL_VAE_H
#define ZOE_CLI_MODEL_VAE_H

#include "cli/model_gather.h"
#include "cli/model_place.h"

/* Whether the listing is of such a model. */
bool model_vae_is_missing(const struct listing *listing, enum model_listing_form form);
/* Where `given` has one: a file, a folder with VQGAN_autoencoder.pth, or a model of the farm with
 * it. Caller frees; NULL with ERROR_NOT_FOUND, or ERROR_USAGE when nothing is given. */
char *model_vae_find(const struct model_place *place, const char *given, struct error *err);
bool model_vae_copy(const char *from, const char *folder, struct error *err);

#endif
