/* LoRAs in every form against what the reference makes of them (golden_lora.py): merged weights,
 * text embedding and one prediction; what is reported and what is refused. */
#include "tiny_copy.h"

#include "engine/lora/lora_file.h"
#include "engine/lora/lora_model.h"
#include "engine/lora/lora_original.h"
#include "engine/lora/lora_set.h"

#define LORA TEST_DATA "/lora"

enum { EPS_COUNT = 4 * 3 * 8 * 8, TEXT_COUNT = 77 * 32 };

static const char *const forms[][2] = {
    {"stable", "stable.safetensors"}, {"stable", "stable-full"},
    {"peft", "peft.safetensors"},     {"cloneofsimo", "cloneofsimo.safetensors"},
    {"cloneofsimo", "cloneofsimo"},   {"processor", "processor.safetensors"},
    {"kohya", "kohya.safetensors"},
};

#define FORMS (sizeof forms / sizeof forms[0])

static const char *const shown[] = {
    "down_blocks.0.resnets.0.conv1.weight",
    "down_blocks.0.temp_convs.0.conv1.2.weight",
    "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight",
    "transformer_in.proj_in.weight",
    "text_model.encoder.layers.0.self_attn.q_proj.weight",
    "text_model.embeddings.position_embedding.weight",
};

static json_t *one_lora(const char *file, double strength)
{
    return json_pack("[{s:o, s:f}]", "path", json_sprintf(LORA "/%s", file), "strength", strength);
}

static struct safetensors *open_file(const char *path)
{
    struct error err = {0};
    struct safetensors *file = safetensors_open(path, &err);
    expect_ok(file != NULL, &err);
    return file;
}

static struct lora_base *tiny_base(void)
{
    struct error err = {0};
    struct model_folder folder;
    expect_ok(model_folder_open(&folder, TINY, &err), &err);
    struct lora_base *base = lora_model_base(&folder, &err);
    expect_ok(base != NULL, &err);
    model_folder_close(&folder);
    return base;
}

/* ---- merged weights ---- */

static struct weight_array base_array(const struct safetensors *unet,
                                      const struct safetensors *text, const char *name)
{
    const struct safetensors_entry *e = safetensors_find(unet, name);
    if (e == NULL) e = safetensors_find(text, name);
    assert_non_null(e);
    return (struct weight_array){e->data, e->dtype, e->count};
}

static float *merged(const char *file, double strength, const char *name, int threads)
{
    struct error err = {0};
    struct lora_base *base = tiny_base();
    struct threads *pool = threads_new(threads, &err);
    struct safetensors *unet = open_file(TINY "/unet/diffusion_pytorch_model.safetensors"),
                       *text = open_file(TINY "/text_encoder/model.safetensors");
    json_t *loras = one_lora(file, strength);
    struct lora_set *set = lora_set_open(loras, base, &err);
    expect_ok(set != NULL, &err);
    assert_true(lora_set_changes(set, name));
    const struct weight_array array = base_array(unet, text, name);
    float *out = lora_set_merge(set, name, &array, pool, &err);
    expect_ok(out != NULL, &err);
    lora_set_close(set);
    json_decref(loras);
    safetensors_close(unet);
    safetensors_close(text);
    threads_free(pool);
    lora_base_free(base);
    return out;
}

static void merged_weights_agree(void **state)
{
    (void)state;
    struct safetensors *golden = open_file(LORA "/golden.safetensors");
    int compared = 0;
    for (size_t f = 0; f < FORMS; f++)
        for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
            char key[160];
            snprintf(key, sizeof key, "%s.%s", forms[f][0], shown[i]);
            const struct safetensors_entry *want = safetensors_find(golden, key);
            if (want == NULL || (strcmp(forms[f][0], "cloneofsimo") == 0 &&
                                 strstr(shown[i], "position_embedding") != NULL))
                continue;
            float *got = merged(forms[f][1], 1, shown[i], 2);
            float *copy = golden_floats(golden, key, want->count);
            expect_close(key, got, copy, want->count, 1e-6);
            free(copy);
            free(got);
            compared++;
        }
    assert_int_equal(compared, 6 + 6 + 4 + 5 + 5 + 1 + 4);
    safetensors_close(golden);
}

static void threads_do_not_matter(void **state)
{
    (void)state;
    const char *name = "down_blocks.0.temp_convs.0.conv1.2.weight";
    float *one = merged("stable.safetensors", 0.3, name, 1);
    for (int threads = 2; threads <= 4; threads += 2) {
        float *more = merged("stable.safetensors", 0.3, name, threads);
        assert_memory_equal(one, more, 16 * 16 * 3 * sizeof *one);
        free(more);
    }
    free(one);
}

