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
/* Since it was opened, those that nobody has read yet among them. */
bool tcp_facts_received_bytes(int fd, uint64_t *out);
uint64_t tcp_facts_unread_bytes(int fd);
/* Since it was opened, those that the other end's kernel has got. */
bool tcp_facts_acked_bytes(int fd, uint64_t *out);
void tcp_facts_peer(int fd, char *out, size_t size); /* its address, "?" when unknown */

#endif
