/* A token from anywhere: it parses into something that makes the same text again, or says why not.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "proto/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct token t;
    struct error err = {0};
    char again[LIMIT_TOKEN_BYTES + 1];
    char *text = xmalloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';
    if (token_parse(text, &t, &err)) {
        ZOE_ASSERT(token_text(&t, again, &err) && strcmp(again, text) == 0);
    } else {
        ZOE_ASSERT(err.code == ERROR_INVALID && err.message[0] != '\0');
    }
    token_wipe(&t);
    free(text);
    return 0;
}
