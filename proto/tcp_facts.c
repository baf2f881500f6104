/* The kernel's own header: the C library's has an older tcp_info, and <uv.h> includes that. */
#include "proto/tcp_facts.h"

#include <linux/tcp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

uint64_t tcp_facts_cookie(int fd)
{
    uint64_t cookie = 0;
    socklen_t size = sizeof(cookie);
    return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

/* Older kernels tell less. */
bool tcp_facts_bytes(int fd, struct tcp_bytes *out)
{
    struct tcp_info info;
    socklen_t size = sizeof(info);
    const size_t wanted =
        offsetof(struct tcp_info, tcpi_bytes_received) + sizeof(info.tcpi_bytes_received);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 || size < wanted) return false;
    *out = (struct tcp_bytes){.received = info.tcpi_bytes_received, .acked = info.tcpi_bytes_acked};
    return true;
}

uint64_t tcp_facts_unread_bytes(int fd)
{
    int unread = 0;
    return ioctl(fd, FIONREAD, &unread) == 0 && unread > 0 ? (uint64_t)unread : 0;
}

void tcp_facts_peer(int fd, char *out, size_t size)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    (void)snprintf(out, size, "?");
    if (getpeername(fd, (struct sockaddr *)&address, &length) != 0) return;
    (void)getnameinfo((const struct sockaddr *)&address, length, out, (socklen_t)size, NULL, 0,
                      NI_NUMERICHOST);
}