/* ---- renders ---- */

static json_t *recipe_with(const json_t *loras)
{
    json_t *recipe = fixture_recipe(
        "tiny", "{\"guidance_scale\": 1, \"seed\": 7, \"num_frames\": 3, \"scheduler\": \"ddim\"}");
    size_t i;
    const json_t *lora;
    json_t *named = json_array();
    json_array_foreach(loras, i, lora) json_array_append_new(
        named, json_pack("{ss sO}", "name", "x", "strength", json_object_get(lora, "strength")));
    if (loras != NULL) json_object_set(recipe, "loras", named);
    json_decref(named);
    return recipe;
}

/* One step with these LoRAs; `text` and `eps` may be NULL. */
static void predict(const char *backend, const json_t *loras, float *text, float *eps)
{
    struct error err = {0};
    const struct engine_options options = {.backend = backend, .threads = 2, .loras = loras};
    struct engine_model *model = engine_open(TINY, &options, &err);
    expect_ok(model != NULL, &err);
    json_t *recipe = recipe_with(loras);
    const struct engine_request request = {.recipe = recipe};
    struct engine_job *job = engine_job_new(model, &request, 1, &err);
    expect_ok(job != NULL && engine_job_step(job, &err), &err);
    struct engine_text seen;
    assert_true(engine_job_text(job, &seen));
    assert_int_equal(seen.rows, 1);
    if (text != NULL) memcpy(text, seen.embedding, TEXT_COUNT * sizeof *text);
    if (eps != NULL) memcpy(eps, engine_job_prediction(job), EPS_COUNT * sizeof *eps);
    engine_job_free(job);
    json_decref(recipe);
    engine_close(model);
}

static void check_predictions(const char *backend)
{
    struct safetensors *golden = open_file(LORA "/golden.safetensors");
    float text[TEXT_COUNT], eps[EPS_COUNT];
    for (size_t f = 0; f <= FORMS; f++) {
        const char *form = f < FORMS ? forms[f][0] : "base";
        char text_key[64], eps_key[64];
        json_t *loras = f < FORMS ? one_lora(forms[f][1], 1) : NULL;
        predict(backend, loras, text, eps);
        snprintf(text_key, sizeof text_key, "%s.text", form);
        snprintf(eps_key, sizeof eps_key, "%s.eps", form);
        float *want_text = golden_floats(golden, text_key, TEXT_COUNT);
        float *want_eps = golden_floats(golden, eps_key, EPS_COUNT);
        expect_close(text_key, text, want_text, TEXT_COUNT, 1e-4);
        expect_close(eps_key, eps, want_eps, EPS_COUNT, 1e-4);
        free(want_text);
        free(want_eps);
        json_decref(loras);
    }
    safetensors_close(golden);
}

/* Stable Diffusion, by names of the original code. */
static void an_image_model_takes_them_too(void **state)
{
    (void)state;
    enum { COUNT = 4 * 8 * 8 };
    struct error err = {0};
    struct safetensors *golden = open_file(LORA "/golden.safetensors");
    json_t *loras = one_lora("kohya-sd1.safetensors", 1);
    char *folder = scratch_folder();
    scratch_copy_model(TEST_DATA "/tiny-sd1", folder);
    scratch_write_text(folder, "scheduler/scheduler_config.json",
                       "{\"_class_name\": \"DDIMScheduler\", \"beta_start\": 0.00085,"
                       "\"beta_end\": 0.012, \"beta_schedule\": \"scaled_linear\","
                       "\"clip_sample\": false, \"set_alpha_to_one\": false, \"steps_offset\": 1}");
    const struct engine_options options = {.backend = "cpu", .threads = 1, .loras = loras};
    struct engine_model *model = engine_open(folder, &options, &err);
    expect_ok(model != NULL, &err);
    const json_t *report = json_array_get(engine_lora_report(model), 0);
    assert_int_equal(json_integer_value(json_object_get(report, "unmatched")), 0);
    json_t *recipe = recipe_with(loras);
    json_object_set_new(recipe, "num_frames", json_integer(1));
    const struct engine_request request = {.recipe = recipe};
    struct engine_job *job = engine_job_new(model, &request, 1, &err);
    expect_ok(job != NULL && engine_job_step(job, &err), &err);
    const struct engine_shape shape = engine_job_shape(job);
    assert_int_equal(shape.latent_count, COUNT);
    float *want = golden_floats(golden, "sd1.eps", COUNT);
    expect_close("sd1.eps", engine_job_prediction(job), want, COUNT, 1e-4);
    free(want);
    engine_job_free(job);
    engine_close(model);
    scratch_remove(folder);
    json_decref(recipe);
    json_decref(loras);
    safetensors_close(golden);
}

