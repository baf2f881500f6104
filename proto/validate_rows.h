/* validate_rows: short forms for the rows of the validate_*.c tables. Only they include it. */
#ifndef ZOE_PROTO_VALIDATE_ROWS_H
#define ZOE_PROTO_VALIDATE_ROWS_H

#include "farm.pb-c.h"
#include "proto/limits.h"
#include "proto/validate.h"

/* clang-format off */
#define ANY(f)            {#f, VALIDATE_ANY, 0, 0}
#define TEXT(f, lo, hi)   {#f, VALIDATE_TEXT, lo, hi}
#define NAME(f, lo, hi)   {#f, VALIDATE_NAME, lo, hi}
#define WORD(f, lo)       {#f, VALIDATE_NAME, lo, LIMIT_BACKEND_BYTES}
#define BATCH_ID(f, lo)   {#f, VALIDATE_BATCH_ID, lo, 0}
#define BATCH_REF(f, lo)  {#f, VALIDATE_BATCH_REF, lo, 0}
#define PATH(f, lo)       {#f, VALIDATE_PATH, lo, 0}
#define DIGEST(f, lo)     {#f, VALIDATE_DIGEST, lo, 0}
#define BYTES(f, size)    {#f, VALIDATE_BYTES, 1, size}
#define SOME(f, lo, hi)   {#f, VALIDATE_SOME_BYTES, lo, hi}
#define RANGE(f, lo, hi)  {#f, VALIDATE_RANGE, lo, hi}
#define ENUM(f, lo)       {#f, VALIDATE_ENUM, lo, 0}
#define SUB(f, lo)        {#f, VALIDATE_SUB, lo, 0}
#define MANY(f, lo, hi)   {#f, VALIDATE_MANY, lo, hi}
#define TEXTS(f, hi)      {#f, VALIDATE_MANY_TEXT, 0, hi}
#define DIGESTS(f, hi)    {#f, VALIDATE_MANY_DIGEST, 0, hi}

/* name: the C name of the message's descriptor; rules: an array of rows. */
#define TABLE(name, rules, extra) \
    {&farm__##name##__descriptor, rules, sizeof(rules) / sizeof((rules)[0]), extra}
#define EMPTY(name)       {&farm__##name##__descriptor, NULL, 0, NULL}
/* clang-format on */

#endif
