/* vocabulary: the symbols of a byte-level BPE tokenizer and their ids.
 *
 * A folder gives them as vocab.json. Where that is missing they follow from merges.txt by the rule
 * that CLIP's vocabulary was made with: the 256 bytes, the 256 bytes that end a word, one symbol a
 * merge in the order of the file, begin and end. */
#ifndef ZOE_ENGINE_TEXT_VOCABULARY_H
#define ZOE_ENGINE_TEXT_VOCABULARY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/table.h"

#define VOCABULARY_FILE_LIMIT_BYTES ((size_t)16 << 20)
#define VOCABULARY_END_OF_WORD "</w>"

/* Byte-level alphabet: the code point that stands for a byte in symbols. Bytes that print stand for
 * themselves, the others for 256, 257, .. in their own order. */
uint32_t vocabulary_letter(int byte);

/* Fills `ids` (symbol text -> id + 1, initialised by the caller) and the number of ids, one more
 * than the highest. ERROR_INVALID and ERROR_NOT_FOUND name the file. */
bool vocabulary_read(const char *folder, struct table *ids, int *size_out, struct error *err);

#endif
