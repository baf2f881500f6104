/* A strict walk over the elements of a segment file. The demuxer that reads it afterwards is made
 * to save what it can from damaged files; here any damage is a reason to refuse. */
#include "media/matroska.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libavutil/crc.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum element_id {
    ID_EBML = 0x1A45DFA3,
    ID_EBML_VERSION = 0x4286,
    ID_EBML_READ_VERSION = 0x42F7,
    ID_EBML_MAX_ID = 0x42F2,
    ID_EBML_MAX_SIZE = 0x42F3,
    ID_DOCTYPE = 0x4282,
    ID_DOCTYPE_VERSION = 0x4287,
    ID_DOCTYPE_READ_VERSION = 0x4285,
    ID_SEGMENT = 0x18538067,
    ID_CRC32 = 0xBF,
    ID_VOID = 0xEC,
    ID_SEEK_HEAD = 0x114D9B74,
    ID_INFO = 0x1549A966,
    ID_TRACKS = 0x1654AE6B,
    ID_TRACK_ENTRY = 0xAE,
    ID_CONTENT_ENCODINGS = 0x6D80,
    ID_TAGS = 0x1254C367,
    ID_CLUSTER = 0x1F43B675,
    ID_CUES = 0x1C53BB6B,
};

struct walk {
    FILE *file;
    uint64_t at;   /* read position */
    uint64_t size; /* of the file */
    uint64_t clusters, tracks;
};

struct element {
    uint64_t start; /* of its id */
    uint32_t id;
    uint64_t body, end; /* positions */
};

static bool broken(const struct walk *w, struct error *err, const char *what)
{
    return error_set(err, ERROR_INVALID, "not a whole segment file: %s near byte %" PRIu64, what,
                     w->at);
}

static bool take(struct walk *w, void *out, size_t size, struct error *err)
{
    if (fread(out, 1, size, w->file) != size) return broken(w, err, "it ends");
    w->at += size;
    return true;
}

static bool go_to(struct walk *w, uint64_t position, struct error *err)
{
    if (position == w->at) return true;
    if (fseeko(w->file, (off_t)position, SEEK_SET) != 0) {
        return error_set_errno(err, errno, "seeking to byte %" PRIu64, position);
    }
    w->at = position;
    return true;
}

/* A number whose count of leading zero bits says how many bytes it has. */
static bool take_vint(struct walk *w, size_t bytes_max, bool keep_marker, uint64_t *out,
                      struct error *err)
{
    uint8_t byte;
    if (!take(w, &byte, 1, err)) return false;
    size_t length = 1;
    while (length <= bytes_max && (byte & (0x80 >> (length - 1))) == 0) {
        length++;
    }
    if (length > bytes_max) return broken(w, err, "a malformed number");
    uint64_t marker = UINT64_C(1) << (7 * length);
    uint64_t value = byte;
    for (size_t i = 1; i < length; i++) {
        if (!take(w, &byte, 1, err)) return false;
        value = value << 8 | byte;
    }
    if (!keep_marker && (value ^ marker) == marker - 1) {
        return broken(w, err, "an element of unknown length");
    }
    *out = keep_marker ? value : value ^ marker;
    return true;
}

/* The head of the next element, whose body must end within `limit`. */
static bool take_element(struct walk *w, uint64_t limit, struct element *out, struct error *err)
{
    uint64_t id = 0, size = 0;
    *out = (struct element){.start = w->at};
    if (!take_vint(w, 4, true, &id, err) || !take_vint(w, 8, false, &size, err)) return false;
    if (w->at > limit || size > limit - w->at) return broken(w, err, "an element is cut off");
    out->id = (uint32_t)id;
    out->body = w->at;
    out->end = w->at + size;
    return true;
}

static bool take_number(struct walk *w, const struct element *e, uint64_t *out, struct error *err)
{
    uint64_t size = e->end - e->body;
    if (size > 8) return broken(w, err, "a number of more than 8 bytes");
    *out = 0;
    while (w->at < e->end) {
        uint8_t byte;
        if (!take(w, &byte, 1, err)) return false;
        *out = *out << 8 | byte;
    }
    return true;
}

struct header_row {
    enum element_id id;
    uint64_t least, most;
};

static const struct header_row header_rows[] = {
    {ID_EBML_VERSION, 1, 1},  {ID_EBML_READ_VERSION, 1, 1}, {ID_EBML_MAX_ID, 4, 4},
    {ID_EBML_MAX_SIZE, 8, 8}, {ID_DOCTYPE_VERSION, 1, 4},   {ID_DOCTYPE_READ_VERSION, 1, 2},
};

static bool check_doctype(struct walk *w, const struct element *e, struct error *err)
{
    static const char want[] = "matroska";
    char have[sizeof(want) - 1];
    if (e->end - e->body != sizeof(have)) return broken(w, err, "another document type");
    if (!take(w, have, sizeof(have), err)) return false;
    return memcmp(have, want, sizeof(have)) == 0 || broken(w, err, "another document type");
}

#define HEADER_ROWS (sizeof(header_rows) / sizeof(header_rows[0]))

