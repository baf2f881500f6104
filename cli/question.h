/* question: a command that asks the coordinator one thing and prints the one answer. */
#ifndef ZOE_CLI_QUESTION_H
#define ZOE_CLI_QUESTION_H

#include "cli/client.h"
#include "cli/command.h"

/* The answer in words, without --json. */
typedef void (*question_print)(const struct call *call, const Farm__Envelope *answer);

/* Connects, asks, prints with `print` or as JSON under `schema`, and gives the exit code. */
int question_run(struct call *call, Farm__Envelope *request, Farm__Envelope__BodyCase expected,
                 const char *schema, question_print print);

#endif
