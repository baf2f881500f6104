/* What a fetch asks of the disk before it asks for the files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/model_digest.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "proto/codec.h"
#include "worker/model_fetch.h"

#define MODEL_BYTES 1000
#define TOO_MANY (UINT64_C(1) << 60) /* more than any disk has */

struct scene {
    char *folder;
    uv_loop_t loop;
    struct model_fetch *fetch;
    struct digest file, model;
    uint64_t spare_bytes;
    bool can_make_room;
    uint64_t room_bytes; /* that was asked for */
    bool asked_for_file;
    bool done;
    enum error_code code;
};

static bool ask(void *context, Farm__Envelope *envelope)
{
    struct scene *s = context;
    s->asked_for_file |= envelope->body_case == FARM__ENVELOPE__BODY_FILE_WANTED;
    return true;
}

static char *place(void *context, const struct digest *digest)
{
    const struct scene *s = context;
    (void)digest;
    return path_join(s->folder, "model");
}

static uint64_t spare_bytes(void *context)
{
    const struct scene *s = context;
    return s->spare_bytes;
}

static bool make_room(void *context, uint64_t bytes)
{
    struct scene *s = context;
    s->room_bytes = bytes;
    return s->can_make_room;
}

static void on_done(void *context, const struct digest *digest, const char *folder,
                    const struct error *err)
{
    struct scene *s = context;
    (void)digest, (void)folder;
    s->done = true;
    s->code = err ? err->code : ERROR_NONE;
}

/* A model of one file. */
static void name_model(struct scene *s)
{
    char path[] = "weights";
    struct model_file file = {path, MODEL_BYTES, digest_of("", 0)};
    const struct model_files files = {&file, 1, MODEL_BYTES};
    s->file = file.digest;
    s->model = model_digest_of(&files);
}

static void answer(struct scene *s)
{
    char path[] = "weights", name[] = "m";
    Farm__ModelFile file = FARM__MODEL_FILE__INIT, *files[] = {&file};
    Farm__ModelFiles list = FARM__MODEL_FILES__INIT;
    file.path = path;
    file.size_bytes = MODEL_BYTES;
    file.sha256 = codec_digest(&s->file);
    list.digest = codec_digest(&s->model);
    list.name = name;
    list.files = files;
    list.n_files = 1;
    model_fetch_files(s->fetch, &list);
}

static void run(struct scene *s, uint64_t spare, bool can_make_room)
{
    const char *base = getenv("TMPDIR");
    memset(s, 0, sizeof *s);
    s->spare_bytes = spare;
    s->can_make_room = can_make_room;
    s->folder = xasprintf("%s/zoe-fetch-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(s->folder));
    assert_int_equal(uv_loop_init(&s->loop), 0);
    const struct model_fetch_host host = {.context = s,
                                          .ask = ask,
                                          .place = place,
                                          .spare_bytes = spare_bytes,
                                          .make_room = make_room,
                                          .done = on_done};
    s->fetch = model_fetch_create(&s->loop, &host);
    name_model(s);
    model_fetch_want(s->fetch, &s->model);
    assert_true(model_fetch_wants(s->fetch, &s->model));
    answer(s);
}

static void finish(struct scene *s)
{
    model_fetch_close(s->fetch, NULL, NULL);
    (void)uv_run(&s->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&s->loop), 0);
    assert_true(path_remove_tree(s->folder, NULL));
    free(s->folder);
}

static void what_fits_takes_nobodys_room(void **state)
{
    struct scene s;
    (void)state;
    run(&s, 0, true);
    assert_true(s.asked_for_file);
    assert_int_equal(s.room_bytes, 0);
    finish(&s);
}

static void the_room_for_results_stays_free(void **state)
{
    struct scene s;
    (void)state;
    run(&s, TOO_MANY, false);
    assert_true(s.room_bytes > TOO_MANY / 2);
    assert_false(s.asked_for_file);
    assert_true(s.done);
    assert_int_equal(s.code, ERROR_FULL);
    finish(&s);
}

static void room_that_was_made_is_used(void **state)
{
    struct scene s;
    (void)state;
    run(&s, TOO_MANY, true);
    assert_true(s.room_bytes > TOO_MANY / 2);
    assert_true(s.asked_for_file);
    assert_false(s.done);
    finish(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fits_takes_nobodys_room),
        cmocka_unit_test(the_room_for_results_stays_free),
        cmocka_unit_test(room_that_was_made_is_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
