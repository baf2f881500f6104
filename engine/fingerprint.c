#include "engine/fingerprint.h"

#include <stdio.h>
#include <unistd.h>

static void spaces_to(char *text, char replacement)
{
    for (; *text != '\0'; text++)
        if (*text == ' ') *text = replacement;
}

/* log, exp, sin and cos come from the C library: "glibc-2.36". */
static void libc_text(char *out, size_t out_size)
{
    snprintf(out, out_size, "libc");
#ifdef _CS_GNU_LIBC_VERSION
    confstr(_CS_GNU_LIBC_VERSION, out, out_size);
#endif
    spaces_to(out, '-');
}

void fingerprint_text(const struct ops *ops, char out[ENGINE_FINGERPRINT_SIZE])
{
    char variant[80] = "", libc[40];
    if (ops == NULL) {
        snprintf(out, ENGINE_FINGERPRINT_SIZE, "zoe%d/exact", ENGINE_NUMERIC_VERSION);
        return;
    }
    libc_text(libc, sizeof libc);
    ops->backend->variant(ops->context, variant, sizeof variant);
    spaces_to(variant, '/');
    snprintf(out, ENGINE_FINGERPRINT_SIZE, "zoe%d/%.16s%s%s/%s", ENGINE_NUMERIC_VERSION,
             ops->backend->name, variant[0] != '\0' ? "/" : "", variant, libc);
}
