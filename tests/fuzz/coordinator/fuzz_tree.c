/* A batch's folder from a disk that may be damaged: batch.json in the first part of the input, a
 * sidecar in the rest (a line "----" between them). What is taken makes sense. */
#include <string.h>

#include "fuzz/fuzz_folder.h"

#include "base/json.h"
#include "coordinator/rebuild.h"
#include "coordinator/tree.h"

#define MARK "\n----\n"
#define MARK_SIZE (sizeof MARK - 1)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum output_kind output_of(void *context, uint32_t clip)
{
    const struct rebuild_facts *facts = context;
    return facts->shapes[clip % facts->groups].output;
}

static void found(void *context, const struct clip_record *clip, uint64_t computed, uint64_t wasted,
                  int64_t published_ms)
{
    const struct rebuild_facts *facts = context;
    (void)computed;
    (void)wasted;
    (void)published_ms;
    ZOE_ASSERT(clip->clip < facts->clips && clip->state == CLIP_PUBLISHED);
    ZOE_ASSERT(path_is_safe_relative(clip->file));
}

/* Of half of the clips the file is the published one: a damaged one is lost then. */
static const char *published(void *context, uint32_t clip)
{
    const struct rebuild_facts *facts = context;
    ZOE_ASSERT(clip < facts->clips);
    return clip % 2 == 0 ? "0_a_s1.mp4" : NULL;
}

static void look(const struct rebuild_facts *facts)
{
    struct error err = {0};
    struct findings findings = {0};
    struct tree_look l = {.folder = fuzz_folder(),
                          .batch = facts->id,
                          .clips = facts->clips,
                          .findings = &findings,
                          .context = (void *)(uintptr_t)facts,
                          .output = output_of,
                          .published = published,
                          .found = found};
    ZOE_ASSERT(tree_clips(&l, &err));
    findings_finish(&findings);
}

/* Where the first part ends. */
static size_t middle_of(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i + MARK_SIZE <= size; i++)
        if (memcmp(data + i, MARK, MARK_SIZE) == 0) return i;
    return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rebuild_facts facts;
    struct error err = {0};
    const size_t first = middle_of(data, size);
    const uint8_t *rest = data + (first < size ? first + MARK_SIZE : size);
    json_t *about = json_parse((const char *)data, first, "batch.json", &err);
    if (about != NULL && rebuild_facts_read(about, &facts, &err)) {
        ZOE_ASSERT(facts.groups > 0 && facts.clips > 0 && facts.clips <= LIMIT_SUBMIT_CLIPS);
        fuzz_put("0_a_s1.json", rest, (size_t)(data + size - rest));
        fuzz_put("0_a_s1.mp4", (const uint8_t *)"x", 1);
        look(&facts);
        rebuild_facts_finish(&facts);
    } else {
        ZOE_ASSERT(err.code != ERROR_NONE && err.message[0] != '\0');
    }
    json_decref(about);
    return 0;
}
