#include "cli/question.h"

#include "cli/output.h"

/* Each body of the oneof is a pointer to a message that begins with its base. */
static const ProtobufCMessage *body_of(const Farm__Envelope *e)
{
    return &e->problem->base;
}

static void print_json(const Farm__Envelope *e, const char *schema, question_amend amend)
{
    json_t *json = output_json(body_of(e));
    if (amend) amend(json, e);
    output_print(json, schema);
}

int question_run(struct call *call, Farm__Envelope *request, Farm__Envelope__BodyCase expected,
                 const char *schema, question_print print)
{
    return question_run_amended(call, request, expected, schema, NULL, print);
}

int question_run_amended(struct call *call, Farm__Envelope *request,
                         Farm__Envelope__BodyCase expected, const char *schema,
                         question_amend amend, question_print print)
{
    struct error err = {0};
    struct zclient *client = client_connect(call, TARGET_START_IF_FOLDER, &err);
    struct message *answer = client ? client_ask(client, request, expected, &err) : NULL;
    if (answer && call->json)
        print_json(answer->envelope, schema, amend);
    else if (answer)
        print(call, answer->envelope);
    int code = answer ? 0 : call_fail(call, &err);
    message_free(answer);
    if (client) zclient_close(client);
    return code;
}
