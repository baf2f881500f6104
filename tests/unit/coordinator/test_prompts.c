/* Prompts files: every clip of odd batches, the cache, damage at every byte, removal. */
#include "ground.h"

#include <sys/stat.h>

#include "base/json.h"
#include "coordinator/prompts.h"
#include "coordinator/prompts_block.h"

#define BATCH "0123456789"
#define OTHER "abcdefghjk"

static char *file_of(void **state, const char *batch)
{
    return xasprintf("%s/%s.prompts", (char *)*state, batch);
}

static json_t *two_groups(void)
{
    return json_pack("[{s:s, s:i, s:f}, {s:s, s:i, s:f}]", "model", "shapes", "width", 64, "fps",
                     8.0, "model", "pattern", "width", 32, "fps", 8.0);
}

/* Line n: n % 3 == 0 plain, 1 = own seeds, 2 = group 1 and another width. */
static struct prompts_line line_of(uint64_t n, char text[64], int64_t seeds[3])
{
    struct prompts_line line = {.text = text};
    line.text_size = (size_t)snprintf(text, 64, "prompt %llu \xc3\xbc", (unsigned long long)n);
    if (n % 3 == 1) {
        for (uint32_t i = 0; i < 3; i++)
            seeds[i] = INT64_MAX - (int64_t)(n * 3 + i);
        line.seeds = seeds;
        line.seed_count = (uint32_t)(1 + n % 2 * 2);
    }
    if (n % 3 == 2) {
        line.group = 1;
        line.differs = "{\"guidance_scale\":2.5,\"width\":null}";
    }
    return line;
}

#define SEEDS 2

static uint64_t make(void **state, const char *batch, uint64_t count)
{
    struct error err;
    char *path = file_of(state, batch);
    struct prompts_writer *w = prompts_writer_open(path, 7, SEEDS, &err);
    assert_non_null(w);
    uint64_t clips = 0;
    for (uint64_t n = 0; n < count; n++) {
        char text[64];
        int64_t seeds[3];
        struct prompts_line line = line_of(n, text, seeds);
        assert_ok(prompts_writer_add(w, &line, &err), err);
        clips += line.seed_count ? line.seed_count : SEEDS;
    }
    json_t *groups = two_groups();
    assert_ok(prompts_writer_finish(w, groups, &err), err);
    json_decref(groups);
    free(path);
    return clips;
}

static void check_clip(struct prompts *p, uint64_t clip, uint64_t n, uint32_t seed_index)
{
    struct error err;
    char text[64];
    int64_t seeds[3];
    struct prompts_line line = line_of(n, text, seeds);
    struct prompts_clip found;
    assert_ok(prompts_clip(p, BATCH, clip, &found, &err), err);
    assert_string_equal(found.text, text);
    assert_int_equal(found.text_size, line.text_size);
    assert_int_equal(found.prompt, n);
    assert_int_equal(found.group, line.group);
    assert_int_equal(found.seed_index, seed_index);
    assert_int_equal(found.seed, line.seed_count ? line.seeds[seed_index] : 7 + seed_index);
    if (line.differs)
        assert_string_equal(found.differs, line.differs);
    else
        assert_null(found.differs);
}

static void every_clip_is_found(void **state)
{
    static const uint64_t counts[] = {1, 2, 1023, 1024, 1025, 2048, 3000};
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        struct error err;
        uint64_t clips = make(state, BATCH, counts[c]);
        struct prompts *p = prompts_create(*state, 1);
        uint64_t prompts, total;
        uint32_t groups;
        assert_ok(prompts_totals(p, BATCH, &prompts, &total, &groups, &err), err);
        assert_int_equal(prompts, counts[c]);
        assert_int_equal(total, clips);
        assert_int_equal(groups, 2);
        uint64_t clip = 0;
        for (uint64_t n = 0; n < counts[c]; n++) {
            char text[64];
            int64_t seeds[3];
            struct prompts_line line = line_of(n, text, seeds);
            for (uint32_t i = 0; i < (line.seed_count ? line.seed_count : SEEDS); i++)
                check_clip(p, clip++, n, i);
        }
        assert_int_equal(clip, clips);
        struct prompts_clip past;
        assert_false(prompts_clip(p, BATCH, clips, &past, &err));
        assert_int_equal(err.code, ERROR_NOT_FOUND);
        assert_ok(prompts_remove(p, BATCH, &err), err);
        prompts_destroy(p);
    }
}

