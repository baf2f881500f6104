#include "cli/model_add.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "base/path.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "cli/model_known.h"
#include "cli/model_vae.h"
#include "cli/models_asked.h"
#include "cli/output.h"
#include "cli/transfer.h"

#define PAUSE_NS (500 * NS_PER_MS)
#define TRIES 5
#define SILENCE_NS (30 * NS_PER_S)
#define SCAN_LIMIT_NS (900 * NS_PER_S) /* the coordinator reads all of the new model once */
#define SMALL_JSON_BYTES (1024 * 1024)

/* ---- before anything is fetched ---- */

static bool choose_name(struct model_add *a, const char *name, struct error *err)
{
    const struct known_model *known = model_known_find(&a->source);
    if (name && !model_name_check(name, err)) return false;
    if (name)
        strcpy(a->name, name);
    else if (known && !a->source.inside)
        strcpy(a->name, known->name);
    else
        model_source_suggest(&a->source, a->name);
    return true;
}

static bool name_is_free(struct model_add *a, struct zclient *client, struct error *err)
{
    struct message *answer = models_asked(client, a->name, CLIENT_LIMIT_NS, err);
    char *folder = model_place_model(&a->place, a->name);
    bool there = answer || path_exists(folder);
    bool ok = !there && err->code == ERROR_NOT_FOUND;
    if (ok) error_clear(err);
    if (there)
        error_set(
            err, ERROR_STATE,
            "a model named %s is there already (%.200s); --name gives another name, `zoe model "
            "remove %s` makes room",
            a->name, answer ? answer->envelope->models->models[0]->path : folder, a->name);
    message_free(answer);
    free(folder);
    return ok;
}

bool model_add_begin(struct model_add *a, const struct call *call, const char *source,
                     const char *name, struct error *err)
{
    *a = (struct model_add){.call = call, .lock = -1};
    if (!model_source_parse(source, &a->source, err) || !choose_name(a, name, err)) return false;
    struct zclient *client = client_connect(call, TARGET_START_ALWAYS, err);
    bool ok =
        client && model_place_find(&a->place, call, client, err) && name_is_free(a, client, err);
    if (client) zclient_close(client);
    return ok;
}

void model_add_finish(struct model_add *a)
{
    gather_finish(&a->gather);
    model_source_finish(&a->source);
    model_place_finish(&a->place);
    model_digest_finish(&a->files);
    json_decref(a->report);
    json_decref(a->description);
    if (a->lock >= 0) close(a->lock);
    free(a->key);
    free(a->folder);
    free(a->licence);
}

/* ---- gathering ---- */

static void on_progress(void *context, uint64_t done_bytes, uint64_t total_bytes)
{
    struct transfer *t = context;
    if (!t->total_bytes) t->total_bytes = total_bytes;
    transfer_draw(t, done_bytes);
}

static void on_retrying(void *context, const char *why, int64_t pause_ns)
{
    char pause[64];
    struct transfer *t = context;
    transfer_clear(t);
    clock_duration_text(pause_ns, pause, sizeof pause);
    if (!t->quiet) fprintf(stderr, "  %s; again in %s\n", why, pause);
}

static void on_file(void *context, const struct listed_file *f, uint64_t before)
{
    transfer_file(context, f->path, f->size_bytes, before);
}

static struct download *open_download(struct model_add *a, struct transfer *t, struct error *err)
{
    struct download_options options = {
        .token = a->source.kind == MODEL_SOURCE_HUB ? getenv("HF_TOKEN") : NULL,
        .allow_http = call_has(a->call, "allow-http"),
        .tries = TRIES,
        .pause_ns = PAUSE_NS,
        .silence_ns = SILENCE_NS,
        .progress = on_progress,
        .retrying = on_retrying,
        .interrupted = client_interrupted,
        .context = t};
    if (!call_duration(a->call, "stall", &options.silence_ns, err)) return NULL;
    return download_create(&options, err);
}

/* The same source in the same revision comes into the same folder, so that it can go on. */
static void choose_key(struct model_add *a)
{
    struct digest_stream s;
    char hex[DIGEST_TEXT_SIZE];
    digest_begin(&s);
    digest_update(&s, a->gather.origin, strlen(a->gather.origin));
    digest_update(&s, a->gather.full ? "+" : "-", 1);
    struct digest digest = digest_end(&s);
    digest_text(&digest, hex);
    a->key = xasprintf("%s-%.12s", a->name, hex);
}

const char *model_add_source(const struct model_add *a)
{
    return a->made_from ? a->made_from : a->gather.origin;
}

