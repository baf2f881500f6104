/* media_run: zoe-media as its callers see it: arguments in, one line of JSON and an exit code out.
 */
#ifndef ZOE_TESTS_MEDIA_RUN_H
#define ZOE_TESTS_MEDIA_RUN_H

#include "unit/media/media_test.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"

#define RUN_WORDS_MAX 64

extern char **environ;

struct answer {
    int code;
    char *out, *err; /* whole streams */
    json_t *json;    /* NULL when stdout is not one line of JSON */
};

static inline char *take_text(const char *path)
{
    struct buf bytes = read_bytes(path);
    return buf_take_text(&bytes);
}

static inline json_t *one_line(const char *text)
{
    size_t length = strcspn(text, "\n");
    if (text[length] != '\n' || text[length + 1] != '\0') return NULL;
    return json_parse(text, length, "stdout", NULL);
}

/* Runs zoe-media with `words` (NULL-terminated). */
static inline struct answer run_words(const char *folder, const char *const *words)
{
    char *out = in_folder(folder, "stdout"), *err = in_folder(folder, "stderr");
    char *argv[RUN_WORDS_MAX + 2] = {xstrdup(TEST_BIN "/zoe-media")};
    int argc = 1;
    for (; *words != NULL; words++) {
        assert_true(argc <= RUN_WORDS_MAX);
        argv[argc++] = xstrdup(*words);
    }
    posix_spawn_file_actions_t actions;
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    const int flags = O_CREAT | O_TRUNC | O_WRONLY;
    assert_int_equal(posix_spawn_file_actions_addopen(&actions, 1, out, flags, 0600), 0);
    assert_int_equal(posix_spawn_file_actions_addopen(&actions, 2, err, flags, 0600), 0);
    pid_t pid;
    assert_int_equal(posix_spawn(&pid, argv[0], &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    struct answer a = {.code = WEXITSTATUS(status), .out = take_text(out), .err = take_text(err)};
    a.json = one_line(a.out);
    for (int i = 0; i < argc; i++)
        free(argv[i]);
    free(out);
    free(err);
    return a;
}

/* The same with the words of `line`, which hold no spaces of their own. */
static inline struct answer run(const char *folder, const char *line)
{
    const char *words[RUN_WORDS_MAX + 1] = {NULL};
    char *copy = xstrdup(line);
    int count = 0;
    for (char *p = strtok(copy, " "); p != NULL; p = strtok(NULL, " ")) {
        assert_true(count < RUN_WORDS_MAX);
        words[count++] = p;
    }
    struct answer a = run_words(folder, words);
    free(copy);
    return a;
}

static inline void forget(struct answer *a)
{
    json_decref(a->json);
    free(a->out);
    free(a->err);
}

static inline const char *text_of(const struct answer *a, const char *key)
{
    const char *value = json_string_value(json_object_get(a->json, key));
    if (value == NULL) fail_msg("no %s in %s", key, a->out);
    return value;
}

static inline int64_t number_of(const struct answer *a, const char *key)
{
    const json_t *value = json_object_get(a->json, key);
    if (!json_is_integer(value)) fail_msg("no %s in %s", key, a->out);
    return json_integer_value(value);
}

static inline void succeeded(const struct answer *a)
{
    if (a->code != 0 || !json_is_true(json_object_get(a->json, "ok"))) {
        fail_msg("exit %d, %s, %s", a->code, a->out, a->err);
    }
}

static inline void failed(const struct answer *a, int code, const char *name)
{
    if (a->code != code) fail_msg("exit %d, %s, %s", a->code, a->out, a->err);
    assert_true(json_is_false(json_object_get(a->json, "ok")));
    assert_string_equal(text_of(a, "code"), name);
    if (strstr(a->err, text_of(a, "message")) == NULL) fail_msg("stderr: %s", a->err);
}

#endif
