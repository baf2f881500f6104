/* zoe-media sheet: a contact sheet of a batch. */
#include "media/media_commands.h"
#include "media/sheet.h"

bool media_sheet_run(struct media_call *call, struct error *err)
{
    const char *manifest_path = NULL, *out_path = NULL;
    const struct media_option options[] = {
        media_args_text("manifest", true, &manifest_path, "FILE", "what to show"),
        media_args_text("out", true, &out_path, "FILE", "the PNG to write"),
        {.name = NULL},
    };
    if (!media_call_parse(call, options, 0, 0, err)) return false;
    struct manifest manifest;
    if (!manifest_load(&manifest, manifest_path, err)) return false;
    struct sheet_result result;
    bool ok = sheet_write(&manifest, out_path, &result, err);
    if (ok) {
        media_reply_int(call, "width", result.width);
        media_reply_int(call, "height", result.height);
        media_reply_int(call, "rows", result.rows);
        media_reply_int(call, "unreadable", result.unreadable);
    }
    manifest_finish(&manifest);
    return ok;
}