static void predictions_agree_in_ref(void **state)
{
    (void)state;
    check_predictions("ref");
}

static void predictions_agree_in_cpu(void **state)
{
    (void)state;
    check_predictions("cpu");
}

/* Two at once are the sum of their changes; strength 0 is none, and the base is not touched. */
static void strengths_add_up(void **state)
{
    (void)state;
    struct error err = {0};
    const char *name = "transformer_in.proj_in.weight";
    struct lora_base *base = tiny_base();
    struct threads *pool = threads_new(1, &err);
    struct safetensors *unet = open_file(TINY "/unet/diffusion_pytorch_model.safetensors");
    const struct weight_array array = base_array(unet, unet, name);
    json_t *loras = one_lora("stable.safetensors", 0.5);
    json_array_append_new(loras, json_incref(json_array_get(loras, 0)));
    json_array_set_new(loras, 1,
                       json_pack("{ss sf}", "path", LORA "/kohya.safetensors", "strength", -0.25));
    struct lora_set *set = lora_set_open(loras, base, &err);
    expect_ok(set != NULL, &err);
    float *both = lora_set_merge(set, name, &array, pool, &err);
    float *a = merged("stable.safetensors", 1, name, 1),
          *b = merged("kohya.safetensors", 1, name, 1);
    float plain[64 * 16], want[64 * 16];
    weight_array_read(&array, 0, array.count, plain);
    for (int i = 0; i < 64 * 16; i++)
        want[i] = plain[i] + 0.5f * (a[i] - plain[i]) - 0.25f * (b[i] - plain[i]);
    expect_close(name, both, want, 64 * 16, 1e-6);
    free(both), free(a), free(b);
    lora_set_close(set);
    json_decref(loras);
    safetensors_close(unet);
    threads_free(pool);
    lora_base_free(base);

    float eps[EPS_COUNT], none[EPS_COUNT];
    json_t *off = one_lora("stable.safetensors", 0);
    predict("cpu", off, NULL, eps);
    predict("cpu", NULL, NULL, none);
    assert_memory_equal(eps, none, sizeof eps);
    json_decref(off);
}

static void a_recipe_must_suit_the_open_model(void **state)
{
    (void)state;
    struct error err = {0};
    json_t *loras = one_lora("peft.safetensors", 0.8), *other = one_lora("peft.safetensors", 0.7);
    const struct engine_options options = {.backend = "cpu", .threads = 1, .loras = loras};
    struct engine_model *model = engine_open(TINY, &options, &err);
    expect_ok(model != NULL, &err);
    assert_int_equal(json_array_size(engine_lora_report(model)), 1);
    json_t *wrong[] = {recipe_with(NULL), recipe_with(other)};
    for (int i = 0; i < 2; i++) {
        const struct engine_request request = {.recipe = wrong[i]};
        assert_null(engine_job_new(model, &request, 1, &err));
        assert_int_equal(err.code, ERROR_STATE);
        assert_non_null(strstr(err.message, "loras"));
        json_decref(wrong[i]);
    }
    engine_close(model);
    json_decref(loras);
    json_decref(other);
}

/* ---- reports and refusals ---- */

static json_t *match(const char *path, struct error *err)
{
    json_t *loras = json_pack("[{ss}]", "path", path);
    json_t *report = engine_lora_match(TINY, loras, err);
    json_decref(loras);
    return report;
}

static void every_key_of_the_goldens_is_matched(void **state)
{
    (void)state;
    static const char *const names[FORMS] = {"stable-lora", "stable-lora", "diffusers-peft",
                                             "cloneofsimo", "cloneofsimo", "diffusers-processor",
                                             "kohya"};
    for (size_t f = 0; f < FORMS; f++) {
        struct error err = {0};
        char path[256];
        snprintf(path, sizeof path, LORA "/%s", forms[f][1]);
        json_t *report = match(path, &err), *facts = engine_lora_describe(path, &err);
        expect_ok(report != NULL && facts != NULL, &err);
        const json_t *first = json_array_get(report, 0);
        assert_int_equal(json_integer_value(json_object_get(first, "unmatched")), 0);
        assert_string_equal(json_string_value(json_object_get(first, "form")), names[f]);
        assert_true(json_equal(json_object_get(first, "form"),
                               json_object_get(json_array_get(facts, 0), "form")));
        json_decref(report);
        json_decref(facts);
    }
}

