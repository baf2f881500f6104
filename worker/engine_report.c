#include "worker/engine_report.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"

int engine_report(json_t *answer, const struct error *err)
{
    if (answer == NULL) {
        fprintf(stderr, "zoe-engine: %s\n", err->message);
        return error_exit_code(err->code);
    }
    char *text = json_canonical(answer);
    const bool printed = printf("%s\n", text) > 0 && fflush(stdout) == 0;
    free(text);
    json_decref(answer);
    return printed ? 0 : error_exit_code(ERROR_IO);
}
