/* tcp_facts: what the kernel knows of a TCP connection, by its descriptor. Any descriptor may be
 * asked for: what is none, or of something else, has no facts. */
#ifndef ZOE_PROTO_TCP_FACTS_H
#define ZOE_PROTO_TCP_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A number that no other socket of this machine has had or will have; 0 = unknown. A descriptor is
 * used again as soon as it is closed. */
uint64_t tcp_facts_cookie(int fd);
struct tcp_bytes {     /* since it was opened */
    uint64_t received; /* those that nobody has read yet among them */
    uint64_t acked;    /* said, and the other end's kernel has got them */
};
bool tcp_facts_bytes(int fd, struct tcp_bytes *out);
uint64_t tcp_facts_unread_bytes(int fd);
void tcp_facts_peer(int fd, char *out, size_t size); /* its address, "?" when unknown */

#endif