/* A name that no report could hold. */
static void names_of_files_are_utf8(void **state)
{
    (void)state;
    struct error err = {0};
    char *folder = scratch_folder(), *from = path_join(LORA, forms[0][1]);
    struct buf data = BUF_INIT;
    expect_ok(path_read(from, (size_t)16 << 20, &data, &err), &err);
    scratch_write(folder, "mod\xe8le.safetensors", data.data, data.size);
    assert_null(engine_lora_describe(folder, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    assert_null(match(folder, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    buf_finish(&data);
    free(from);
    scratch_remove(folder);
}

struct part {
    const char *name;
    int64_t rows, columns;
};

/* A file of float32 matrices filled with `value`. */
static char *write_file(const char *folder, const struct part *parts, size_t count, float value)
{
    struct error err = {0};
    char *path = scratch_path(folder, "x.safetensors");
    struct safetensors_writer *w = safetensors_writer_new();
    for (size_t i = 0; i < count; i++) {
        const int64_t dim[] = {parts[i].rows, parts[i].columns};
        const size_t size = (size_t)(dim[0] * dim[1]);
        float *data = malloc(size * sizeof *data);
        for (size_t k = 0; k < size; k++)
            data[k] = value;
        safetensors_writer_add(w, parts[i].name, TENSOR_F32, 2, dim, data);
        free(data);
    }
    expect_ok(safetensors_writer_save(w, path, &err), &err);
    safetensors_writer_free(w);
    return path;
}

#define TO_Q "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"

static void what_does_not_fit_is_named(void **state)
{
    (void)state;
    static const struct part parts[] = {
        {"unet." TO_Q ".lora_A.weight", 2, 16},
        {"unet." TO_Q ".lora_B.weight", 16, 2},
        {"unet.down_blocks.9.nothing.lora_A.weight", 2, 16},
        {"unet.conv_out.lora_A.weight", 2, 16},
        {"unet.conv_in.lora_A.weight", 2, 5},
        {"unet.conv_in.lora_B.weight", 16, 2},
        {"unet.time_embedding.linear_1.lora_A.weight", 2, 16},
        {"unet.time_embedding.linear_1.lora_B.weight", 64, 3},
        {"unet.time_embedding.linear_2.dora_scale", 64, 1},
        {"unet.time_embedding.linear_2.lora_A.weight", 2, 64},
        {"unet.time_embedding.linear_2.lora_B.weight", 64, 2},
        {"what", 1, 1},
    };
    struct error err = {0};
    char *folder = scratch_folder();
    char *path = write_file(folder, parts, sizeof parts / sizeof parts[0], 0.5f);
    json_t *report = match(path, &err);
    expect_ok(report != NULL, &err);
    const json_t *first = json_array_get(report, 0);
    char *text = json_dumps(first, JSON_SORT_KEYS);
    assert_int_equal(json_integer_value(json_object_get(first, "matched")), 2);
    assert_int_equal(json_integer_value(json_object_get(first, "unmatched")), 10);
    static const char *const reasons[] = {
        "nothing.lora_A.weight: the model has no such module",
        "conv_out.lora_A.weight: its other half is missing",
        "conv_in.lora_A.weight: its shape does not fit the module",
        "linear_1.lora_B.weight: its two factors have different ranks",
        "linear_2.lora_B.weight: a method that is not built",
        "what: not the name of a LoRA's tensor",
    };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (strstr(text, reasons[i]) == NULL) fail_msg("%s is not in %s", reasons[i], text);
    free(text);
    json_decref(report);
    free(path);
    scratch_remove(folder);
}

/* Diffusers before 0.18 made the feed-forward of a block before its second attention. */
static void an_older_order_is_found_by_what_fits(void **state)
{
    (void)state;
    static const char *const names[] = {
        "mid_block.attentions.0.transformer_blocks.0.attn2.to_k",
        "mid_block.attentions.0.transformer_blocks.0.ff.net.0.proj",
        "mid_block.attentions.0.transformer_blocks.0.attn1.to_q",
    };
    static const int64_t dims[][2] = {{4, 6}, {8, 4}, {4, 4}};
    static const struct part older[] = {{"unet:0:up", 4, 1}, {"unet:0:down", 1, 4},
                                        {"unet:1:up", 8, 1}, {"unet:1:down", 1, 4},
                                        {"unet:2:up", 4, 1}, {"unet:2:down", 1, 6}};
    struct error err = {0};
    char *folder = scratch_folder(), *path = write_file(folder, older, 6, 1);
    struct lora_base *base = lora_base_new();
    for (int i = 0; i < 3; i++) {
        char tensor[128];
        snprintf(tensor, sizeof tensor, "%s.weight", names[i]);
        lora_base_add(base, false, tensor, 2, dims[i]);
    }
    lora_base_finish(base);
    int walk[3];
    assert_int_equal(lora_base_walk(base, false, NULL, 0, walk), 3);
    assert_true(walk[0] == 2 && walk[1] == 0 && walk[2] == 1);
    struct lora_file *file = lora_file_open(path, base, &err);
    expect_ok(file != NULL, &err);
    assert_int_equal(lora_file_count(file), 3);
    lora_file_close(file);
    lora_base_free(base);
    free(path);
    scratch_remove(folder);
}

static void a_file_that_fits_nowhere_is_refused(void **state)
{
    (void)state;
    static const struct part stranger[] = {{"lora_unet_mid_block_what.lora_up.weight", 4, 2},
                                           {"lora_unet_mid_block_what.lora_down.weight", 2, 4}};
    static const struct part none[] = {{"a.b.c", 4, 2}};
    struct error err = {0};
    char *folder = scratch_folder();
    char *path = write_file(folder, stranger, 2, 1);
    assert_null(match(path, &err));
    assert_int_equal(err.code, ERROR_USAGE);
    assert_non_null(strstr(err.message, "none of its 2 tensors belongs to this model"));
    assert_non_null(strstr(err.message, "lora_unet_mid_block_what.lora_"));
    free(path);
    path = write_file(folder, none, 1, 1);
    assert_null(engine_lora_describe(path, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    assert_non_null(strstr(err.message, "is no LoRA"));
    free(path);
    assert_null(match("/nowhere/x.safetensors", &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    scratch_remove(folder);
}

static void numbers_that_are_not_finite_are_refused(void **state)
{
    (void)state;
    static const struct part parts[] = {{"unet." TO_Q ".lora_A.weight", 2, 16},
                                        {"unet." TO_Q ".lora_B.weight", 16, 2}};
    struct error err = {0};
    char *folder = scratch_folder();
    char *path = write_file(folder, parts, 2, NAN);
    json_t *loras = json_pack("[{ss}]", "path", path);
    const struct engine_options options = {.backend = "ref", .threads = 1, .loras = loras};
    assert_null(engine_open(TINY, &options, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    assert_non_null(strstr(err.message, TO_Q ".weight: not finite"));
    json_decref(loras);
    free(path);
    scratch_remove(folder);
}

static void a_lora_folder_is_described_but_no_model(void **state)
{
    (void)state;
    static const struct part parts[] = {{"unet." TO_Q ".lora_A.weight", 2, 16},
                                        {"unet." TO_Q ".lora_B.weight", 16, 2}};
    static const char manifest[] = "{\"family\": \"lora\", \"name\": \"style\"}";
    struct error err = {0};
    char *folder = scratch_folder();
    char *path = write_file(folder, parts, 2, 0), *said = scratch_path(folder, "zoetrope.json");
    expect_ok(path_write_atomic(said, manifest, strlen(manifest), 0600, &err), &err);
    json_t *facts = engine_describe(folder, &err);
    expect_ok(facts != NULL, &err);
    assert_string_equal(json_string_value(json_object_get(facts, "family")), "lora");
    assert_int_equal(json_array_size(json_object_get(facts, "files")), 1);
    const struct engine_options options = {.threads = 1};
    assert_null(engine_open(folder, &options, &err));
    assert_non_null(strstr(err.message, "is a LoRA"));
    json_decref(facts);
    free(path);
    free(said);
    scratch_remove(folder);
}

/* ---- names ---- */

static void keys_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *key, *module;
        enum lora_role role;
    } cases[] = {
        {"input_blocks.1.1.proj_in.lora_A", "input_blocks_1_1_proj_in", LORA_DOWN},
        {"unet.a.attn1.processor.to_out_lora.up.weight", "a_attn1_to_out_0", LORA_UP},
        {"text_encoder.text_model.encoder.layers.3.self_attn.to_k_lora.down.weight",
         "text_model_encoder_layers_3_self_attn_k_proj", LORA_DOWN},
        {"text_encoder.text_model.x.q_proj.lora_linear_layer.down.weight", "text_model_x_q_proj",
         LORA_DOWN},
        {"lora_unet_conv_in.alpha", "conv_in", LORA_ALPHA},
        {"lora_te1_text_model_x.lora_up.weight", "text_model_x", LORA_UP},
        {"base_model.model.conv_in.lora_B.default.weight", "conv_in", LORA_UP},
        {"diffusion_model.conv_in.diff_b", "conv_in", LORA_ADDED_BIAS},
    };
    struct lora_key key;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(lora_key_parse(cases[i].key, &key));
        assert_string_equal(key.module, cases[i].module);
        assert_int_equal(key.role, cases[i].role);
    }
    char longest[600];
    memset(longest, 'a', sizeof longest - 1);
    strcpy(longest + 580, ".lora_A");
    assert_false(lora_key_parse(longest, &key));
    assert_false(lora_key_parse(".lora_A", &key));
    bool text, up;
    int index;
    assert_true(lora_key_ordinal("text_encoder:12:down", false, &text, &index, &up));
    assert_true(text && !up && index == 12);
    assert_false(lora_key_ordinal("unet:99999999999:up", false, &text, &index, &up));
    assert_true(lora_key_ordinal("25", true, &text, &index, &up));
    assert_true(text && !up && index == 12);
    assert_false(lora_key_ordinal("unet:-1:up", false, &text, &index, &up));
}

/* The table of docs/engine.md, for the full size and for Stable Diffusion. */
static void original_names_follow_the_table(void **state)
{
    (void)state;
    static const struct lora_layout video = {2, true, 0xe}, image = {2, false, 0xe};
    static const struct {
        const struct lora_layout *layout;
        const char *ours, *theirs;
    } cases[] = {
        {&video, "down_blocks.3.resnets.1.conv2", "input_blocks.11.0.out_layers.3"},
        {&video, "down_blocks.2.downsamplers.0.conv", "input_blocks.9.op"},
        {&video, "down_blocks.0.temp_convs.0.conv1.2", "input_blocks.1.0.temopral_conv.conv1.2"},
        {&video, "up_blocks.0.upsamplers.0.conv", "output_blocks.2.1.conv"},
        {&video, "up_blocks.2.upsamplers.0.conv", "output_blocks.8.3.conv"},
        {&image, "up_blocks.2.upsamplers.0.conv", "output_blocks.8.2.conv"},
        {&video, "mid_block.resnets.1.norm1", "middle_block.3.in_layers.0"},
        {&image, "mid_block.resnets.1.norm1", "middle_block.2.in_layers.0"},
        {&video, "mid_block.temp_attentions.0.proj_in", "middle_block.2.proj_in"},
        {&video, "transformer_in.proj_in", "input_blocks.0.1.proj_in"},
        {&video, "conv_norm_out", "out.0"},
    };
    char name[LORA_NAME_SIZE];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(lora_original_name(cases[i].layout, false, cases[i].ours, name));
        assert_string_equal(name, cases[i].theirs);
    }
    assert_true(lora_original_name(&video, true, "text_model.encoder.layers.22.mlp.fc2", name));
    assert_string_equal(name, "resblocks.22.mlp.c_proj");
    assert_false(lora_original_name(&video, false, "down_blocks.x.resnets.0.conv1", name));
    assert_false(lora_original_name(&video, false, "mid_block.", name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merged_weights_agree),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(predictions_agree_in_ref),
        cmocka_unit_test(predictions_agree_in_cpu),
        cmocka_unit_test(an_image_model_takes_them_too),
        cmocka_unit_test(strengths_add_up),
        cmocka_unit_test(a_recipe_must_suit_the_open_model),
        cmocka_unit_test(every_key_of_the_goldens_is_matched),
        cmocka_unit_test(names_of_files_are_utf8),
        cmocka_unit_test(what_does_not_fit_is_named),
        cmocka_unit_test(an_older_order_is_found_by_what_fits),
        cmocka_unit_test(a_file_that_fits_nowhere_is_refused),
        cmocka_unit_test(numbers_that_are_not_finite_are_refused),
        cmocka_unit_test(a_lora_folder_is_described_but_no_model),
        cmocka_unit_test(keys_are_read),
        cmocka_unit_test(original_names_follow_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
