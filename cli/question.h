/* question: a command that asks the coordinator one thing and prints the one answer. */
#ifndef ZOE_CLI_QUESTION_H
#define ZOE_CLI_QUESTION_H

#include <jansson.h>

#include "cli/client.h"
#include "cli/command.h"

/* The answer in words, without --json. */
typedef void (*question_print)(const struct call *call, const Farm__Envelope *answer);

/* What only this side knows is added to the JSON. */
typedef void (*question_amend)(json_t *json, const Farm__Envelope *answer);

/* Connects, asks, prints with `print` or as JSON under `schema`, and gives the exit code. */
int question_run(struct call *call, Farm__Envelope *request, Farm__Envelope__BodyCase expected,
                 const char *schema, question_print print);
int question_run_amended(struct call *call, Farm__Envelope *request,
                         Farm__Envelope__BodyCase expected, const char *schema,
                         question_amend amend, question_print print);

#endif
