/* Printing. The JSON of a message is made from its protobuf descriptor, so that a new field appears
 * in --json by itself. */
#include "cli/output.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "base/xalloc.h"

/* Fields whose unit changes on the way out. */
static const struct {
    const char *field, *key;
    bool is_time; /* else a duration */
} UNITS[] = {
    {"created_ms", "created", true},  {"finished_ms", "finished", true},
    {"goes_ms", "goes", true},        {"at_ms", "at", true},
    {"since_ms", "since", true},      {"allowed_ms", "allowed", true},
    {"expires_ms", "expires", true},  {"eta_ms", "eta_s", false},
    {"age_ms", "age_s", false},       {"seen_ms_ago", "seen_s_ago", false},
    {"begun_ms", "begun", true},      {"ended_ms", "ended", true},
    {"render_ms", "render_s", false},
};

static json_t *with_unit(uint64_t value, bool is_time)
{
    if (!is_time) return json_real((double)value / 1000);
    if (value == 0) return json_null();
    char text[CLOCK_TEXT_SIZE];
    clock_wall_text((int64_t)value, text);
    return json_string(text);
}

/* PHASE_RENDERING -> "rendering": cuts the prefix that all values of the enum share. */
static json_t *enum_name(const ProtobufCEnumDescriptor *descriptor, int value)
{
    const ProtobufCEnumValue *found = protobuf_c_enum_descriptor_get_value(descriptor, value);
    if (!found) return json_integer(value);
    const char *zero = descriptor->values[0].name;
    size_t prefix = strlen(zero) >= 4 ? strlen(zero) - 4 : 0; /* every zero value is PREFIX_NONE */
    char text[64];
    size_t n = 0;
    for (const char *c = found->name + prefix; *c && n + 1 < sizeof text; c++)
        text[n++] = (char)tolower((unsigned char)*c);
    text[n] = 0;
    return json_string(text);
}

static json_t *bytes_hex(const ProtobufCBinaryData *b)
{
    char *text = xmalloc(b->len * 2 + 1);
    hex_encode(b->data, b->len, text);
    json_t *value = json_string(text);
    free(text);
    return value;
}

static json_t *one_value(const ProtobufCFieldDescriptor *f, const void *at)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return json_integer(*(const int32_t *)at);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return json_integer(*(const int64_t *)at);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return json_integer(*(const uint32_t *)at);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return json_integer((json_int_t) * (const uint64_t *)at);
    case PROTOBUF_C_TYPE_FLOAT:
        return json_real((double)*(const float *)at);
    case PROTOBUF_C_TYPE_DOUBLE:
        return json_real(*(const double *)at);
    case PROTOBUF_C_TYPE_BOOL:
        return json_boolean(*(const protobuf_c_boolean *)at);
    case PROTOBUF_C_TYPE_ENUM:
        return enum_name(f->descriptor, *(const int *)at);
    case PROTOBUF_C_TYPE_STRING:
        return json_string(*(char *const *)at ? *(char *const *)at : "");
    case PROTOBUF_C_TYPE_BYTES:
        return bytes_hex(at);
    case PROTOBUF_C_TYPE_MESSAGE:
        return *(void *const *)at ? output_json(*(ProtobufCMessage *const *)at) : json_null();
    }
    return json_null();
}

static size_t element_size(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    default:
        return 4;
    }
}

static json_t *repeated_value(const ProtobufCFieldDescriptor *f, const char *base)
{
    json_t *list = json_array();
    size_t count = *(const size_t *)(const void *)(base + f->quantifier_offset);
    const char *items = *(char *const *)(const void *)(base + f->offset);
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, one_value(f, items + i * element_size(f->type)));
    return list;
}

static void add_field(json_t *object, const ProtobufCFieldDescriptor *f, const char *base)
{
    const void *at = base + f->offset;
    for (size_t i = 0; i < sizeof UNITS / sizeof *UNITS; i++)
        if (strcmp(f->name, UNITS[i].field) == 0) {
            json_object_set_new(object, UNITS[i].key,
                                with_unit(*(const uint64_t *)at, UNITS[i].is_time));
            return;
        }
    bool many = f->label == PROTOBUF_C_LABEL_REPEATED;
    json_object_set_new(object, f->name, many ? repeated_value(f, base) : one_value(f, at));
}

json_t *output_json(const ProtobufCMessage *message)
{
    json_t *object = json_object();
    const ProtobufCMessageDescriptor *d = message->descriptor;
    for (unsigned i = 0; i < d->n_fields; i++)
        add_field(object, &d->fields[i], (const char *)message);
    return object;
}

static json_t *with_schema(json_t *object, const char *schema)
{
    json_t *whole = json_object();
    json_object_set_new(whole, "schema", json_string(schema));
    json_object_update(whole, object);
    json_decref(object);
    return whole;
}

void output_print(json_t *object, const char *schema)
{
    json_t *whole = with_schema(object, schema);
    char *text = json_pretty(whole);
    fputs(text, stdout);
    free(text);
    json_decref(whole);
}

void output_print_message(const ProtobufCMessage *message, const char *schema)
{
    output_print(output_json(message), schema);
}

void output_print_line(json_t *object, const char *schema)
{
    json_t *whole = with_schema(object, schema);
    char *text = json_dumps(whole, JSON_COMPACT);
    puts(text);
    fflush(stdout);
    free(text);
    json_decref(whole);
}

