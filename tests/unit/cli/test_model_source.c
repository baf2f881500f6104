/* Names of places, what is chosen from a listing, answers of servers, addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/recipe.h"
#include "cli/download.h"
#include "cli/hub.h"
#include "cli/model_choice.h"
#include "cli/model_known.h"
#include "cli/model_source.h"
#include "cli/url_list.h"

#define LENGTH(rows) (sizeof(rows) / sizeof *(rows))

static void test_sources(void **state)
{
    (void)state;
    static const struct {
        const char *text, *owner, *name, *inside, *revision, *suggests;
        enum model_source_kind kind;
    } CASES[] = {
        {"hf:ann/Tiny-1.7B", "ann", "Tiny-1.7B", NULL, "main", "tiny-1.7b", MODEL_SOURCE_HUB},
        {"hf:a/b@v1.0", "a", "b", NULL, "v1.0", "b", MODEL_SOURCE_HUB},
        {"hf:a/b@refs/pr/3", "a", "b", NULL, "refs/pr/3", "b", MODEL_SOURCE_HUB},
        {"hf:a/b/zs2_XL", "a", "b", "zs2_XL", "main", "zs2_xl", MODEL_SOURCE_HUB},
        {"hf:a/b/x/sd 1.5.fp16.safetensors", "a", "b", "x/sd 1.5.fp16.safetensors", "main",
         "sd-1.5", MODEL_SOURCE_HUB},
        {"https://x.org/m/Cat.safetensors?download=true", NULL, NULL, NULL, NULL, "cat",
         MODEL_SOURCE_URL},
        {"https://x.org/m/zero/SHA256SUMS", NULL, NULL, NULL, NULL, "zero", MODEL_SOURCE_URL},
        {"https://x.org/m/zero/", NULL, NULL, NULL, NULL, "zero", MODEL_SOURCE_URL},
        {"../models/Tiny/", NULL, NULL, NULL, NULL, "tiny", MODEL_SOURCE_PATH},
        {"/a/b/v1-5-pruned.ckpt", NULL, NULL, NULL, NULL, "v1-5-pruned", MODEL_SOURCE_PATH},
        {"/", NULL, NULL, NULL, NULL, "model", MODEL_SOURCE_PATH},
    };
    for (size_t i = 0; i < LENGTH(CASES); i++) {
        struct model_source s;
        char name[MODEL_NAME_MAX + 1];
        struct error err = {0};
        assert_true(model_source_parse(CASES[i].text, &s, &err));
        assert_int_equal(s.kind, CASES[i].kind);
        if (CASES[i].owner) {
            assert_string_equal(s.owner, CASES[i].owner);
            assert_string_equal(s.name, CASES[i].name);
            assert_string_equal(s.revision, CASES[i].revision);
        }
        assert_int_equal(s.inside != NULL, CASES[i].inside != NULL);
        if (s.inside) assert_string_equal(s.inside, CASES[i].inside);
        model_source_suggest(&s, name);
        assert_string_equal(name, CASES[i].suggests);
        assert_true(model_name_is_valid(name));
        model_source_finish(&s);
    }
}

static void test_bad_sources(void **state)
{
    (void)state;
    static const char *const TEXTS[] = {"",          "hf:",          "hf:a",      "hf:a/",
                                        "hf:/b",     "hf:a/b@",      "hf:a/b@..", "hf:a/b/../c",
                                        "hf:a/b@-x", "hf:a b/c",     "ftp://x/y", "file:///etc/x",
                                        "hf:a/b//c", "hf:a/b@main ", "hf:a/b/"};
    for (size_t i = 0; i < LENGTH(TEXTS); i++) {
        struct model_source s;
        struct error err = {0};
        assert_false(model_source_parse(TEXTS[i], &s, &err));
        assert_int_equal(err.code, ERROR_USAGE);
        assert_null(s.text);
    }
    struct model_source s;
    struct error err = {0};
    assert_false(model_source_parse("https://huggingface.co/ann/tiny/tree/main", &s, &err));
    assert_non_null(strstr(err.message, "hf:ann/tiny"));
    assert_true(
        model_source_parse("https://huggingface.co/a/b/resolve/main/x.safetensors", &s, &err));
    model_source_finish(&s);
}

static void test_names(void **state)
{
    (void)state;
    static const char *const BAD[] = {"", ".x", "-x", "_x", "a/b", "a b", "..", "a\n", "é"};
    for (size_t i = 0; i < LENGTH(BAD); i++)
        assert_false(model_name_is_valid(BAD[i]));
    char name[MODEL_NAME_MAX + 2];
    memset(name, 'a', sizeof name);
    name[MODEL_NAME_MAX + 1] = 0;
    assert_false(model_name_is_valid(name));
    name[MODEL_NAME_MAX] = 0;
    assert_true(model_name_is_valid(name));
}

/* ---- choice ---- */

