/* canary_file: the right answers to a model's canary, from its canary.json, which never leaves the
 * coordinator: {"recipe": {...}, "frames_sha256": "HEX" | {"FINGERPRINT": "HEX", ...}}. The
 * `pattern` family is integer arithmetic, so that one digest serves every fingerprint. */
#ifndef ZOE_COORDINATOR_CANARY_FILE_H
#define ZOE_COORDINATOR_CANARY_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/digest.h"
#include "base/error.h"

struct canary_answer {
    char *fingerprint; /* NULL = any */
    struct digest frames_sha256;
};

struct canary_file {
    char *recipe; /* canonical text, complete */
    struct canary_answer *answers;
    size_t count;
};

/* Reads FOLDER/canary.json. ERROR_NOT_FOUND when there is none, ERROR_INVALID when it is wrong. */
bool canary_file_read(struct canary_file *c, const char *folder, struct error *err);
void canary_file_finish(struct canary_file *c);

enum canary_verdict { CANARY_RIGHT, CANARY_WRONG, CANARY_UNKNOWN };
/* UNKNOWN: there is no answer for this fingerprint. */
enum canary_verdict canary_file_judge(const struct canary_file *c, const char *fingerprint,
                                      const struct digest *frames_sha256);

#endif
