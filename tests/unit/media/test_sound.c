/* A person's sound becomes the sound of a clip, exactly as long as its pictures. */
#include "unit/media/media_run.h"

#include <libavutil/cpu.h>
#include <math.h>

#include "media/mp4_check.h"
#include "media/sound.h"
#include "media/stitch.h"

#define CORPUS TEST_SOURCE "/tests/fuzz/corpus/fuzz_sound/"
#define PI 3.14159265358979323846

static void put32(struct buf *out, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        buf_append_char(out, (char)(value >> (8 * i) & 0xff));
}

static void put16(struct buf *out, int value)
{
    buf_append_char(out, (char)(value & 0xff));
    buf_append_char(out, (char)(value >> 8 & 0xff));
}

/* A tone of 440 Hz, 16 bits. */
static char *make_wav(const char *folder, int rate, int channels, double seconds)
{
    struct buf wav = BUF_INIT;
    char *path = in_folder(folder, "tone.wav");
    const int samples = (int)(rate * seconds);
    const uint32_t bytes = (uint32_t)(samples * channels * 2);
    buf_append_text(&wav, "RIFF");
    put32(&wav, 36 + bytes);
    buf_append_text(&wav, "WAVEfmt ");
    put32(&wav, 16);
    put16(&wav, 1);
    put16(&wav, channels);
    put32(&wav, (uint32_t)rate);
    put32(&wav, (uint32_t)(rate * channels * 2));
    put16(&wav, channels * 2);
    put16(&wav, 16);
    buf_append_text(&wav, "data");
    put32(&wav, bytes);
    for (int i = 0; i < samples * channels; i++)
        put16(&wav, (int)(9000 * sin(2 * PI * 440 * (i / channels) / rate)));
    write_bytes(path, wav.data, wav.size);
    buf_finish(&wav);
    return path;
}

static void every_kind_is_decoded(void **state)
{
    static const struct {
        const char *name, *kind;
        int rate;
    } rows[] = {{"wav", "WAV", 8000},    {"mp3", "MP3", 24000},
                {"flac", "FLAC", 24000}, {"vorbis", "Ogg", 24000},
                {"opus", "Ogg", 48000},  {"m4a", "MP4", 24000},
                {"adts", "AAC", 24000},  {"webm", "Matroska or WebM", 48000}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct error err;
        struct sound_info info;
        char *path = xasprintf(CORPUS "%s", rows[i].name);
        must(sound_measure(path, &info, &err), &err);
        assert_string_equal(info.kind, rows[i].kind);
        assert_int_equal(info.rate, rows[i].rate);
        assert_int_equal(info.channels, 1);
        double seconds = (double)info.samples / info.rate;
        if (seconds < 0.08 || seconds > 0.2) fail_msg("%s: %g s", rows[i].name, seconds);
        free(path);
    }
}

static void stitch_with_sound(const char *folder, const char *audio, const char *name,
                              int64_t frames, struct stitch_result *out)
{
    struct frames_shape shape = shape_of(32, 32, frames);
    struct segment_result written;
    struct error err;
    char *segment = in_folder(folder, "s.mkv"), *mp4 = in_folder(folder, name);
    write_segment(segment, &shape, 0, &written);
    const struct stitch_job job = {.out_path = mp4,
                                   .shape = shape,
                                   .tags = {"", ""},
                                   .segments = (const char *[]){segment},
                                   .segment_count = 1,
                                   .audio = audio};
    must(stitch_run(&job, out, &err), &err);
    free(segment);
    free(mp4);
}

/* Loudness of [from, to) seconds of a file's sound, 0 .. 1. */
static double loudness(const char *path, double from, double to)
{
    struct error err;
    struct sound *s = sound_open(path, &err);
    must(s != NULL, &err);
    double sum = 0;
    int64_t at = 0, used = 0;
    bool end = false;
    for (const AVFrame *f; (f = sound_next(s, &end, &err)) != NULL;) {
        const float *values = (const float *)(const void *)f->data[0];
        assert_int_equal(f->format, AV_SAMPLE_FMT_FLTP);
        for (int i = 0; i < f->nb_samples; i++, at++) {
            double time = (double)at / f->sample_rate;
            if (time < from || time >= to) continue;
            sum += (double)values[i] * values[i];
            used++;
        }
    }
    assert_true(end && used > 0);
    sound_destroy(s);
    return sqrt(sum / (double)used);
}

