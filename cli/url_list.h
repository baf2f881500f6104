/* url_list: what a URL stands for: one file; a sharded checkpoint (`*.index.json`, its shards
 * beside it); or a folder on any web server, by a SHA256SUMS file (as `sha256sum` writes it, paths
 * relative to it) or a URL that ends in '/', which means the SHA256SUMS there. */
#ifndef ZOE_CLI_URL_LIST_H
#define ZOE_CLI_URL_LIST_H

#include "cli/download.h"
#include "cli/model_choice.h"

/* Fills `listing`; all of one file or of a sharded one is `chosen`, of a folder nothing yet
 * (*choose_out: model_choice_make has to). */
bool url_list(struct download *d, const char *url, struct listing *listing, bool *choose_out,
              struct error *err);

/* Lines "HEX  PATH" or "HEX *PATH"; pure. `url` is the list's own. */
bool url_list_parse_sums(const char *text, const char *url, struct listing *listing,
                         struct error *err);
/* {"weight_map": {TENSOR: FILE}}; pure. */
bool url_list_parse_index(const char *text, size_t size, const char *url, struct listing *listing,
                          struct error *err);

#endif
