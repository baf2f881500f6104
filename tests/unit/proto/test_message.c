#include "unit/base/scratch.h"

#include <string.h>

#include "proto/limits.h"
#include "proto/message.h"

static const ProtobufCFieldDescriptor *body_field(unsigned i)
{
    const ProtobufCFieldDescriptor *f = &farm__envelope__descriptor.fields[i];
    return (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 ? f : NULL;
}

static void every_body_has_its_row(void **state)
{
    (void)state;
    size_t bodies = 0;
    for (unsigned i = 0; i < farm__envelope__descriptor.n_fields; i++) {
        const ProtobufCFieldDescriptor *f = body_field(i);
        if (f == NULL) continue;
        bodies++;
        const struct message_kind *kind = message_kind_find((Farm__Envelope__BodyCase)f->id);
        if (kind == NULL) fail_msg("%s has no row in proto/message.c", f->name);
        assert_string_equal(kind->name, f->name);
        assert_true(kind->from != 0);
        assert_true(kind->limit_bytes > 0 && kind->limit_bytes <= LIMIT_FRAME_BYTES);
    }
    size_t rows = 0;
    (void)message_kinds(&rows);
    assert_int_equal(rows, bodies);
    assert_null(message_kind_find(FARM__ENVELOPE__BODY__NOT_SET));
    assert_null(message_kind_find((Farm__Envelope__BodyCase)9999));
}

static bool may(Farm__Envelope__BodyCase body, enum message_from from)
{
    return message_may_send(message_kind_find(body), from);
}

static void roles_are_kept_apart(void **state)
{
    (void)state;
    assert_true(may(FARM__ENVELOPE__BODY_OFFER, MESSAGE_FROM_WORKER));
    assert_false(may(FARM__ENVELOPE__BODY_OFFER, MESSAGE_FROM_ADMIN));
    assert_true(may(FARM__ENVELOPE__BODY_SUBMIT_OPEN, MESSAGE_FROM_SUBMIT));
    assert_false(may(FARM__ENVELOPE__BODY_SUBMIT_OPEN, MESSAGE_FROM_WORKER));
    assert_false(may(FARM__ENVELOPE__BODY_KEY_ALLOW, MESSAGE_FROM_SUBMIT));
    assert_true(may(FARM__ENVELOPE__BODY_KEY_ALLOW, MESSAGE_FROM_ADMIN));
    assert_false(may(FARM__ENVELOPE__BODY_WORKER_ACTION, MESSAGE_FROM_SUBMIT));
    assert_true(may(FARM__ENVELOPE__BODY_WORKER_ACTION, MESSAGE_FROM_OPERATE));
    assert_false(may(FARM__ENVELOPE__BODY_TOKEN_CREATE, MESSAGE_FROM_OPERATE));
    assert_true(may(FARM__ENVELOPE__BODY_JOIN, MESSAGE_FROM_JOINER));
    assert_false(may(FARM__ENVELOPE__BODY_HELLO, MESSAGE_FROM_JOINER));
    assert_false(may(FARM__ENVELOPE__BODY_ASSIGN, MESSAGE_TO_CLIENT));
    size_t count = 0;
    const struct message_kind *kinds = message_kinds(&count);
    for (size_t i = 0; i < count; i++) { /* nobody says both what is asked and what is answered */
        bool down = (kinds[i].from & (MESSAGE_TO_WORKER | MESSAGE_TO_CLIENT)) != 0;
        bool up = (kinds[i].from & ~(unsigned)(MESSAGE_TO_WORKER | MESSAGE_TO_CLIENT)) != 0;
        assert_true(up != down);
        if (message_may_send(&kinds[i], MESSAGE_FROM_SUBMIT)) {
            assert_true(message_may_send(&kinds[i], MESSAGE_FROM_OPERATE));
        }
        if (message_may_send(&kinds[i], MESSAGE_FROM_OPERATE)) {
            assert_true(message_may_send(&kinds[i], MESSAGE_FROM_ADMIN));
        }
    }
}

static const char *least(Farm__Envelope__BodyCase body)
{
    return message_least_role(message_kind_find(body));
}

static void the_lowest_role_that_may(void **state)
{
    (void)state;
    assert_string_equal(least(FARM__ENVELOPE__BODY_STATUS_WANTED), "submit");
    assert_string_equal(least(FARM__ENVELOPE__BODY_CHUNK), "submit");
    assert_string_equal(least(FARM__ENVELOPE__BODY_WORKER_ACTION), "operate");
    assert_string_equal(least(FARM__ENVELOPE__BODY_TOKEN_CREATE), "admin");
    assert_string_equal(least(FARM__ENVELOPE__BODY_HEARTBEAT), "");
}

static void limits_by_sender(void **state)
{
    (void)state;
    assert_int_equal(message_limit_bytes(MESSAGE_FROM_WORKER), LIMIT_ENVELOPE_BYTES);
    assert_int_equal(message_limit_bytes(MESSAGE_FROM_ADMIN), LIMIT_ENVELOPE_BYTES);
    assert_int_equal(message_limit_bytes(MESSAGE_TO_CLIENT), LIMIT_REPLY_BYTES);
}

static void role_names(void **state)
{
    (void)state;
    enum message_from from = MESSAGE_TO_CLIENT;
    assert_true(message_role_parse("worker", &from));
    assert_int_equal(from, MESSAGE_FROM_WORKER);
    assert_true(message_role_parse("submit", &from));
    assert_int_equal(from, MESSAGE_FROM_SUBMIT);
    assert_true(message_role_parse("admin", &from));
    assert_int_equal(from, MESSAGE_FROM_ADMIN);
    assert_false(message_role_parse("Admin", &from));
    assert_false(message_role_parse("", &from));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_body_has_its_row),
        cmocka_unit_test(roles_are_kept_apart),
        cmocka_unit_test(the_lowest_role_that_may),
        cmocka_unit_test(limits_by_sender),
        cmocka_unit_test(role_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
