/* Weights of a prompt's words: ( ) [ ] (x:1.3), escapes, BREAK. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/prompt.h"
#include "base/text.h"
#include "base/xalloc.h"

#define STRONGER 1.1
#define NUMBER_MAX_BYTES 32

static const char chunk_word[] = "BREAK";

/* Open brackets of one kind: the part that follows each. */
struct opened {
    int parts[PROMPT_NESTING_MAX];
    int depth;
};

struct weigher {
    const char *text, *at; /* whole; what is read next */
    struct prompt_text *out;
    int room;
    struct opened round, square;
    struct error *err;
};

static struct prompt_part *add_part(struct weigher *w, const char *text, size_t size,
                                    bool new_chunk)
{
    struct prompt_text *out = w->out;
    if (out->count == w->room) {
        w->room = 2 * w->room + 8;
        out->parts = xrealloc_array(out->parts, (size_t)w->room, sizeof *out->parts);
    }
    struct prompt_part *part = &out->parts[out->count++];
    *part = (struct prompt_part){xstrndup(text, size), 1, new_chunk};
    return part;
}

/* ---- brackets ---- */

static bool open_bracket(struct weigher *w, struct opened *open)
{
    if (open->depth == PROMPT_NESTING_MAX)
        return prompt_error(w->err, w->text, w->at, "brackets nested more than %d deep",
                            PROMPT_NESTING_MAX);
    open->parts[open->depth++] = w->out->count;
    w->at++;
    return true;
}

static bool close_bracket(struct weigher *w, struct opened *open, double factor)
{
    for (int i = open->parts[--open->depth]; i < w->out->count; i++) {
        struct prompt_part *part = &w->out->parts[i];
        part->weight *= factor;
        if (!(fabs(part->weight) <= PROMPT_WEIGHT_MAX))
            return prompt_error(w->err, w->text, w->at, "a weight beyond %d", PROMPT_WEIGHT_MAX);
    }
    return true;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static const char *skip_spaces(const char *at)
{
    while (is_space(*at))
        at++;
    return at;
}

/* After a colon: number and closing bracket. Returns what follows, NULL when it is something else.
 */
static const char *weight_end(const char *colon, const char **number, size_t *size)
{
    *number = skip_spaces(colon + 1);
    *size = strspn(*number, "+-.0123456789");
    const char *end = skip_spaces(*number + *size);
    return *size > 0 && *end == ')' ? end + 1 : NULL;
}

static bool read_weight(struct weigher *w, const char *number, size_t size, double *out)
{
    char copy[NUMBER_MAX_BYTES];
    if (size < sizeof copy) {
        memcpy(copy, number, size);
        copy[size] = '\0';
        if (text_parse_double(copy + (copy[0] == '+'), out)) return true;
    }
    return prompt_error(w->err, w->text, number, "\"%.*s\" is no weight",
                        (int)(size < 40 ? size : 40), number);
}

/* ---- words ---- */

static bool is_word_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
           (unsigned char)c >= 0x80;
}

/* Where BREAK stands as a word of its own in a run; NULL when it does not. */
static const char *find_break(const char *run, const char *end)
{
    const size_t size = sizeof chunk_word - 1;
    for (const char *at = run; at + size <= end; at++)
        if (memcmp(at, chunk_word, size) == 0 && (at == run || !is_word_byte(at[-1])) &&
            (at + size == end || !is_word_byte(at[size])))
            return at;
    return NULL;
}

/* Text without brackets; the spaces around a BREAK go with it. */
static void take_run(struct weigher *w, const char *run, const char *end)
{
    bool new_chunk = false;
    for (;;) {
        const char *found = find_break(run, end), *stop = found != NULL ? found : end;
        while (found != NULL && stop > run && is_space(stop[-1]))
            stop--;
        if (new_chunk || stop > run) add_part(w, run, (size_t)(stop - run), new_chunk);
        if (found == NULL) return;
        new_chunk = true;
        run = found + sizeof chunk_word - 1;
        while (run < end && is_space(*run))
            run++;
    }
}

/* A backslash makes the next bracket or backslash a plain character, and is dropped anyway. */
static void take_escape(struct weigher *w)
{
    w->at++;
    if (*w->at != '\0' && strchr("()[]\\", *w->at) != NULL) add_part(w, w->at++, 1, false);
}

static bool take_next(struct weigher *w)
{
    const char *number, *after = NULL;
    size_t size = 0;
    double weight;
    const char c = *w->at;
    if (c == '\\') {
        take_escape(w);
        return true;
    }
    if (c == '(') return open_bracket(w, &w->round);
    if (c == '[') return open_bracket(w, &w->square);
    if (c == ':') after = weight_end(w->at, &number, &size);
    if (after != NULL && w->round.depth > 0) {
        if (!read_weight(w, number, size, &weight) || !close_bracket(w, &w->round, weight))
            return false;
        w->at = after;
        return true;
    }
    if (c == ')' && w->round.depth > 0) return w->at++, close_bracket(w, &w->round, STRONGER);
    if (c == ']' && w->square.depth > 0) return w->at++, close_bracket(w, &w->square, 1 / STRONGER);
    const size_t run = strcspn(w->at, "\\()[]:");
    take_run(w, w->at, w->at + (run > 0 ? run : 1));
    w->at += run > 0 ? run : 1;
    return true;
}

/* ---- all of it ---- */

static void join(struct prompt_part *part, const struct prompt_part *more)
{
    char *text = xasprintf("%s%s", part->text, more->text);
    free(part->text);
    part->text = text;
    part->weight = more->weight;
}

/* Neighbours of one weight become one part; words are cut into tokens part by part. */
static void join_parts(struct prompt_text *t)
{
    int kept = 0;
    for (int i = 1; i < t->count; i++) {
        struct prompt_part *last = &t->parts[kept], *part = &t->parts[i];
        if (!part->new_chunk && (last->weight == part->weight || last->text[0] == '\0')) {
            join(last, part);
            free(part->text);
        } else {
            t->parts[++kept] = *part;
        }
    }
    t->count = kept + 1;
}

bool prompt_weigh(struct prompt_text *out, const char *text, struct error *err)
{
    struct weigher w = {.text = text, .at = text, .out = out, .err = err};
    bool ok = true;
    *out = (struct prompt_text){0};
    while (ok && *w.at != '\0')
        ok = take_next(&w);
    while (ok && w.round.depth > 0)
        ok = close_bracket(&w, &w.round, STRONGER);
    while (ok && w.square.depth > 0)
        ok = close_bracket(&w, &w.square, 1 / STRONGER);
    if (out->count == 0) add_part(&w, "", 0, false);
    if (ok) join_parts(out);
    return ok;
}
