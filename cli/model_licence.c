/* What a folder says of its licence. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/path.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "cli/model_gather.h"

#define TEXT_BYTES_MAX (1024 * 1024)
#define LICENCE_MAX 100

static char *from_manifest(const char *folder)
{
    char *path = path_join(folder, "zoetrope.json");
    json_t *manifest = json_parse_file(path, TEXT_BYTES_MAX, NULL);
    const char *licence = json_string_value(json_object_get(manifest, "licence"));
    char *copy = licence && *licence ? xstrdup(licence) : NULL;
    json_decref(manifest);
    free(path);
    return copy;
}

/* "license: cc-by-nc-4.0", quotes and blanks cut. */
static char *value_of(const char *line, const char *key)
{
    size_t size = strlen(key);
    if (strncmp(line, key, size) != 0) return NULL;
    line += size + strspn(line + size, " \t\"'");
    size_t length = strcspn(line, "\"'\r\n");
    while (length && line[length - 1] == ' ')
        length--;
    return length && length <= LICENCE_MAX && text_is_utf8(line, length) ? xstrndup(line, length)
                                                                         : NULL;
}

/* The front matter is what stands between two lines of three dashes on top. */
static char *from_card(const char *folder)
{
    struct buf text = BUF_INIT;
    char *path = path_join(folder, "README.md"), *found = NULL;
    if (path_read(path, TEXT_BYTES_MAX, &text, NULL) && strncmp(buf_text(&text), "---", 3) == 0) {
        const char *line = strchr(buf_text(&text), '\n');
        for (; line && !found && strncmp(line + 1, "---", 3) != 0; line = strchr(line + 1, '\n'))
            found = value_of(line + 1, "license:");
    }
    buf_finish(&text);
    free(path);
    return found;
}

static char *from_licence_file(const char *folder)
{
    static const char *const NAMES[] = {"LICENSE", "LICENSE.md", "LICENSE.txt", "LICENCE",
                                        "LICENCE.md"};
    char *found = NULL;
    for (size_t i = 0; !found && i < sizeof NAMES / sizeof *NAMES; i++) {
        struct buf text = BUF_INIT;
        char *path = path_join(folder, NAMES[i]);
        if (path_read(path, TEXT_BYTES_MAX, &text, NULL)) {
            const char *line = buf_text(&text);
            line += strspn(line, " \t\r\n#");
            size_t length = strcspn(line, "\r\n");
            if (length && length <= LICENCE_MAX && text_is_utf8(line, length))
                found = xstrndup(line, length);
        }
        buf_finish(&text);
        free(path);
    }
    return found;
}

char *gather_find_licence(const char *folder)
{
    char *found = from_manifest(folder);
    if (!found) found = from_card(folder);
    return found ? found : from_licence_file(folder);
}