static void the_cache_holds_more_batches_than_files(void **state)
{
    struct error err;
    struct prompts *p = prompts_create(*state, 300 * 1024);
    char batch[ID_BATCH_SIZE] = BATCH;
    for (char i = 0; i < 20; i++) {
        batch[9] = "0123456789abcdefghjk"[(int)i];
        make(state, batch, 1100);
    }
    for (int round = 0; round < 60; round++) {
        struct prompts_clip found;
        batch[9] = "0123456789abcdefghjk"[round * 7 % 20];
        uint64_t clip = (uint64_t)round * 41 % 2000;
        assert_ok(prompts_clip(p, batch, clip, &found, &err), err);
        struct prompts_clip again;
        char first[64];
        memcpy(first, found.text, found.text_size + 1);
        assert_ok(prompts_clip(p, batch, clip, &again, &err), err);
        assert_string_equal(again.text, first);
    }
    prompts_destroy(p);
}

static void recipes_are_put_together(void **state)
{
    struct error err;
    make(state, BATCH, 6);
    struct prompts *p = prompts_create(*state, 1 << 20);
    json_t *first = prompts_recipe(p, BATCH, 1, &err);
    char *text = json_canonical(first);
    assert_string_equal(text, "{\"fps\":8,\"model\":\"shapes\",\"prompt\":\"prompt 0 \xc3\xbc\","
                              "\"seed\":8,\"width\":64}");
    free(text);
    json_decref(first);
    json_t *changed = prompts_recipe(p, BATCH, 5, &err); /* line 2: 2 + 3 clips before it */
    text = json_canonical(changed);
    assert_string_equal(text, "{\"fps\":8,\"guidance_scale\":2.5,\"model\":\"pattern\","
                              "\"prompt\":\"prompt 2 \xc3\xbc\",\"seed\":7}");
    free(text);
    json_decref(changed);
    json_t *again = prompts_recipe(p, BATCH, 1, &err); /* the base was not touched */
    assert_int_equal(json_integer_value(json_object_get(again, "width")), 64);
    json_decref(again);
    prompts_destroy(p);
}

struct runs {
    uint64_t next, clips[2];
    uint32_t last;
    uint64_t count;
};

static void add_run(void *context, uint64_t first, uint64_t count, uint32_t group)
{
    struct runs *runs = context;
    assert_int_equal(first, runs->next);
    assert_true(count > 0 && (runs->count == 0 || group != runs->last));
    runs->next += count;
    runs->clips[group] += count;
    runs->last = group;
    runs->count++;
}

static void groups_come_as_runs(void **state)
{
    struct error err;
    uint64_t clips = make(state, BATCH, 2500);
    struct prompts *p = prompts_create(*state, 1 << 20);
    struct runs runs = {0};
    assert_ok(prompts_group_runs(p, BATCH, add_run, &runs, &err), err);
    assert_int_equal(runs.next, clips);
    assert_int_equal(runs.clips[1], 833 * SEEDS);
    assert_int_equal(runs.count, 833 * 2 + 1);
    prompts_destroy(p);
}

static void an_existing_file_is_never_written_over(void **state)
{
    struct error err;
    make(state, BATCH, 3);
    char *path = file_of(state, BATCH);
    assert_null(prompts_writer_open(path, 0, 1, &err));
    assert_true(path_exists(path));
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    free(path);
}

static void an_abandoned_writer_leaves_nothing(void **state)
{
    struct error err;
    char *path = file_of(state, BATCH);
    struct prompts_writer *w = prompts_writer_open(path, 0, 1, &err);
    struct prompts_line line = {.text = "x", .text_size = 1};
    assert_ok(prompts_writer_add(w, &line, &err), err);
    prompts_writer_abandon(w);
    prompts_writer_abandon(NULL);
    assert_false(path_exists(path));
    free(path);
}

#define LOOKED_AT 5
#define LOOK_STEP 14

struct looked { /* what the sound file says of some clips */
    char texts[LOOKED_AT][64];
    int64_t seeds[LOOKED_AT];
};

static void look(void **state, struct looked *out)
{
    struct error err;
    struct prompts *p = prompts_create(*state, 1 << 20);
    for (int i = 0; i < LOOKED_AT; i++) {
        struct prompts_clip found;
        assert_ok(prompts_clip(p, BATCH, (uint64_t)i * LOOK_STEP, &found, &err), err);
        (void)snprintf(out->texts[i], sizeof out->texts[i], "%s", found.text);
        out->seeds[i] = found.seed;
    }
    prompts_destroy(p);
}

