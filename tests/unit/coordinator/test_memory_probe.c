/* What tasks take, as a script in the place of zoe-engine says. It writes a line to `asked`, and
 * where there is a pipe `gate` it waits for that to be opened and closed. */
#include "ground.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <uv.h>

#include "coordinator/memory_probe.h"

#define ENGINE                                                                                     \
    "#!/bin/sh\n"                                                                                  \
    "cd \"${0%/*}\" && echo >> asked\n"                                                            \
    "[ ! -p gate ] || read line < gate\n"                                                          \
    "echo '{\"memory\":{\"peak\":4096}}'\n"

static char name[] = "m";

struct probe {
    struct memory_book *book;
    char *engine, *gate, *asked;
    struct model model;
    struct model *all[1];
    struct model_list models;
    struct submit_group groups[2];
    struct submit_result result;
    atomic_bool stop;
};

static struct probe *probe_open(void **state)
{
    struct probe *p = xcalloc(1, sizeof *p);
    p->book = memory_book_create();
    p->engine = ground_path(state, "engine");
    p->gate = ground_path(state, "gate");
    p->asked = ground_path(state, "asked");
    ground_write_text(p->engine, ENGINE);
    assert_int_equal(chmod(p->engine, 0700), 0);
    ground_write_text(p->asked, "");
    p->model = (struct model){.name = name, .folder = *state};
    p->all[0] = &p->model;
    p->models = (struct model_list){.models = p->all, .count = 1, .engine = p->engine};
    for (int i = 0; i < 2; i++)
        p->groups[i] =
            (struct submit_group){.model = name, .width = 8 * (i + 1), .height = 8, .frames = 1};
    p->result = (struct submit_result){.groups = p->groups, .group_count = 2};
    return p;
}

static void probe_close(struct probe *p)
{
    memory_book_unref(p->book);
    free(p->engine);
    free(p->gate);
    free(p->asked);
    free(p);
}

static void fill(void *argument)
{
    struct probe *p = argument;
    memory_book_fill(p->book, &p->models, &p->stop, &p->result);
}

static size_t times_asked(const struct probe *p)
{
    struct buf text = ground_read(p->asked);
    const size_t size = text.size;
    buf_finish(&text);
    return size;
}

static void each_shape_is_asked_for_once(void **state)
{
    struct probe *p = probe_open(state);
    for (int i = 0; i < 2; i++) {
        fill(p);
        assert_int_equal(times_asked(p), 2);
        assert_int_equal(p->groups[0].memory_bytes, 4096);
        assert_int_equal(p->groups[1].memory_bytes, 4096);
    }
    probe_close(p);
}

static void nothing_is_asked_for_who_is_gone(void **state)
{
    struct probe *p = probe_open(state);
    atomic_store(&p->stop, true);
    fill(p);
    assert_int_equal(times_asked(p), 0);
    assert_int_equal(p->groups[0].memory_bytes, 0);
    probe_close(p);
}

static void who_goes_meanwhile_ends_it(void **state)
{
    struct probe *p = probe_open(state);
    uv_thread_t thread;
    assert_int_equal(mkfifo(p->gate, 0600), 0);
    assert_int_equal(uv_thread_create(&thread, fill, p), 0);
    const int gate = open(p->gate, O_WRONLY | O_CLOEXEC); /* when the script reads */
    atomic_store(&p->stop, true);
    assert_int_equal(close(gate), 0);
    assert_int_equal(uv_thread_join(&thread), 0);
    assert_int_equal(times_asked(p), 1);
    assert_int_equal(p->groups[0].memory_bytes, 4096);
    assert_int_equal(p->groups[1].memory_bytes, 0);
    probe_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ground_test(each_shape_is_asked_for_once),
        ground_test(nothing_is_asked_for_who_is_gone),
        ground_test(who_goes_meanwhile_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
