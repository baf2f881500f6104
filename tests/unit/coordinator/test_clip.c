/* Clips as bytes of pages, and which waiting one comes next. */
#include "field.h"

#include "coordinator/clip.h"
#include "coordinator/farm_state.h"

#define BATCH "b000000001"

static struct farm *farm_of(uint32_t clips, const struct clip_run *runs, uint32_t run_count)
{
    struct farm_config config = {.seed = 1};
    struct farm *f = farm_new(&config);
    struct error err = {0};
    struct shape shapes[2] = {field_shape(1), field_shape(2)};
    struct batch_spec spec = {.id = BATCH,
                              .name = "",
                              .owner = "",
                              .sequence = 1,
                              .clips = clips,
                              .shapes = shapes,
                              .groups = 2,
                              .runs = runs,
                              .run_count = run_count};
    if (!farm_batch_add(f, &spec, &err)) fail_msg("%s", err.message);
    return f;
}

static void groups_walk_their_own_runs(void **state)
{
    (void)state;
    static const struct clip_run runs[] = {{0, 0}, {2, 1}, {3, 0}, {5000, 1}, {5001, 0}};
    struct farm *f = farm_of(5003, runs, 5);
    struct batch *b = batch_find(f, BATCH);
    static const uint32_t first[] = {0, 1, 3, 4};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(clip_next_waiting(&b->groups[0]), first[i]);
        clip_set(f, b, first[i], CLIP_FAILED);
    }
    for (uint32_t clip = 5; clip < 5000; clip++)
        clip_set(f, b, clip, CLIP_FAILED);
    assert_int_equal(clip_next_waiting(&b->groups[0]), 5001);
    assert_int_equal(clip_next_waiting(&b->groups[1]), 2);
    clip_set(f, b, 2, CLIP_FAILED);
    assert_int_equal(clip_next_waiting(&b->groups[1]), 5000);
    clip_set(f, b, 5000, CLIP_FAILED);
    assert_int_equal(clip_next_waiting(&b->groups[1]), CLIP_NONE);
    clip_set(f, b, 5001, CLIP_FAILED);
    clip_set(f, b, 5002, CLIP_FAILED);
    assert_int_equal(clip_next_waiting(&b->groups[0]), CLIP_NONE);
    clip_set(f, b, 1, CLIP_WAITING);
    batch_rewind(b);
    assert_int_equal(clip_next_waiting(&b->groups[0]), 1);
    farm_free(f);
}

static void a_page_of_published_clips_needs_no_bytes(void **state)
{
    (void)state;
    static const struct clip_run runs[] = {{0, 0}};
    struct farm *f = farm_of(2 * CLIPS_PER_PAGE + 1, runs, 1);
    struct batch *b = batch_find(f, BATCH);
    struct error err = {0};
    for (uint32_t clip = 0; clip < b->clips; clip++) {
        clip_set(f, b, clip, CLIP_LEASED);
        clip_set_published(f, b, clip, clip == 7);
    }
    assert_non_null(b->pages[0].states); /* one is suspect */
    assert_null(b->pages[1].states);
    assert_null(b->pages[2].states);
    assert_int_equal(clip_state(b, 7), CLIP_PUBLISHED);
    assert_int_equal(clip_byte(b, 7), CLIP_PUBLISHED | CLIP_SUSPECT_BIT);
    assert_int_equal(b->counts.suspect, 1);
    uint8_t page[CLIPS_PER_PAGE];
    assert_true(farm_page(f, BATCH, 1, page));
    assert_int_equal(page[CLIPS_PER_PAGE - 1], CLIP_PUBLISHED);
    assert_false(farm_page(f, BATCH, 3, page));
    assert_true(farm_check(f, 0, &err));
    farm_free(f);
}

static bool is_failed(enum clip_state state, const void *context)
{
    (void)context;
    return state == CLIP_FAILED;
}

static void a_search_finds_the_first_that_passes(void **state)
{
    (void)state;
    static const struct clip_run runs[] = {{0, 0}, {1, 1}};
    struct farm *f = farm_of(3 * CLIPS_PER_PAGE, runs, 2);
    struct batch *b = batch_find(f, BATCH);
    const uint32_t last = 3 * CLIPS_PER_PAGE - 1;
    assert_int_equal(clip_search(b, 0, is_failed, NULL), CLIP_NONE);
    clip_set(f, b, last, CLIP_FAILED);
    assert_int_equal(clip_search(b, 0, is_failed, NULL), last);
    assert_int_equal(clip_search(b, last, is_failed, NULL), last);
    assert_int_equal(clip_search(b, last + 1, is_failed, NULL), CLIP_NONE);
    clip_set(f, b, CLIPS_PER_PAGE, CLIP_FAILED);
    assert_int_equal(clip_search(b, 1, is_failed, NULL), CLIPS_PER_PAGE);
    farm_free(f);
}

static void a_page_is_listed_once_a_turn(void **state)
{
    (void)state;
    static const struct clip_run runs[] = {{0, 0}};
    struct farm *f = farm_of(CLIPS_PER_PAGE + 1, runs, 1);
    struct batch *b = batch_find(f, BATCH);
    struct effects *list = farm_effects(f);
    effects_clear(list);
    clip_set(f, b, 0, CLIP_FAILED);
    clip_set(f, b, 1, CLIP_FAILED);
    size_t once = list->count;
    clip_set(f, b, 2, CLIP_FAILED);
    assert_int_equal(list->count, once);
    clip_set(f, b, CLIPS_PER_PAGE, CLIP_FAILED);
    assert_int_equal(list->count, once + 1);
    assert_int_equal(list->items[once].page.index, 1);
    effects_clear(list);
    clip_set(f, b, 3, CLIP_FAILED);
    assert_int_equal(list->count, 2); /* the page and the batch's record */
    farm_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_walk_their_own_runs),
        cmocka_unit_test(a_page_of_published_clips_needs_no_bytes),
        cmocka_unit_test(a_search_finds_the_first_that_passes),
        cmocka_unit_test(a_page_is_listed_once_a_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
