/* CURVE keys are X25519 keys: libsodium makes them and computes the public half. */
#include "proto/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/id.h"
#include "base/path.h"
#include "base/xalloc.h"

#define FILE_BYTES (KEY_TEXT_SIZE) /* 64 digits and a newline */

_Static_assert(KEY_BYTES == crypto_scalarmult_BYTES, "a CURVE key is an X25519 key");

static void fill_public(struct key_pair *pair)
{
    ZOE_ASSERT(crypto_scalarmult_base(pair->public_key, pair->secret_key) == 0);
}

void keys_generate(struct key_pair *out)
{
    id_random(out->secret_key, KEY_BYTES);
    fill_public(out);
}

void keys_wipe(struct key_pair *pair)
{
    sodium_memzero(pair, sizeof(*pair));
}

bool keys_equal(const uint8_t a[KEY_BYTES], const uint8_t b[KEY_BYTES])
{
    return sodium_memcmp(a, b, KEY_BYTES) == 0;
}

void keys_text(const uint8_t key[KEY_BYTES], char out[KEY_TEXT_SIZE])
{
    hex_encode(key, KEY_BYTES, out);
}

bool keys_parse(const char *text, uint8_t out[KEY_BYTES], const char *what, struct error *err)
{
    if (strlen(text) == 2 * KEY_BYTES && hex_decode(text, out, KEY_BYTES)) return true;
    return error_set(err, ERROR_INVALID, "%s is not a key: 64 hex digits are needed", what);
}

static bool write_all(int fd, const char *path, const char *text, struct error *err)
{
    if (!path_write_fd(fd, text, FILE_BYTES, path, err)) return false;
    if (fsync(fd) == 0) return true;
    return error_set_errno(err, errno, "cannot write %s", path);
}

/* Writes `temporary` and links it to `path`: link(2) fails when the name is taken, and a crash
 * leaves either no key or a whole one. */
static bool save_text(const char *path, const char *temporary, const char *text, struct error *err)
{
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return error_set_errno(err, errno, "cannot make %s", temporary);
    bool ok = write_all(fd, temporary, text, err);
    (void)close(fd);
    if (ok && link(temporary, path) != 0) {
        ok = errno == EEXIST
                 ? error_set(err, ERROR_STATE, "%s is there already and is not written over", path)
                 : error_set_errno(err, errno, "cannot make %s", path);
    }
    (void)unlink(temporary);
    return ok;
}

bool keys_save(const char *path, const struct key_pair *pair, struct error *err)
{
    char text[FILE_BYTES + 1];
    keys_text(pair->secret_key, text);
    text[FILE_BYTES - 1] = '\n';
    text[FILE_BYTES] = '\0';
    char *temporary = xasprintf("%s.tmp.%016llx", path, (unsigned long long)id_random_u64());
    char *folder = path_dirname(path);
    bool ok = save_text(path, temporary, text, err) && path_fsync_folder(folder, err);
    free(folder);
    free(temporary);
    sodium_memzero(text, sizeof(text));
    return ok;
}

static bool check_private(int fd, const char *path, struct error *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0) return error_set_errno(err, errno, "cannot look at %s", path);
    if (!S_ISREG(info.st_mode)) return error_set(err, ERROR_AUTH, "%s is not a file", path);
    if ((info.st_mode & 077) != 0) {
        return error_set(err, ERROR_AUTH, "others may read the key file %s: chmod 600 it", path);
    }
    if (info.st_uid != geteuid() && geteuid() != 0) {
        return error_set(err, ERROR_AUTH, "the key file %s belongs to somebody else", path);
    }
    return true;
}

static bool read_secret(int fd, const char *path, uint8_t secret[KEY_BYTES], struct error *err)
{
    char text[FILE_BYTES + 2] = {0}; /* room to see that there is more */
    size_t size = 0;
    ssize_t got = 0;
    while (size < sizeof(text) - 1 && (got = read(fd, text + size, sizeof(text) - 1 - size)) != 0) {
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return error_set_errno(err, errno, "cannot read %s", path);
        size += (size_t)got;
    }
    if (size == FILE_BYTES && text[size - 1] == '\n') text[--size] = '\0';
    bool ok = size == 2 * KEY_BYTES && hex_decode(text, secret, KEY_BYTES);
    sodium_memzero(text, sizeof(text));
    if (ok) return true;
    return error_set(err, ERROR_INVALID, "%s does not hold a key (64 hex digits)", path);
}

bool keys_load(const char *path, struct key_pair *out, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT) {
        return error_set(err, ERROR_NOT_FOUND, "there is no key file %s", path);
    }
    if (fd < 0) return error_set_errno(err, errno, "cannot open the key file %s", path);
    bool ok = check_private(fd, path, err) && read_secret(fd, path, out->secret_key, err);
    (void)close(fd);
    if (ok) fill_public(out);
    return ok;
}

bool keys_load_or_create(const char *path, struct key_pair *out, bool *created, struct error *err)
{
    struct error first = {0};
    if (created != NULL) *created = false;
    if (keys_load(path, out, &first)) return true;
    if (first.code != ERROR_NOT_FOUND) return error_set(err, first.code, "%s", first.message);
    keys_generate(out);
    if (!keys_save(path, out, err)) return false;
    if (created != NULL) *created = true;
    return true;
}
