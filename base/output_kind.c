#include "base/output_kind.h"

#include <stddef.h>
#include <string.h>

static const struct {
    const char *name, *extension;
} rows[OUTPUT_KIND_COUNT] = {
    [OUTPUT_VIDEO] = {"video", "mp4"},
    [OUTPUT_IMAGE] = {"image", "png"},
    [OUTPUT_REPORT] = {"report", "report.json"},
};

const char *output_kind_name(enum output_kind kind)
{
    return rows[kind].name;
}

const char *output_kind_extension(enum output_kind kind)
{
    return rows[kind].extension;
}

bool output_kind_find(const char *name, enum output_kind *out)
{
    for (int i = 0; i < OUTPUT_KIND_COUNT; i++) {
        if (strcmp(rows[i].name, name) != 0) continue;
        *out = (enum output_kind)i;
        return true;
    }
    return false;
}

bool output_kind_of_path(const char *path, enum output_kind *out)
{
    const char *name = strrchr(path, '/');
    const char *dot = strrchr(name != NULL ? name : path, '.');
    for (int i = 0; dot != NULL && i < OUTPUT_KIND_COUNT; i++) {
        if (strcmp(rows[i].extension, dot + 1) != 0) continue;
        *out = (enum output_kind)i;
        return true;
    }
    return false;
}