/* `seen` has a bit for each row of the table, and one more for the document type. */
static bool check_header_child(struct walk *w, const struct element *e, uint32_t *seen,
                               struct error *err)
{
    size_t row = 0;
    while (row < HEADER_ROWS && (uint32_t)header_rows[row].id != e->id) {
        row++;
    }
    if (row == HEADER_ROWS && e->id != ID_DOCTYPE) return broken(w, err, "an unknown element");
    uint32_t bit = UINT32_C(1) << row;
    if ((*seen & bit) != 0) return broken(w, err, "an element that stands twice");
    *seen |= bit;
    if (row == HEADER_ROWS) return check_doctype(w, e, err);
    uint64_t value = 0;
    if (!take_number(w, e, &value, err)) return false;
    if (value >= header_rows[row].least && value <= header_rows[row].most) return true;
    return broken(w, err, "an unknown version");
}

static bool check_header(struct walk *w, struct error *err)
{
    struct element header, child;
    uint32_t seen = 0;
    if (!take_element(w, w->size, &header, err)) return false;
    if (header.id != ID_EBML) return broken(w, err, "no Matroska header");
    while (w->at < header.end) {
        if (!take_element(w, header.end, &child, err)) return false;
        if (!check_header_child(w, &child, &seen, err)) return false;
    }
    bool all = seen == (UINT32_C(1) << (HEADER_ROWS + 1)) - 1;
    return all || broken(w, err, "an incomplete header");
}

static bool check_void(struct walk *w, const struct element *e, struct error *err)
{
    while (w->at < e->end) {
        uint8_t byte;
        if (!take(w, &byte, 1, err)) return false;
        if (byte != 0) return broken(w, err, "bytes in unused room");
    }
    return true;
}

/* The first child is the CRC-32 of everything that follows it in its parent. */
static bool check_crc(struct walk *w, const struct element *parent, struct error *err)
{
    struct element crc;
    uint8_t stored[4], block[16384];
    if (!take_element(w, parent->end, &crc, err)) return false;
    if (crc.id != ID_CRC32 || crc.end - crc.body != sizeof(stored)) {
        return broken(w, err, "a part without its checksum");
    }
    if (!take(w, stored, sizeof(stored), err)) return false;
    const AVCRC *table = av_crc_get_table(AV_CRC_32_IEEE_LE);
    uint32_t have = UINT32_MAX;
    while (w->at < parent->end) {
        uint64_t left = parent->end - w->at;
        size_t size = left < sizeof(block) ? (size_t)left : sizeof(block);
        if (!take(w, block, size, err)) return false;
        have = av_crc(table, have, block, size);
    }
    have ^= UINT32_MAX;
    uint32_t want = (uint32_t)stored[0] | (uint32_t)stored[1] << 8 | (uint32_t)stored[2] << 16 |
                    (uint32_t)stored[3] << 24;
    return have == want || broken(w, err, "a wrong checksum");
}

/* A track may ask for its packets to be inflated first; ours never does, and a bomb would. */
static bool check_track(struct walk *w, const struct element *track, struct error *err)
{
    while (w->at < track->end) {
        struct element child;
        if (!take_element(w, track->end, &child, err)) return false;
        if (child.id == ID_CONTENT_ENCODINGS) return broken(w, err, "compressed packets");
        if (!go_to(w, child.end, err)) return false;
    }
    return true;
}

static bool check_tracks(struct walk *w, const struct element *tracks, struct error *err)
{
    if (!go_to(w, tracks->body, err)) return false;
    while (w->at < tracks->end) {
        struct element child;
        if (!take_element(w, tracks->end, &child, err)) return false;
        if (child.id != ID_TRACK_ENTRY) {
            if (!go_to(w, child.end, err)) return false;
            continue;
        }
        w->tracks++;
        if (!check_track(w, &child, err)) return false;
    }
    return true;
}

static bool check_part(struct walk *w, const struct element *part, struct error *err)
{
    switch (part->id) {
    case ID_VOID:
        return check_void(w, part, err);
    case ID_TRACKS:
        return check_crc(w, part, err) && check_tracks(w, part, err);
    case ID_CLUSTER:
        w->clusters++;
        return check_crc(w, part, err);
    case ID_SEEK_HEAD:
    case ID_INFO:
    case ID_TAGS:
    case ID_CUES:
        return check_crc(w, part, err);
    default:
        return broken(w, err, "an element that has no place in it");
    }
}

static bool check_segment(struct walk *w, struct error *err)
{
    struct element segment, part;
    if (!take_element(w, w->size, &segment, err)) return false;
    if (segment.id != ID_SEGMENT) return broken(w, err, "no segment");
    if (segment.end != w->size) return broken(w, err, "bytes after its end");
    while (w->at < segment.end) {
        if (!take_element(w, segment.end, &part, err)) return false;
        if (!check_part(w, &part, err)) return false;
    }
    if (w->tracks != 1) return broken(w, err, "it does not hold one track");
    return w->clusters > 0 || broken(w, err, "it holds no pictures");
}

bool matroska_check(const char *path, struct error *err)
{
    struct walk w = {.file = fopen(path, "rbe")};
    if (w.file == NULL) {
        if (errno == ENOENT) return error_set(err, ERROR_NOT_FOUND, "%s does not exist", path);
        return error_set_errno(err, errno, "%s", path);
    }
    struct stat info;
    bool ok = fstat(fileno(w.file), &info) == 0 && S_ISREG(info.st_mode);
    if (ok) {
        w.size = (uint64_t)info.st_size;
        ok = check_header(&w, err) && check_segment(&w, err);
    } else {
        (void)error_set(err, ERROR_INVALID, "%s is not a file", path);
    }
    (void)fclose(w.file);
    return ok;
}
