#include "engine/fingerprint.h"

#include <stdio.h>

#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

/* log, exp, sin and cos come from there. */
static const char *libc_text(void)
{
#ifdef __GLIBC__
    return gnu_get_libc_version();
#else
    return "other";
#endif
}

void fingerprint_text(const struct ops *ops, char out[ENGINE_FINGERPRINT_SIZE])
{
    char variant[96] = "";
    if (ops == NULL) {
        snprintf(out, ENGINE_FINGERPRINT_SIZE, "zoe%d/exact", ENGINE_NUMERIC_VERSION);
        return;
    }
    ops->backend->variant(ops->context, variant, sizeof variant);
    for (char *c = variant; *c != '\0'; c++)
        if (*c == ' ') *c = '/';
    snprintf(out, ENGINE_FINGERPRINT_SIZE, "zoe%d/%s%s%s/libc-%s", ENGINE_NUMERIC_VERSION,
             ops->backend->name, variant[0] != '\0' ? "/" : "", variant, libc_text());
}
