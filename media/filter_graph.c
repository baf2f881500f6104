/* The functions of libavfilter that are used, by name, from the library of the very version that
 * the headers describe. */
#include "media/filter_graph.h"

#include <dlfcn.h>
#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
#include <libavutil/avstring.h>
#include <libavutil/mem.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "media/libav.h"

#define LIBRARY "libavfilter.so." AV_STRINGIFY(LIBAVFILTER_VERSION_MAJOR)

#define FUNCTIONS(ROW)                                                                             \
    ROW(avfilter_get_by_name)                                                                      \
    ROW(avfilter_graph_alloc)                                                                      \
    ROW(avfilter_graph_create_filter)                                                              \
    ROW(avfilter_graph_parse_ptr)                                                                  \
    ROW(avfilter_graph_config)                                                                     \
    ROW(avfilter_graph_free)                                                                       \
    ROW(avfilter_inout_alloc)                                                                      \
    ROW(avfilter_inout_free)                                                                       \
    ROW(av_buffersrc_write_frame)                                                                  \
    ROW(av_buffersink_get_frame)

/* The types are those of the headers, so that a call is checked as if it were linked. */
#define POINTER(name) __typeof__(&name) name;
struct library {
    FUNCTIONS(POINTER)
};

struct filter_graph {
    struct library lib;
    AVFilterGraph *graph;
    AVFilterContext *source, *end;
};

/* The handle is never given back: the library stays, as a linked one would. */
static bool load(struct library *lib, struct error *err)
{
    void *handle = dlopen(LIBRARY, RTLD_LAZY | RTLD_LOCAL);
    bool all = handle != NULL;
#define LOOK_UP(name) all = all && (*(void **)&lib->name = dlsym(handle, #name)) != NULL;
    FUNCTIONS(LOOK_UP)
    return all || error_set(err, ERROR_REFUSED, "%s cannot be loaded: install FFmpeg's libavfilter",
                            LIBRARY);
}

static const struct {
    const char *source, *end;
} ends[] = {
    [FILTER_GRAPH_VIDEO] = {"buffer", "buffersink"},
    [FILTER_GRAPH_AUDIO] = {"abuffer", "abuffersink"},
};

static int link_chain(struct filter_graph *g, const char *chain)
{
    AVFilterInOut *outputs = g->lib.avfilter_inout_alloc(), *inputs = g->lib.avfilter_inout_alloc();
    int code = AVERROR(ENOMEM);
    if (outputs != NULL && inputs != NULL) {
        *outputs = (AVFilterInOut){.name = av_strdup("in"), .filter_ctx = g->source};
        *inputs = (AVFilterInOut){.name = av_strdup("out"), .filter_ctx = g->end};
        code = g->lib.avfilter_graph_parse_ptr(g->graph, chain, &inputs, &outputs, NULL);
    }
    g->lib.avfilter_inout_free(&inputs);
    g->lib.avfilter_inout_free(&outputs);
    return code >= 0 ? g->lib.avfilter_graph_config(g->graph, NULL) : code;
}

static int build(struct filter_graph *g, enum filter_graph_kind kind, const char *source,
                 const char *chain)
{
    g->graph = g->lib.avfilter_graph_alloc();
    if (g->graph == NULL) return AVERROR(ENOMEM);
    g->graph->nb_threads = 1;
    int code = g->lib.avfilter_graph_create_filter(
        &g->source, g->lib.avfilter_get_by_name(ends[kind].source), "in", source, NULL, g->graph);
    if (code < 0) return code;
    code = g->lib.avfilter_graph_create_filter(&g->end, g->lib.avfilter_get_by_name(ends[kind].end),
                                               "out", NULL, NULL, g->graph);
    return code < 0 ? code : link_chain(g, chain);
}

static bool refuse(int code, const char *what, struct error *err)
{
    if (code != AVERROR_FILTER_NOT_FOUND) return libav_error(err, code, "filters for %s", what);
    return error_set(err, ERROR_REFUSED, "the installed libavfilter lacks a filter for %s", what);
}

struct filter_graph *filter_graph_open(enum filter_graph_kind kind, const char *source,
                                       const char *chain, const char *what, struct error *err)
{
    struct filter_graph *g = xcalloc(1, sizeof *g);
    if (load(&g->lib, err)) {
        int code = build(g, kind, source, chain);
        if (code >= 0) return g;
        (void)refuse(code, what, err);
    }
    filter_graph_close(g);
    return NULL;
}

int filter_graph_push(struct filter_graph *g, const AVFrame *frame)
{
    return g->lib.av_buffersrc_write_frame(g->source, frame);
}

int filter_graph_take(struct filter_graph *g, AVFrame *frame)
{
    return g->lib.av_buffersink_get_frame(g->end, frame);
}

void filter_graph_close(struct filter_graph *g)
{
    if (g == NULL) return;
    if (g->graph != NULL) g->lib.avfilter_graph_free(&g->graph);
    free(g);
}
