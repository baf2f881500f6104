/* output: what a person and a program see. JSON straight from the farm's messages (their field
 * names are the schema), tables for people, colour on a terminal only. */
#ifndef ZOE_CLI_OUTPUT_H
#define ZOE_CLI_OUTPUT_H

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

/* Every field, absent ones too. bytes -> hex, enums -> lower-case names without their prefix, *_ms
 * wall times -> RFC 3339 (null when 0), *_ms durations -> *_s seconds. New reference. */
json_t *output_json(const ProtobufCMessage *message);

/* Adds "schema" in front and prints one object, pretty. Takes the reference. */
void output_print(json_t *object, const char *schema);
void output_print_message(const ProtobufCMessage *message, const char *schema);
/* One line (NDJSON), flushed at once. Takes the reference. */
void output_print_line(json_t *object, const char *schema);

/* A table with aligned columns; cells are copied. */
struct output_table;
struct output_table *output_table_create(const char *const *titles, int columns);
void output_table_cell(struct output_table *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void output_table_print(struct output_table *t); /* prints to stdout and destroys */

/* Colour codes, empty unless stream 1 (stdout) or 2 (stderr) is a terminal and NO_COLOR is unset.
 */
enum output_colour {
    COLOUR_NONE,
    COLOUR_DIM,
    COLOUR_BOLD,
    COLOUR_GREEN,
    COLOUR_RED,
    COLOUR_YELLOW,
    COLOUR_BLUE
};
const char *output_colour(int stream, enum output_colour colour);
enum output_colour output_state_colour(const char *state);
bool output_is_terminal(int stream);
int output_columns(void); /* width of the terminal on stderr, 80 when unknown */

/* Width of UTF-8 text in terminal cells. */
int output_width(const char *text);

/* "3 min ago" from a wall time; "-" for 0. */
void output_age(uint64_t wall_ms, char *out, size_t out_size);
/* "in 3 min" until a wall time. */
void output_until(uint64_t wall_ms, char *out, size_t out_size);

#endif
