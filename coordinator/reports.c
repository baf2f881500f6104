#include "coordinator/reports.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "coordinator/offer_judge.h"
#include "coordinator/shell.h"
#include "proto/codec.h"

static const char kind_name[] = "report";

void reports_clear(struct reports *r)
{
    for (size_t i = 0; i < r->count; i++)
        free(r->items[i].data);
    r->count = r->next = 0;
}

void reports_finish(struct reports *r)
{
    reports_clear(r);
    free(r->items);
    *r = (struct reports){.count = 0};
}

/* ---- looking ---- */

bool reports_is_one(const Farm__Offer *m)
{
    return m->n_outputs == 1 && strcmp(m->outputs[0]->kind, kind_name) == 0;
}

static bool is_object(const ProtobufCBinaryData *data)
{
    json_t *json = json_parse((const char *)data->data, data->len, "a report", NULL);
    const bool object = json_is_object(json);
    json_decref(json);
    return object;
}

bool reports_is_sound(const Farm__Offer *m)
{
    const Farm__Output *o = m->outputs[0];
    struct digest told;
    if (o->data.len == 0 || o->data.len != o->size_bytes) return false;
    const struct digest found = digest_of(o->data.data, o->data.len);
    return codec_digest_get(&o->sha256, &told) && digest_equal(&told, &found) &&
           is_object(&o->data);
}

/* ---- keeping ---- */

static void keep(struct reports *r, const struct task_key *task, const struct digest *sha256,
                 const ProtobufCBinaryData *data)
{
    if (r->count == r->capacity) {
        r->capacity = r->capacity > 0 ? 2 * r->capacity : 64;
        r->items = xrealloc_array(r->items, r->capacity, sizeof(r->items[0]));
    }
    struct report *added = &r->items[r->count++];
    *added = (struct report){.task = *task, .sha256 = *sha256, .size_bytes = data->len};
    added->data = xmalloc(data->len);
    memcpy(added->data, data->data, data->len);
}

void reports_offer(struct coordinator *c, uint64_t session, const Farm__Offer *m,
                   struct farm_offer *offer)
{
    struct offer_rows rows;
    offer->received[0] = offer->outputs[0].size_bytes;
    offer->matches = offer->matches && reports_is_sound(m);
    if (offer->matches)
        keep(&c->reports, &offer->attempt.task, &offer->outputs[0].sha256, &m->outputs[0]->data);
    offer_link_rows(c, session, offer, &rows);
    farm_offer(c->farm, session, offer, shell_now(c));
    offer_unlink_rows(offer);
}

/* They are saved in the order in which they came. */
void reports_save(struct coordinator *c, const struct output_record *output)
{
    struct reports *r = &c->reports;
    while (r->next < r->count) {
        const struct report *each = &r->items[r->next++];
        if (!digest_equal(&each->sha256, &output->output.sha256) ||
            each->task.clip != output->task.clip ||
            memcmp(each->task.batch, output->task.batch, ID_BATCH_SIZE) != 0)
            continue;
        store_report_save(c->store, &output->task, each->data, each->size_bytes);
        return;
    }
    log_error("a report is not in memory any more"); /* the offer is of this turn: cannot be */
}
