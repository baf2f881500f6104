#include "coordinator/clip.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

/* ---- pages ---- */

uint32_t clip_page_size(const struct batch *b, uint32_t index)
{
    uint32_t rest = b->clips - index * CLIPS_PER_PAGE;
    return rest < CLIPS_PER_PAGE ? rest : CLIPS_PER_PAGE;
}

uint8_t clip_byte(const struct batch *b, uint32_t clip)
{
    const struct page *page = &b->pages[clip / CLIPS_PER_PAGE];
    return page->states != NULL ? page->states[clip % CLIPS_PER_PAGE] : page->fill;
}

static void unfold(struct page *page)
{
    if (page->states != NULL) return;
    page->states = xmalloc(CLIPS_PER_PAGE);
    memset(page->states, page->fill, CLIPS_PER_PAGE);
}

static bool is_uniform(const struct page *page, uint32_t size)
{
    return memcmp(page->states, page->states + 1, size - 1) == 0;
}

/* A page of published clips needs no bytes, unless one of them is suspect. */
static void fold(struct page *page, uint32_t size)
{
    if (page->published < size || !is_uniform(page, size)) return;
    page->fill = page->states[0];
    free(page->states);
    page->states = NULL;
}

static void count_in(struct page *page, uint8_t byte, int by)
{
    enum clip_state state = byte & CLIP_STATE_MASK;
    if (state == CLIP_WAITING) page->waiting = (uint16_t)(page->waiting + by);
    if (state == CLIP_PUBLISHED) page->published = (uint16_t)(page->published + by);
}

static void page_dirty(struct farm *f, struct batch *b, uint32_t index)
{
    struct page *page = &b->pages[index];
    if (page->dirty_turn == f->effects.turn) return;
    page->dirty_turn = f->effects.turn;
    struct effect *e = effects_add(&f->effects, EFFECT_SAVE_PAGE);
    memcpy(e->page.batch, b->id, sizeof(b->id));
    e->page.index = index;
}

static void write_byte(struct farm *f, struct batch *b, uint32_t clip, uint8_t byte)
{
    uint32_t index = clip / CLIPS_PER_PAGE;
    struct page *page = &b->pages[index];
    unfold(page);
    uint8_t *at = &page->states[clip % CLIPS_PER_PAGE];
    count_in(page, *at, -1);
    *at = byte;
    count_in(page, *at, 1);
    fold(page, clip_page_size(b, index));
    page_dirty(f, b, index);
}

static bool is_legal(uint8_t byte)
{
    uint8_t state = byte & CLIP_STATE_MASK;
    uint8_t bits = byte & (uint8_t)~CLIP_STATE_MASK;
    if (bits == CLIP_SUSPECT_BIT) return state == CLIP_PUBLISHED;
    return bits == 0 && state < CLIP_STATE_COUNT;
}

bool clip_load_page(struct batch *b, uint32_t index, const uint8_t *states)
{
    uint32_t size = clip_page_size(b, index);
    for (uint32_t i = 0; i < size; i++) {
        if (!is_legal(states[i])) return false;
    }
    struct page *page = &b->pages[index];
    unfold(page);
    memcpy(page->states, states, size);
    page->waiting = 0;
    page->published = 0;
    for (uint32_t i = 0; i < size; i++)
        count_in(page, states[i], 1);
    fold(page, size);
    return true;
}

/* ---- one clip ---- */

enum clip_state clip_state(const struct batch *b, uint32_t clip)
{
    if (b->state == BATCH_DONE) return CLIP_PUBLISHED;
    enum clip_state state = clip_byte(b, clip) & CLIP_STATE_MASK;
    return state == CLIP_WAITING && b->state == BATCH_CANCELED ? CLIP_CANCELED : state;
}

static uint32_t run_of(const struct batch *b, uint32_t clip)
{
    uint32_t low = 0, high = b->run_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (b->runs[middle].first <= clip)
            low = middle;
        else
            high = middle;
    }
    return low;
}

struct group *clip_group(const struct batch *b, uint32_t clip)
{
    return &b->groups[b->runs[run_of(b, clip)].group];
}

void clip_set(struct farm *f, struct batch *b, uint32_t clip, enum clip_state state)
{
    enum clip_state old = clip_state(b, clip);
    struct group *g = clip_group(b, clip);
    write_byte(f, b, clip, (uint8_t)state);
    batch_count(f, g, old, state, 1);
    batch_refresh_group(f, g);
}

void clip_set_published(struct farm *f, struct batch *b, uint32_t clip, bool suspect)
{
    clip_set(f, b, clip, CLIP_PUBLISHED);
    if (!suspect) return;
    write_byte(f, b, clip, CLIP_PUBLISHED | CLIP_SUSPECT_BIT);
    clip_group(b, clip)->counts.suspect++;
    b->counts.suspect++;
    f->counts.suspect++;
}

/* ---- searching ---- */

/* First fresh waiting clip in [from, end), or `end`. */
static uint32_t find_waiting(const struct batch *b, uint32_t from, uint32_t end)
{
    while (from < end) {
        const struct page *page = &b->pages[from / CLIPS_PER_PAGE];
        uint32_t offset = from % CLIPS_PER_PAGE;
        uint32_t count = CLIPS_PER_PAGE - offset;
        if (count > end - from) count = end - from;
        if (page->waiting > 0) {
            if (page->states == NULL) return from;
            const uint8_t *hit = memchr(page->states + offset, CLIP_WAITING, count);
            if (hit != NULL) return from + (uint32_t)(hit - (page->states + offset));
        }
        from += count;
    }
    return end;
}

static uint32_t run_end(const struct batch *b, uint32_t run)
{
    return run + 1 < b->run_count ? b->runs[run + 1].first : b->clips;
}

uint32_t clip_next_waiting(struct group *g)
{
    const struct batch *b = g->batch;
    if (g->counts.by_state[CLIP_WAITING] == 0) return CLIP_NONE;
    while (g->cursor_run < b->run_count) {
        uint32_t end = run_end(b, g->cursor_run);
        g->cursor_clip = find_waiting(b, g->cursor_clip, end);
        if (g->cursor_clip < end) return g->cursor_clip;
        g->cursor_run = b->runs[g->cursor_run].next_of_group;
        g->cursor_clip = g->cursor_run < b->run_count ? b->runs[g->cursor_run].first : b->clips;
    }
    return CLIP_NONE;
}

uint32_t clip_search(const struct batch *b, uint32_t from,
                     bool (*passes)(enum clip_state state, const void *context),
                     const void *context)
{
    while (from < b->clips) {
        if (passes(clip_state(b, from), context)) return from;
        bool uniform = b->pages[from / CLIPS_PER_PAGE].states == NULL;
        from = uniform ? (from / CLIPS_PER_PAGE + 1) * CLIPS_PER_PAGE : from + 1;
    }
    return CLIP_NONE;
}