static void expect_choice(const char *const *files, const char *chosen, bool full)
{
    struct listing l = {0};
    struct error err = {0};
    enum model_listing_form form;
    char found[1000] = "";
    for (; *files; files++)
        assert_non_null(listing_add(&l, *files, &err));
    assert_true(model_choice_make(&l, full, "it", &form, &err));
    for (size_t i = 0; i < l.count; i++)
        if (l.files[i].chosen) {
            if (*found) strcat(found, " ");
            strcat(found, l.files[i].path);
        }
    assert_string_equal(found, chosen);
    listing_finish(&l);
}

#define FILES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define UNET "unet/diffusion_pytorch_model"

static void test_one_form_of_weights_is_chosen(void **state)
{
    (void)state;
    expect_choice(FILES("model_index.json", UNET ".bin", UNET ".safetensors",
                        UNET ".fp16.safetensors", UNET ".fp16.bin"),
                  "model_index.json " UNET ".fp16.safetensors", false);
    expect_choice(
        FILES("model_index.json", UNET ".bin", UNET ".safetensors", UNET ".fp16.safetensors"),
        "model_index.json " UNET ".safetensors", true);
    expect_choice(FILES("model_index.json", UNET ".fp16.bin", UNET ".safetensors"),
                  "model_index.json " UNET ".safetensors", false);
    expect_choice(FILES("model_index.json", UNET ".bin", UNET ".non_ema.bin"),
                  "model_index.json " UNET ".bin", false);
    expect_choice(FILES("model_index.json", UNET ".fp16.safetensors"),
                  "model_index.json " UNET ".fp16.safetensors", true);
    expect_choice(FILES("model_index.json", UNET ".safetensors.index.json",
                        UNET "-00001-of-00002.safetensors", UNET "-00002-of-00002.safetensors",
                        UNET "-00001-of-00002.bin"),
                  "model_index.json " UNET "-00001-of-00002.safetensors " UNET
                  "-00002-of-00002.safetensors " UNET ".safetensors.index.json",
                  false);
    expect_choice(FILES("model_index.json", "text_encoder/model.safetensors",
                        "text_encoder/pytorch_model.bin", "text_encoder/config.json",
                        "safety_checker/model.safetensors", "feature_extractor/x.json",
                        "tokenizer/merges.txt", "tokenizer/tokenizer.json", "golden.safetensors",
                        "a.png", "README.md", "scheduler/scheduler_config.json"),
                  "README.md model_index.json scheduler/scheduler_config.json "
                  "text_encoder/config.json text_encoder/model.safetensors tokenizer/merges.txt",
                  false);
}

static void test_other_forms(void **state)
{
    (void)state;
    expect_choice(FILES("configuration.json", "text2video_pytorch_model.pth",
                        "VQGAN_autoencoder.pth", "open_clip_pytorch_model.bin", "sample.gif"),
                  "VQGAN_autoencoder.pth configuration.json open_clip_pytorch_model.bin "
                  "text2video_pytorch_model.pth",
                  false);
    expect_choice(FILES("lora.safetensors", "x.png", "sub/other.safetensors"), "lora.safetensors",
                  false);
    expect_choice(FILES("a_text_encoder.safetensors", "a_unet.safetensors", "a.png"),
                  "a_text_encoder.safetensors a_unet.safetensors", false);
    expect_choice(FILES("zoetrope.json", "canary.json"), "canary.json zoetrope.json", false);
}

