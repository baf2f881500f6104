/* store_event: numbered events, kept for a while. */
#include "coordinator/store_db.h"

void store_event_begin(struct store *s)
{
    static const char sql[] = "SELECT seq FROM sqlite_sequence WHERE name = 'event'";
    s->event_added = s->event_stored = (uint64_t)store_db_number(s, sql, 0);
}

void store_events_after(struct store *s, uint64_t last)
{
    static const char raised[] =
        "UPDATE sqlite_sequence SET seq = max(seq, ?1) WHERE name = 'event'";
    static const char first[] = "INSERT INTO sqlite_sequence(name, seq) SELECT 'event', ?1 WHERE"
                                " NOT EXISTS(SELECT 1 FROM sqlite_sequence WHERE name = 'event')";
    STORE_WRITE(s, raised, store_u64(last));
    STORE_WRITE(s, first, store_u64(last));
}

void store_event_kept(struct store *s)
{
    s->event_stored = s->event_added;
}

void store_event_lost(struct store *s)
{
    s->event_added = s->event_stored;
}

uint64_t store_event_add(struct store *s, const struct event_record *e)
{
    static const char sql[] =
        "INSERT INTO event(at_ms, kind, batch, clip, worker, message) VALUES(?1, " WORD(
            "?2") ", ?3, ?4, " WORD("?5") ", ?6)";
    struct store_value clip = e->has_clip ? store_int(e->clip) : store_words(NULL);
    store_db_word(s, e->kind);
    store_db_word(s, e->worker);
    STORE_WRITE(s, sql, store_int(e->at_ms), store_text(e->kind), store_words(e->batch), clip,
                store_words(e->worker), store_words(e->message));
    if (s->failed) return 0;
    s->event_added = (uint64_t)sqlite3_last_insert_rowid(s->db);
    return s->event_added;
}

#define EVENT_COLUMNS                                                                              \
    "SELECT sequence, at_ms, k.text, batch, clip, w.text, message FROM event"                      \
    " JOIN word k ON k.id = kind LEFT JOIN word w ON w.id = worker WHERE sequence > ?1"

static bool read_events(struct store *s, sqlite3_stmt *stmt,
                        void (*each)(void *context, uint64_t sequence,
                                     const struct event_record *event),
                        void *context, struct error *err)
{
    int row = -1;
    while (stmt != NULL && (row = store_db_next(s, stmt, err)) == 1) {
        struct event_record event = {
            .kind = store_db_text(stmt, 2),
            .batch = store_db_text(stmt, 3),
            .has_clip = sqlite3_column_type(stmt, 4) != SQLITE_NULL,
            .clip = store_db_u32(stmt, 4),
            .worker = store_db_text(stmt, 5),
            .message = store_db_text(stmt, 6),
            .at_ms = sqlite3_column_int64(stmt, 1),
        };
        each(context, store_db_u64(stmt, 0), &event);
    }
    return row == 0;
}

bool store_each_event(struct store *s, uint64_t after, const char *batch, uint32_t limit,
                      void (*each)(void *context, uint64_t sequence,
                                   const struct event_record *event),
                      void *context, struct error *err)
{
    static const char all[] = EVENT_COLUMNS " ORDER BY sequence LIMIT ?2";
    static const char some[] = EVENT_COLUMNS " AND batch = ?3 ORDER BY sequence LIMIT ?2";
    bool one = batch != NULL && batch[0] != '\0';
    struct store_value values[] = {store_u64(after), store_int(limit), store_text(batch)};
    return read_events(s, store_db_query(s, one ? some : all, values, one ? 3 : 2, err), each,
                       context, err);
}

/* A question about one owner that lies at most this far back looks at each event since, at the cost
 * of one look-up; an older one asks each of his batches. */
#define WALK_EVENTS 10000

bool store_each_event_of(struct store *s, uint64_t after, const char *owner, uint32_t limit,
                         void (*each)(void *context, uint64_t sequence,
                                      const struct event_record *event),
                         void *context, struct error *err)
{
    static const char news[] = EVENT_COLUMNS " AND EXISTS (SELECT 1 FROM batch b WHERE b.id ="
                                             " +event.batch AND b.owner = ?3)"
                                             " ORDER BY sequence LIMIT ?2";
    static const char all[] = EVENT_COLUMNS " AND batch IN (SELECT id FROM batch WHERE owner = ?3)"
                                            " ORDER BY sequence LIMIT ?2";
    const bool is_near = after >= s->event_added || s->event_added - after <= WALK_EVENTS;
    struct store_value values[] = {store_u64(after), store_int(limit), store_text(owner)};
    return read_events(s, store_db_query(s, is_near ? news : all, values, 3, err), each, context,
                       err);
}

uint64_t store_last_event(const struct store *s)
{
    return s->event_stored;
}

bool store_events_prune(struct store *s, int64_t before_ms, uint32_t limit)
{
    /* Sequence order is time order but for a clock that was set back: those wait for their turn. */
    static const char sql[] =
        "DELETE FROM event WHERE sequence IN (SELECT sequence FROM event ORDER BY sequence"
        " LIMIT ?2) AND at_ms < ?1";
    STORE_WRITE(s, sql, store_int(before_ms), store_int(limit));
    return store_db_changes(s) == (int)limit;
}

/* Numbers may leave a gap (store_events_after), so rows are counted: only when there can be too
 * many. */
bool store_events_cap(struct store *s, uint64_t keep, uint32_t limit)
{
    static const char sql[] =
        "DELETE FROM event WHERE sequence IN (SELECT sequence FROM event WHERE sequence <="
        " (SELECT sequence FROM event WHERE (SELECT max(sequence) FROM event)"
        " - (SELECT min(sequence) FROM event) >= ?1 ORDER BY sequence DESC LIMIT 1 OFFSET ?1)"
        " ORDER BY sequence LIMIT ?2)";
    STORE_WRITE(s, sql, store_u64(keep), store_int(limit));
    return store_db_changes(s) == (int)limit;
}
