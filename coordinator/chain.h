/* chain: intrusive doubly linked lists. A `struct chain` is both the head and the link embedded in
 * an element; an element that is in no list is linked to itself. */
#ifndef ZOE_COORDINATOR_CHAIN_H
#define ZOE_COORDINATOR_CHAIN_H

#include <stdbool.h>
#include <stddef.h>

struct chain {
    struct chain *next;
    struct chain *prev;
};

static inline void chain_init(struct chain *c)
{
    c->next = c;
    c->prev = c;
}

static inline bool chain_is_empty(const struct chain *c)
{
    return c->next == c;
}

/* At the end; `link` is in no list. */
static inline void chain_append(struct chain *head, struct chain *link)
{
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

/* No-op when it is in no list. */
static inline void chain_remove(struct chain *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    chain_init(link);
}

/* All of `from`, in its order, at the end of `head`. */
static inline void chain_splice(struct chain *head, struct chain *from)
{
    if (chain_is_empty(from)) return;
    from->next->prev = head->prev;
    head->prev->next = from->next;
    from->prev->next = head;
    head->prev = from->prev;
    chain_init(from);
}

/* The element around a link. */
#define CHAIN_OWNER(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

/* Walks a list; the current element may be removed meanwhile, no other. */
#define CHAIN_EACH(link, head)                                                                     \
    for (struct chain *link = (head)->next, *link##_next = link->next; link != (head);             \
         link = link##_next, link##_next = link->next)

#endif
