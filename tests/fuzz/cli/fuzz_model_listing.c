/* What servers say of a model's files: the hub's answer, an index, a list of digests. Every file
 * that is taken has a safe path below the model's folder and an address of the asked server. */
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/xalloc.h"
#include "cli/hub.h"
#include "cli/url_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SERVER "https://host.example/"

static void check_listing(struct listing *l)
{
    struct error err = {0};
    enum model_listing_form form;
    for (size_t i = 0; i < l->count; i++) {
        ZOE_ASSERT(path_is_safe_relative(l->files[i].path));
        ZOE_ASSERT(strncmp(l->files[i].url, SERVER, strlen(SERVER)) == 0);
    }
    (void)model_choice_make(l, false, "it", &form, &err);
    listing_finish(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct listing l = {0};
    struct error err = {0};
    struct model_source source;
    struct hub_repository repository;
    char *text = xmalloc(size + 1);
    memcpy(text, data, size);
    text[size] = 0;
    if (model_source_parse("hf:ann/tiny", &source, &err)) {
        (void)hub_parse(text, size, "https://host.example", &source, &repository, &l, &err);
        hub_repository_finish(&repository);
        model_source_finish(&source);
    }
    check_listing(&l);
    (void)url_list_parse_index(text, size, SERVER "m/x.index.json", &l, &err);
    check_listing(&l);
    (void)url_list_parse_sums(text, SERVER "m/SHA256SUMS", &l, &err);
    check_listing(&l);
    free(text);
    return 0;
}
