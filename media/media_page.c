/* zoe-media page: a page that plays a batch. */
#include "media/media_commands.h"
#include "media/page.h"

bool media_page_run(struct media_call *call, struct error *err)
{
    const char *manifest_path = NULL, *out_path = NULL;
    const struct media_option options[] = {
        media_args_text("manifest", true, &manifest_path, "FILE", "what to show"),
        media_args_text("out", true, &out_path, "FILE", "the HTML to write"),
        {.name = NULL},
    };
    if (!media_call_parse(call, options, 0, 0, err)) return false;
    struct manifest manifest;
    if (!manifest_load(&manifest, manifest_path, err)) return false;
    size_t shown = 0;
    bool ok = page_write(&manifest, out_path, &shown, err);
    if (ok) media_reply_int(call, "clips", (int64_t)shown);
    manifest_finish(&manifest);
    return ok;
}
