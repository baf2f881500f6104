/* A state.json from outside: what is taken leads to a next part within the limits. */
#include <stdint.h>

#include "base/xalloc.h"
#include "cli/stream_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stream_state s;
    struct error err = {0};
    if (!stream_state_parse(&s, (const char *)data, size, &err)) return 0;
    for (int latents = 0; latents <= 1; latents++) {
        const struct stream_place p = stream_place_next(&s, latents);
        ZOE_ASSERT(p.base >= 0 && p.base <= p.first && p.first < p.end && p.seed >= 0);
        ZOE_ASSERT(p.extend_frames == (s.next > 0 ? p.first - p.base : 0));
        ZOE_ASSERT(!p.from_latents || p.end - p.base <= STREAM_NUMBER_MAX);
    }
    return 0;
}