static void test_no_choice(void **state)
{
    (void)state;
    struct listing l = {0};
    struct error err = {0};
    enum model_listing_form form;
    assert_false(model_choice_make(&l, false, "it", &form, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    assert_non_null(listing_add(&l, "a.safetensors", &err));
    assert_non_null(listing_add(&l, "b.ckpt", &err));
    assert_false(model_choice_make(&l, false, "it", &form, &err));
    assert_non_null(strstr(err.message, "a.safetensors, b.ckpt"));
    assert_null(listing_add(&l, "../a", &err));
    assert_null(listing_add(&l, "/a", &err));
    listing_finish(&l);
}

/* ---- answers ---- */

#define COMMIT "0123456789abcdef0123456789abcdef01234567"
#define SHA "ab3456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0"

static bool parse_hub(const char *answer, const char *source, struct listing *l,
                      struct hub_repository *r, struct error *err)
{
    struct model_source s;
    *l = (struct listing){0};
    assert_true(model_source_parse(source, &s, err));
    bool ok = hub_parse(answer, strlen(answer), "https://h", &s, r, l, err);
    model_source_finish(&s);
    return ok;
}

static void test_hub_answer(void **state)
{
    (void)state;
    static const char ANSWER[] =
        "{\"sha\":\"" COMMIT "\",\"tags\":[\"x\",\"license:mit\"],\"siblings\":["
        "{\"rfilename\":\"unet/a b.safetensors\",\"size\":12,\"lfs\":{\"sha256\":\"" SHA
        "\",\"size\":12}},{\"rfilename\":\"zs2/x.pth\"},{\"rfilename\":\"zs2_b\"}]}";
    struct listing l;
    struct hub_repository r;
    struct error err = {0};
    assert_true(parse_hub(ANSWER, "hf:o/n", &l, &r, &err));
    assert_int_equal(l.count, 3);
    assert_true(l.files[0].size_known && l.files[0].digest_known && l.files[0].size_bytes == 12);
    assert_false(l.files[1].size_known || l.files[1].digest_known);
    assert_string_equal(l.files[0].url, "https://h/o/n/resolve/" COMMIT "/unet/a%20b.safetensors");
    assert_string_equal(r.licence, "mit");
    listing_finish(&l);
    hub_repository_finish(&r);
    assert_true(parse_hub(ANSWER, "hf:o/n/zs2", &l, &r, &err));
    assert_int_equal(l.count, 1);
    assert_string_equal(l.files[0].path, "x.pth");
    assert_string_equal(l.files[0].url, "https://h/o/n/resolve/" COMMIT "/zs2/x.pth");
    listing_finish(&l);
    hub_repository_finish(&r);
}

static void test_bad_hub_answers(void **state)
{
    (void)state;
    static const char *const ANSWERS[] = {
        "",
        "[]",
        "{}",
        "{\"sha\":\"" COMMIT "\"}",
        "{\"sha\":\"main\",\"siblings\":[]}",
        "{\"sha\":\"" COMMIT "\",\"siblings\":[{}]}",
        "{\"sha\":\"" COMMIT "\",\"siblings\":[{\"rfilename\":\"../x\"}]}",
        "{\"sha\":\"" COMMIT "\",\"siblings\":[{\"rfilename\":\"/etc/x\"}]}",
        "{\"sha\":\"" COMMIT "\",\"siblings\":[]}"};
    for (size_t i = 0; i < LENGTH(ANSWERS); i++) {
        struct listing l;
        struct hub_repository r;
        struct error err = {0};
        assert_false(parse_hub(ANSWERS[i], "hf:o/n", &l, &r, &err));
        assert_int_not_equal(err.code, ERROR_NONE);
        listing_finish(&l);
        hub_repository_finish(&r);
    }
}

static void test_lists_behind_urls(void **state)
{
    (void)state;
    struct listing l = {0};
    struct error err = {0};
    assert_true(url_list_parse_sums("# list\n" SHA "  a/b c.json\n\n" SHA " *./d\r\n",
                                    "https://x/m/SHA256SUMS?k=1", &l, &err));
    assert_int_equal(l.count, 2);
    assert_string_equal(l.files[0].url, "https://x/m/a/b%20c.json");
    assert_string_equal(l.files[1].path, "d");
    assert_true(l.files[1].digest_known);
    listing_finish(&l);
    static const char *const BAD[] = {
        "", "x", SHA, SHA "  ", SHA "  ../x\n", SHA " x\n", "zz345678" SHA "  x\n"};
    for (size_t i = 0; i < LENGTH(BAD); i++) {
        assert_false(url_list_parse_sums(BAD[i], "https://x/SHA256SUMS", &l, &err));
        listing_finish(&l);
    }
    static const char INDEX[] = "{\"weight_map\":{\"a\":\"m-1.safetensors\",\"b\":\"m-2."
                                "safetensors\",\"c\":\"m-1.safetensors\"}}";
    assert_true(url_list_parse_index(INDEX, strlen(INDEX), "https://x/m/m.safetensors.index.json",
                                     &l, &err));
    assert_int_equal(l.count, 3);
    assert_string_equal(l.files[2].url, "https://x/m/m-2.safetensors");
    listing_finish(&l);
    static const char *const NO_INDEX[] = {"{}", "{\"weight_map\":{}}",
                                           "{\"weight_map\":{\"a\":\"../x\"}}",
                                           "{\"weight_map\":{\"a\":5}}"};
    for (size_t i = 0; i < LENGTH(NO_INDEX); i++) {
        assert_false(url_list_parse_index(NO_INDEX[i], strlen(NO_INDEX[i]),
                                          "https://x/m.index.json", &l, &err));
        listing_finish(&l);
    }
}

static void test_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        bool fine, with_http;
    } CASES[] = {
        {"https://x.org/a", true, true},
        {"http://x.org/a", false, true},
        {"http://127.0.0.1:80/a", true, true},
        {"http://localhost/a", true, true},
        {"http://[::1]:8/a", true, true},
        {"http://127.evil.org/", false, true},
        {"https://u:p@x.org/", false, false},
        {"file:///etc/passwd", false, false},
        {"ftp://x/y", false, false},
        {"http://", false, false},
        {"http://localhost.x.org/", false, true},
    };
    for (size_t i = 0; i < LENGTH(CASES); i++) {
        assert_int_equal(download_url_check(CASES[i].url, false, NULL), CASES[i].fine);
        assert_int_equal(download_url_check(CASES[i].url, true, NULL), CASES[i].with_http);
    }
    char *url = download_url_beside("https://x", "a");
    assert_string_equal(url, "https://x/a");
    free(url);
}

/* What is written into zoetrope.json for a known model must be a recipe's. */
static void test_known_models_are_sound(void **state)
{
    (void)state;
    int count;
    const struct known_model *rows = model_known_all(&count);
    assert_true(count > 5);
    for (int i = 0; i < count; i++) {
        struct error err = {0};
        json_t *defaults = json_parse(rows[i].defaults, strlen(rows[i].defaults), "known", &err);
        assert_non_null(defaults);
        assert_true(recipe_check(defaults, &err));
        assert_true(model_name_is_valid(rows[i].name));
        json_decref(defaults);
    }
    struct model_source s;
    assert_true(model_source_parse("hf:Cerspense/zeroscope_v2_xl@main", &s, NULL));
    assert_string_equal(model_known_find(&s)->name, "zeroscope-xl");
    model_source_finish(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_bad_sources),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_one_form_of_weights_is_chosen),
        cmocka_unit_test(test_other_forms),
        cmocka_unit_test(test_no_choice),
        cmocka_unit_test(test_hub_answer),
        cmocka_unit_test(test_bad_hub_answers),
        cmocka_unit_test(test_lists_behind_urls),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_known_models_are_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