/* A commit's first twelve digits are enough for a person. */
static int shown_size(const char *origin)
{
    const char *at = strrchr(origin, '@');
    size_t size = strlen(origin);
    return (int)(at && strlen(at) == 41 ? size - 28 : size);
}

static void say_plan(const struct model_add *a)
{
    char size[32];
    size_t count, all = a->gather.listing.count;
    uint64_t bytes = listing_chosen_bytes(&a->gather.listing, &count);
    text_size(bytes, size, sizeof size);
    if (a->call->quiet) return;
    const char *source = model_add_source(a);
    fprintf(stderr, "%s%.*s%s: ", output_colour(2, COLOUR_BOLD), shown_size(source), source,
            output_colour(2, COLOUR_NONE));
    if (count < all) fprintf(stderr, "%zu of ", count);
    fprintf(stderr, "%zu file%s%s%s, %s\n", all, all == 1 ? "" : "s", bytes ? ", " : "",
            bytes ? size : "", model_listing_form_name(a->gather.form));
}

static bool read_digest(const struct call *call, struct digest *out, bool *given, struct error *err)
{
    const char *text = call_option(call, "sha256");
    *given = text != NULL;
    if (!text || digest_parse(text, out)) return true;
    return error_set(err, ERROR_USAGE, "--sha256 takes 64 hex digits");
}

static bool gather_all(struct model_add *a, struct transfer *t, struct error *err)
{
    a->gather.source = &a->source;
    a->gather.full = call_has(a->call, "full");
    a->gather.on_file = on_file;
    a->gather.context = t;
    if (!gather_list(&a->gather, err)) return false;
    size_t count;
    t->total_bytes = listing_chosen_bytes(&a->gather.listing, &count);
    choose_key(a);
    say_plan(a);
    if (call_has(a->call, "dry-run")) return true;
    char *vae = NULL; /* looked for before anything is fetched */
    bool lacks = model_vae_is_missing(&a->gather.listing, a->gather.form);
    if (lacks && !(vae = model_vae_find(&a->place, call_option(a->call, "vae"), err))) return false;
    a->folder = model_place_incoming(&a->place, a->key, &a->lock, err);
    bool ok = a->folder && gather_files(&a->gather, a->folder, err) &&
              (!vae || model_vae_copy(vae, a->folder, err));
    free(vae);
    return ok;
}

static bool bring(struct model_add *a, struct error *err)
{
    struct transfer t;
    struct digest digest;
    bool given;
    if (!read_digest(a->call, &digest, &given, err)) return false;
    a->gather.digest = given ? &digest : NULL;
    transfer_begin(&t, 0, a->call->quiet);
    bool remote = a->source.kind != MODEL_SOURCE_PATH;
    if (remote && !(a->gather.download = open_download(a, &t, err))) return false;
    bool ok = gather_all(a, &t, err);
    transfer_clear(&t);
    download_destroy(a->gather.download);
    a->gather.download = NULL;
    a->gather.digest = NULL;
    return ok;
}

/* ---- describing ---- */

static bool read_manifest(const char *path, json_t **manifest, struct error *err)
{
    *manifest = path_exists(path) ? json_parse_file(path, SMALL_JSON_BYTES, err) : json_object();
    if (*manifest == NULL) return false;
    if (json_is_object(*manifest)) return true;
    json_decref(*manifest);
    *manifest = NULL;
    return error_set(err, ERROR_INVALID, "%s is no JSON object", path);
}

/* What the model's own files say stays; the name is the farm's, licence and best settings are
 * added where they are known. */
static bool write_description(struct model_add *a, struct error *err)
{
    json_t *manifest;
    char *path = path_join(a->folder, "zoetrope.json");
    bool ok = read_manifest(path, &manifest, err);
    if (ok) {
        const struct known_model *known = model_known_find(&a->source);
        json_object_set_new(manifest, "name", json_string(a->name));
        if (a->is_lora) json_object_set_new(manifest, "family", json_string("lora"));
        if (a->licence && !json_is_string(json_object_get(manifest, "licence")))
            json_object_set_new(manifest, "licence", json_string(a->licence));
        if (known && !json_object_get(manifest, "defaults"))
            json_object_set_new(
                manifest, "defaults",
                json_parse(known->defaults, strlen(known->defaults), "known", NULL));
        char *text = json_pretty(manifest);
        ok = path_write_atomic(path, text, strlen(text), 0600, err);
        free(text);
        json_decref(manifest);
    }
    free(path);
    return ok;
}

static void find_licence(struct model_add *a)
{
    a->licence = gather_find_licence(a->folder);
    if (!a->licence && a->gather.licence) a->licence = xstrdup(a->gather.licence);
}

