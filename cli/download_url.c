/* Addresses: which may be asked, and how they are put together. */
#include <ctype.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/xalloc.h"
#include "cli/download.h"

static bool is_loopback(const char *host)
{
    bool address = strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == strlen(host);
    return address || strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0;
}

static bool judge_scheme(const char *scheme, const char *host, bool allow_http, struct error *err)
{
    if (strcasecmp(scheme, "https") == 0) return true;
    if (strcasecmp(scheme, "http") != 0)
        return error_set(err, ERROR_REFUSED, "%.20s: only https and http are fetched", scheme);
    if (allow_http || is_loopback(host)) return true;
    return error_set(
        err, ERROR_REFUSED,
        "plain http to %.100s can be read and changed on the way; --allow-http fetches "
        "it all the same",
        host);
}

static bool judge(CURLU *parts, const char *url, bool allow_http, struct error *err)
{
    char *scheme = NULL, *host = NULL, *user = NULL;
    curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0);
    curl_url_get(parts, CURLUPART_HOST, &host, 0);
    curl_url_get(parts, CURLUPART_USER, &user, 0);
    bool ok = false;
    if (!scheme || (!host && strncasecmp(scheme, "http", 4) == 0))
        error_set(err, ERROR_USAGE, "'%.200s' is not a URL", url);
    else if (user)
        error_set(err, ERROR_REFUSED,
                  "a URL with a name or password in it ends up in logs; leave it out");
    else
        ok = judge_scheme(scheme, host ? host : "", allow_http, err);
    curl_free(scheme);
    curl_free(host);
    curl_free(user);
    return ok;
}

bool download_url_check(const char *url, bool allow_http, struct error *err)
{
    CURLU *parts = curl_url();
    if (!parts) return error_set(err, ERROR_NO_MEMORY, "no memory for a URL");
    bool ok = curl_url_set(parts, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK
                  ? judge(parts, url, allow_http, err)
                  : error_set(err, ERROR_USAGE, "'%.200s' is not a URL", url);
    curl_url_cleanup(parts);
    return ok;
}

char *download_url_escape(const char *text)
{
    struct buf out = BUF_INIT;
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (isalnum(*c) || strchr("-._~/", *c))
            buf_append_char(&out, (char)*c);
        else
            buf_printf(&out, "%%%02X", *c);
    }
    return buf_take_text(&out);
}

char *download_url_beside(const char *base, const char *path)
{
    size_t end = strcspn(base, "?#");
    const char *host = strstr(base, "://");
    const char *least = host ? host + 3 : base;
    while (base + end > least && base[end - 1] != '/')
        end--;
    char *escaped = download_url_escape(path);
    char *url = base + end == least ? xasprintf("%s/%s", base, escaped)
                                    : xasprintf("%.*s%s", (int)end, base, escaped);
    free(escaped);
    return url;
}