/* ---- tables ---- */

struct output_table {
    int columns;
    int count; /* cells, titles included */
    int capacity;
    char **cells;
};

struct output_table *output_table_create(const char *const *titles, int columns)
{
    struct output_table *t = xcalloc(1, sizeof *t);
    t->columns = columns;
    for (int i = 0; i < columns; i++)
        output_table_cell(t, "%s", titles[i]);
    return t;
}

void output_table_cell(struct output_table *t, const char *format, ...)
{
    if (t->count == t->capacity) {
        t->capacity = t->capacity ? t->capacity * 2 : 64;
        t->cells = xrealloc_array(t->cells, (size_t)t->capacity, sizeof *t->cells);
    }
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    t->cells[t->count++] = xstrdup(text);
}

static int column_width(const struct output_table *t, int column)
{
    int width = 0;
    for (int i = column; i < t->count; i += t->columns) {
        int w = output_width(t->cells[i]);
        if (w > width) width = w;
    }
    return width;
}

static void print_cell(const char *text, int width, bool title, bool last)
{
    enum output_colour colour = title ? COLOUR_DIM : output_state_colour(text);
    printf("%s%s%s", output_colour(1, colour), text,
           colour == COLOUR_NONE ? "" : output_colour(1, COLOUR_NONE));
    if (!last) printf("%*s", width - output_width(text) + 2, "");
}

void output_table_print(struct output_table *t)
{
    int *widths = xcalloc((size_t)t->columns, sizeof *widths);
    for (int c = 0; c < t->columns; c++)
        widths[c] = column_width(t, c);
    for (int i = 0; i < t->count; i++) {
        bool last = i % t->columns == t->columns - 1;
        print_cell(t->cells[i], widths[i % t->columns], i < t->columns, last);
        if (last) putchar('\n');
        free(t->cells[i]);
    }
    free(widths);
    free(t->cells);
    free(t);
}

/* ---- terminal ---- */

bool output_is_terminal(int stream)
{
    return isatty(stream) == 1;
}

static const char *const CODES[] = {
    [COLOUR_NONE] = "\x1b[0m",   [COLOUR_DIM] = "\x1b[2m",  [COLOUR_BOLD] = "\x1b[1m",
    [COLOUR_GREEN] = "\x1b[32m", [COLOUR_RED] = "\x1b[31m", [COLOUR_YELLOW] = "\x1b[33m",
    [COLOUR_BLUE] = "\x1b[34m",
};

const char *output_colour(int stream, enum output_colour colour)
{
    const char *refused = getenv("NO_COLOR");
    if (!output_is_terminal(stream) || (refused && *refused)) return "";
    return CODES[colour];
}

static const struct {
    const char *state;
    enum output_colour colour;
} STATES[] = {
    {"done", COLOUR_GREEN},      {"published", COLOUR_GREEN}, {"idle", COLOUR_GREEN},
    {"busy", COLOUR_BLUE},       {"running", COLOUR_BLUE},    {"rendering", COLOUR_BLUE},
    {"failed", COLOUR_RED},      {"canceled", COLOUR_YELLOW}, {"paused", COLOUR_YELLOW},
    {"queued", COLOUR_DIM},      {"offline", COLOUR_DIM},     {"quarantined", COLOUR_RED},
    {"unreachable", COLOUR_RED}, {"draining", COLOUR_YELLOW}, {"drained", COLOUR_DIM},
};

enum output_colour output_state_colour(const char *state)
{
    for (size_t i = 0; i < sizeof STATES / sizeof *STATES; i++)
        if (strcmp(state, STATES[i].state) == 0) return STATES[i].colour;
    return COLOUR_NONE;
}

int output_columns(void)
{
    const char *set = getenv("COLUMNS");
    struct winsize size;
    if (ioctl(2, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    return set && atoi(set) > 0 ? atoi(set) : 80;
}

int output_width(const char *text)
{
    int width = 0;
    mbstate_t state = {0};
    while (*text) {
        wchar_t c;
        size_t n = mbrtowc(&c, text, strlen(text), &state);
        if (n == 0 || n > strlen(text)) return width + (int)strlen(text);
        int cells = wcwidth(c);
        width += cells > 0 ? cells : 0;
        text += n;
    }
    return width;
}

void output_age(uint64_t wall_ms, char *out, size_t out_size)
{
    if (wall_ms == 0) {
        snprintf(out, out_size, "-");
        return;
    }
    char text[64];
    const uint64_t now_ms = (uint64_t)clock_wall_ms(); /* the other is a peer's word */
    const uint64_t age_ms = now_ms > wall_ms ? now_ms - wall_ms : 0;
    clock_duration_text((int64_t)age_ms * NS_PER_MS, text, sizeof text);
    snprintf(out, out_size, "%s ago", text);
}

void output_until(uint64_t wall_ms, char *out, size_t out_size)
{
    char text[64];
    const uint64_t now_ms = (uint64_t)clock_wall_ms();
    const uint64_t left_ms = wall_ms > now_ms ? wall_ms - now_ms : 0;
    clock_duration_text((int64_t)left_ms * NS_PER_MS, text, sizeof text);
    snprintf(out, out_size, "in %s", text);
}
