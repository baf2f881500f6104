/* Bytes from an engine child. */
#include <stdint.h>

#include "base/buf.h"
#include "worker/pipe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf in = BUF_INIT;
    struct error err;
    json_t *message = NULL;
    buf_append(&in, data, size);
    while (pipe_take(&in, &message, &err) && message)
        json_decref(message);
    buf_finish(&in);
    return 0;
}
