/* outbox_record: what stands beside the files of a finished result, as JSON: enough to offer it
 * again after a restart. */
#ifndef ZOE_WORKER_OUTBOX_RECORD_H
#define ZOE_WORKER_OUTBOX_RECORD_H

#include <jansson.h>

#include "worker/outbox.h"

/* 1: a segment and nothing else, its facts among the others. */
#define RECORD_VERSION 2

char *outbox_record_text(const struct outbox_entry *e); /* caller frees */
/* Fills name, recipe, digests, fingerprint and result; of any version up to this one.
 * ERROR_VERSION: a newer build wrote it; ERROR_INVALID names what cannot be. */
bool outbox_record_read(const json_t *record, struct outbox_entry *e, struct error *err);

#endif