static bool describe_and_check(struct model_add *a, struct error *err)
{
    find_licence(a);
    a->is_lora = a->gather.form == LISTING_SINGLE && model_check_lora(a->folder, &a->report);
    if (!write_description(a, err)) return false;
    if (!a->call->quiet && !a->is_lora) fputs("Checking every tensor...\n", stderr);
    bool ok = a->is_lora || model_check(a->folder, &a->report, err);
    if (!ok || !a->call->quiet) model_check_say(a->report);
    return ok;
}

/* ---- into place ---- */

static json_t *manifest_facts(const struct model_add *a)
{
    char now[CLOCK_TEXT_SIZE];
    clock_wall_text(clock_wall_ms(), now);
    return json_pack("{ss ss ss ss? sO?}", "name", a->name, "source", model_add_source(a), "added",
                     now, "licence", a->licence, "check", a->report);
}

static bool write_manifest(struct model_add *a, struct error *err)
{
    char *path = model_place_manifest(&a->place, a->name), *folder = path_dirname(path);
    json_t *facts = manifest_facts(a), *manifest = model_manifest_pack(&a->files, facts);
    char *text = json_pretty(manifest);
    bool ok = path_make_folders(folder, 0700, err) &&
              path_write_atomic(path, text, strlen(text), 0600, err);
    free(text);
    json_decref(manifest);
    json_decref(facts);
    free(folder);
    free(path);
    return ok;
}

static bool put_in_place(struct model_add *a, struct error *err)
{
    char *place = model_place_model(&a->place, a->name);
    bool ok = model_digest_list(a->folder, &a->files, err);
    if (ok) a->digest = model_digest_of(&a->files);
    if (ok && path_exists(place)) /* another add was faster: its manifest stays */
        ok = error_set(err, ERROR_STATE, "a model named %s is there by now", a->name);
    ok = ok && write_manifest(a, err) && path_rename_durable(a->folder, place, err);
    free(place);
    return ok;
}

/* The coordinator must come to the same digest from the same files. */
static bool show_coordinator(struct model_add *a, struct error *err)
{
    struct zclient *client = client_connect(a->call, TARGET_START_ALWAYS, err);
    struct message *answer = client ? models_asked(client, a->name, SCAN_LIMIT_NS, err) : NULL;
    bool ok = answer != NULL;
    if (ok) {
        const Farm__Model *m = answer->envelope->models->models[0];
        if (*m->problem)
            ok = error_set(err, ERROR_INVALID, "the coordinator cannot use it: %.300s", m->problem);
        else if (m->digest.len != DIGEST_BYTES ||
                 memcmp(m->digest.data, a->digest.bytes, DIGEST_BYTES) != 0)
            ok = error_set(err, ERROR_CORRUPT,
                           "the coordinator reads other bytes in it: try `zoe "
                           "model verify %s`",
                           a->name);
        else
            a->description =
                json_parse(m->description, strlen(m->description), "description", NULL);
    }
    message_free(answer);
    if (client) zclient_close(client);
    return ok;
}

/* A download that broke off is kept for the next try; what was refused is not. */
static bool is_worth_keeping(const struct model_add *a, const struct error *err)
{
    return a->source.kind != MODEL_SOURCE_PATH &&
           (err->code == ERROR_INTERRUPTED || err->code == ERROR_UNREACHABLE ||
            err->code == ERROR_AUTH || err->code == ERROR_FULL || err->code == ERROR_IO);
}

static void drop_incoming(struct model_add *a)
{
    if (!a->folder || a->lock < 0) return;
    model_place_drop_incoming(&a->place, a->key);
}

bool model_add_run(struct model_add *a, struct error *err)
{
    bool ok = bring(a, err);
    if (ok && call_has(a->call, "dry-run")) return true;
    ok = ok && describe_and_check(a, err) && put_in_place(a, err);
    if (ok || !is_worth_keeping(a, err)) drop_incoming(a);
    return ok && show_coordinator(a, err);
}

json_t *model_add_json(const struct model_add *a)
{
    char hex[DIGEST_TEXT_SIZE];
    digest_text(&a->digest, hex);
    char *path = model_place_model(&a->place, a->name);
    json_t *object = json_pack("{ss ss ss ss ss? ss sI si sO? sO?}", "name", a->name, "digest", hex,
                               "path", path, "source", model_add_source(a), "licence", a->licence,
                               "form", model_listing_form_name(a->gather.form), "size_bytes",
                               (json_int_t)a->files.total_bytes, "files", (int)a->files.count,
                               "check", a->report, "description", a->description);
    free(path);
    return object;
}