static void sound_is_padded_and_cut(void **state)
{
    struct stitch_result *result = xcalloc(1, sizeof *result);
    char *mp4 = in_folder(*state, "a.mp4");
    char *wav = make_wav(*state, 22050, 2, 1.5);
    stitch_with_sound(*state, wav, "a.mp4", 24, result); /* 3 s */
    assert_true(result->audio_seconds >= 3 && result->audio_seconds < 3 + 1024.0 / 48000);
    assert_true(loudness(mp4, 0.1, 1.4) > 0.15);
    assert_true(loudness(mp4, 1.6, 3.0) < 0.001);
    stitch_with_sound(*state, wav, "a.mp4", 5, result); /* 0.625 s */
    assert_true(result->audio_seconds >= 0.625 && result->audio_seconds < 0.625 + 1024.0 / 48000);
    assert_true(loudness(mp4, 0.1, 0.6) > 0.15);
    free(wav);
    free(mp4);
    free(result);
}

static void the_same_sound_has_the_same_bytes(void **state)
{
    struct stitch_result *one = xcalloc(1, sizeof *one), *two = xcalloc(1, sizeof *two);
    static const char *const names[] = {"mp3", "vorbis", "opus", "m4a", "flac"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *path = xasprintf(CORPUS "%s", names[i]);
        stitch_with_sound(*state, path, "one.mp4", 8, one);
        av_force_cpu_flags(0); /* as on a processor without vector instructions */
        stitch_with_sound(*state, path, "two.mp4", 8, two);
        av_force_cpu_flags(-1);
        if (!digest_equal(&one->sha256, &two->sha256)) fail_msg("%s differs", names[i]);
        free(path);
    }
    free(one);
    free(two);
}

static void the_check_compares_lengths(void **state)
{
    (void)state;
    struct error err;
    struct mp4_info info = {.sound_samples = 48000, .sound_rate = 48000, .sound_channels = 1};
    must(mp4_check_sound(&info, 48000, &err), &err);
    must(mp4_check_sound(&info, 47000, &err), &err);
    assert_false(mp4_check_sound(&info, 46000, &err));
    assert_int_equal(err.code, ERROR_CORRUPT);
    assert_false(mp4_check_sound(&info, 0, &err));
    info.sound_rate = 44100;
    assert_false(mp4_check_sound(&info, 48000, &err));
    info.sound_samples = 0;
    assert_false(mp4_check_sound(&info, 48000, &err));
    must(mp4_check_sound(&info, 0, &err), &err);
}

static void what_has_no_sound_is_refused(void **state)
{
    struct error err;
    struct sound_info info;
    char *bad = in_folder(*state, "bad");
    static const char *const texts[] = {"",     "RIFF", "RIFF\x24\0\0\0WAVE", "ID3",
                                        "fLaC", "OggS", "#EXTM3U\n",          "\x89PNG\r\n\x1a\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        write_bytes(bad, texts[i], i == 2 ? 12 : strlen(texts[i]));
        assert_false(sound_measure(bad, &info, &err));
        assert_int_equal(err.code, ERROR_INVALID);
    }
    assert_false(sound_measure("/nowhere.wav", &info, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    free(bad);
}

static void inspect_says_what_it_hears(void **state)
{
    struct stitch_result *result = xcalloc(1, sizeof *result);
    char *wav = make_wav(*state, 22050, 2, 1.5), *mp4 = in_folder(*state, "both.mp4");
    char *line = xasprintf("inspect %s", wav);
    struct answer a = run(*state, line);
    succeeded(&a);
    json_t *wanted = json_pack("{si si sf}", "rate", 22050, "channels", 2, "seconds", 1.5);
    assert_true(json_equal(json_object_get(a.json, "audio"), wanted));
    assert_string_equal(text_of(&a, "format"), "WAV");
    assert_null(json_object_get(a.json, "frames"));
    forget(&a);
    free(line);
    stitch_with_sound(*state, wav, "both.mp4", 8, result);
    line = xasprintf("inspect %s", mp4);
    a = run(*state, line);
    succeeded(&a);
    assert_int_equal(number_of(&a, "frames"), 8);
    assert_true(json_is_object(json_object_get(a.json, "audio")));
    forget(&a);
    free(line);
    line = xasprintf("stitch --out %s/s.mp4 --fps 8 --frames 8 --width 32 --height 32 --audio %s "
                     "%s/s.mkv",
                     (char *)*state, wav, (char *)*state);
    a = run(*state, line);
    succeeded(&a);
    assert_true(json_real_value(json_object_get(a.json, "audio_seconds")) >= 1);
    forget(&a);
    free(line);
    json_decref(wanted);
    free(result);
    free(wav);
    free(mp4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_decoded),
        cmocka_unit_test(sound_is_padded_and_cut),
        cmocka_unit_test(the_same_sound_has_the_same_bytes),
        cmocka_unit_test(the_check_compares_lengths),
        cmocka_unit_test(what_has_no_sound_is_refused),
        cmocka_unit_test(inspect_says_what_it_hears),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
