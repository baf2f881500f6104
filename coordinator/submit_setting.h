/* submit_setting: what a line's own fields come to: its group and what it changes there.
 *
 * Options and line are merged, the model's defaults filled in, the whole checked against what
 * `zoe-engine describe` said of the model. Lines that repeat the same fields are answered from a
 * memo. Room-internal: submit_file.c. One thread at a time; nothing global. */
#ifndef ZOE_COORDINATOR_SUBMIT_SETTING_H
#define ZOE_COORDINATOR_SUBMIT_SETTING_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/table.h"
#include "coordinator/models.h"
#include "coordinator/submit_file.h"
#include "coordinator/submit_words.h"

#define SUBMIT_FIELD_SIZE 64

struct submit_model { /* a model that some line names */
    const struct model *model;
    json_t *facts;
    struct submit_words words;
};

struct submit_setting {
    uint32_t group;
    char *differs; /* JSON object text, or NULL */
    struct submit_model *model;
};

struct submit_settings {
    const struct model_list *list;
    const char *default_model;    /* or NULL */
    json_t *options;              /* checked recipe fields */
    struct submit_result *result; /* gets the groups */
    struct table models;          /* name -> struct submit_model */
    struct table groups;          /* shape text -> index + 1 */
    struct table memo;            /* canonical fields -> struct submit_setting */
};

/* `options` is borrowed. */
void submit_settings_init(struct submit_settings *s, const struct submit_input *input,
                          json_t *options, struct submit_result *result);
void submit_settings_finish(struct submit_settings *s);

/* `fields`: a checked object without prompt and seed; NULL = none. The answer lives until the next
 * call. NULL with err (USAGE: the line's fault; `field` names the place, "" = none). */
const struct submit_setting *submit_settings_of(struct submit_settings *s, json_t *fields,
                                                char field[SUBMIT_FIELD_SIZE], struct error *err);

#endif
