#include "coordinator/submit_facts.h"

#include <string.h>

#include "base/json.h"

void submit_facts_finish(struct submit_facts *f)
{
    json_t *facts;
    for (size_t i = 0; (facts = table_next(&f->known, &i, NULL, NULL)) != NULL;)
        json_decref(facts);
    table_finish(&f->known);
}

json_t *submit_facts_of(struct submit_facts *f, const struct model *model, struct error *err)
{
    json_t *facts = table_get_text(&f->known, model->name);
    if (facts != NULL) return json_incref(facts);
    facts = json_parse(model->description, strlen(model->description), "description", err);
    if (facts == NULL) return NULL;
    if (f->known.count == SUBMIT_FACTS_KEPT) submit_facts_finish(f);
    (void)table_set_text(&f->known, model->name, json_incref(facts));
    return facts;
}