/* Reads what a damaged file lets us read: an error or the right text, never a crash. */
static void read_all(void **state, const struct looked *right)
{
    struct error err;
    struct prompts *p = prompts_create(*state, 1 << 20);
    for (int i = 0; i < LOOKED_AT; i++) {
        struct prompts_clip found;
        json_t *recipe = NULL;
        if (prompts_clip(p, BATCH, (uint64_t)i * LOOK_STEP, &found, &err)) {
            assert_string_equal(found.text, right->texts[i]);
            assert_int_equal(found.seed, right->seeds[i]);
            recipe = prompts_recipe_of(p, BATCH, &found, &err);
        } else {
            assert_true(err.code == ERROR_CORRUPT || err.code == ERROR_NO_MEMORY);
        }
        json_decref(recipe);
    }
    prompts_destroy(p);
}

static bool is_whole(void **state)
{
    struct error err = {0};
    struct prompts *p = prompts_create(*state, 1 << 20);
    const bool whole = prompts_check(p, BATCH, &err);
    if (!whole) assert_non_null(strstr(err.message, BATCH ".prompts"));
    prompts_destroy(p);
    return whole;
}

static struct digest all_of(void **state, uint64_t clips)
{
    struct error err = {0};
    struct digest_stream s;
    struct prompts *p = prompts_create(*state, 1 << 20);
    digest_begin(&s);
    for (uint64_t i = 0; i < clips; i++) {
        struct prompts_clip found;
        assert_ok(prompts_clip(p, BATCH, i, &found, &err), err);
        digest_update(&s, found.text, found.text_size);
        digest_update(&s, &found.seed, sizeof found.seed);
        if (found.differs != NULL) digest_update(&s, found.differs, strlen(found.differs));
    }
    prompts_destroy(p);
    return digest_end(&s);
}

/* A few bits mean nothing (spare ones of the footer, padding within zstd): then nothing has changed
 * for a reader. */
static void a_check_finds_damage_anywhere(void **state)
{
    const uint64_t clips = make(state, BATCH, 2100);
    const struct digest right = all_of(state, clips);
    char *path = file_of(state, BATCH);
    struct buf whole = ground_read(path);
    size_t unseen = 0;
    assert_true(is_whole(state));
    for (size_t at = 0; at < whole.size; at++) {
        const uint8_t saved = whole.data[at];
        whole.data[at] ^= 0x41;
        ground_write(path, whole.data, whole.size);
        if (is_whole(state)) {
            const struct digest found = all_of(state, clips);
            assert_true(digest_equal(&found, &right));
            unseen++;
        }
        whole.data[at] = saved;
    }
    assert_in_range(unseen, 4, 16);
    buf_finish(&whole);
    free(path);
}

static void damage_is_an_error(void **state)
{
    make(state, BATCH, 30);
    char *path = file_of(state, BATCH);
    struct looked right;
    look(state, &right);
    struct buf whole = ground_read(path);
    for (size_t at = 0; at < whole.size; at++) {
        uint8_t saved = whole.data[at];
        whole.data[at] ^= 0x41;
        ground_write(path, whole.data, whole.size);
        read_all(state, &right);
        whole.data[at] = saved;
    }
    for (size_t size = 0; size < whole.size; size += 3) {
        struct error err;
        struct prompts_clip found;
        ground_write(path, whole.data, size);
        struct prompts *p = prompts_create(*state, 1 << 20);
        assert_false(prompts_clip(p, BATCH, 0, &found, &err));
        assert_int_equal(err.code, ERROR_CORRUPT);
        prompts_destroy(p);
    }
    buf_finish(&whole);
    free(path);
}

static bool only_other(void *context, const char *batch)
{
    (void)context;
    return strcmp(batch, OTHER) == 0;
}

static void files_of_no_batch_go_at_start(void **state)
{
    struct error err;
    make(state, BATCH, 3);
    make(state, OTHER, 3);
    char *stranger = ground_path(state, "notes.txt");
    ground_write_text(stranger, "mine");
    struct prompts *p = prompts_create(*state, 1 << 20);
    struct prompts_clip found;
    assert_ok(prompts_clip(p, BATCH, 0, &found, &err), err);
    assert_ok(prompts_recover(p, only_other, NULL, &err), err);
    assert_false(prompts_clip(p, BATCH, 0, &found, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_ok(prompts_clip(p, OTHER, 0, &found, &err), err);
    assert_true(path_exists(stranger));
    assert_false(prompts_clip(p, "../../etc/x", 0, &found, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    free(stranger);
    prompts_destroy(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ground_test(every_clip_is_found),
        ground_test(the_cache_holds_more_batches_than_files),
        ground_test(recipes_are_put_together),
        ground_test(groups_come_as_runs),
        ground_test(an_existing_file_is_never_written_over),
        ground_test(an_abandoned_writer_leaves_nothing),
        ground_test(damage_is_an_error),
        ground_test(a_check_finds_damage_anywhere),
        ground_test(files_of_no_batch_go_at_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
