/* input_files: the files that a submission's recipes start from (init_video, init_image, mask). A
 * person names paths; the farm knows digests: each path is read once, replaced by "sha256:HEX", and
 * sent before the submission unless the coordinator has it. */
#ifndef ZOE_CLI_INPUT_FILES_H
#define ZOE_CLI_INPUT_FILES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/error.h"
#include "proto/limits.h"
#include "proto/zclient.h"

struct input_file {
    char *path;
    struct digest sha256;
    uint64_t size_bytes;
};

struct input_files { /* zeroed = none */
    struct input_file items[LIMIT_INPUTS];
    int count;
};

void input_files_finish(struct input_files *files);

/* Paths among the members of `fields` (canonical names) become digests; those that are digests
 * already stay. A relative path counts from `folder`; NULL: from where we are. ERROR_NOT_FOUND,
 * ERROR_IO; ERROR_REFUSED for a file that is empty or larger than LIMIT_INPUT_BYTES, and for more
 * than LIMIT_INPUTS files. */
bool input_files_replace(struct input_files *files, json_t *fields, const char *folder,
                         struct error *err);
/* The same in each line of JSONL text, whose other lines stay as they are, byte for byte; the error
 * names the line. Lines that are no JSON stay too: the coordinator tells what is wrong with them.
 */
bool input_files_replace_lines(struct input_files *files, struct buf *text, const char *folder,
                               struct error *err);

/* Sends those that the coordinator lacks. `timeout_ns` bounds its silence. */
bool input_files_send(const struct input_files *files, struct zclient *client, int64_t timeout_ns,
                      zclient_progress progress, void *context, struct error *err);

#endif
