/* filter_graph: pictures or sound through a chain of libavfilter's filters, from one source to one
 * end, on one thread. libavfilter is loaded when the first graph is opened, and not with the
 * program: it and what comes with it is half of the time that a media child needs to start, and
 * most children filter nothing (docs/decisions/0020). Internal to the room. */
#ifndef ZOE_MEDIA_FILTER_GRAPH_H
#define ZOE_MEDIA_FILTER_GRAPH_H

#include <libavutil/frame.h>

#include "base/error.h"

enum filter_graph_kind {
    FILTER_GRAPH_VIDEO,
    FILTER_GRAPH_AUDIO,
};

struct filter_graph;

/* `source`: the arguments of the filter "buffer" (video) or "abuffer" (audio); `chain`: what lies
 * between, as libavfilter writes it. ERROR_REFUSED when libavfilter, or a filter of the chain, is
 * not installed. `what` names the graph in errors. */
struct filter_graph *filter_graph_open(enum filter_graph_kind kind, const char *source,
                                       const char *chain, const char *what, struct error *err);

/* Both return 0 or a code of libav's. Push keeps a reference of its own; NULL is the end of the
 * input. Take fills `frame` with a reference that the caller drops: AVERROR(EAGAIN) when more has
 * to be pushed first, AVERROR_EOF after the last. */
int filter_graph_push(struct filter_graph *g, const AVFrame *frame);
int filter_graph_take(struct filter_graph *g, AVFrame *frame);

void filter_graph_close(struct filter_graph *g); /* NULL is fine */

#endif
