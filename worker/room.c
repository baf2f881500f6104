#include "worker/room.h"

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t sum(uint64_t a, uint64_t b)
{
    return a <= UINT64_MAX - b ? a + b : UINT64_MAX;
}

void room_add(struct room *r, uint64_t result_bytes)
{
    r->held_bytes = sum(r->held_bytes, result_bytes);
    r->largest_bytes = larger(r->largest_bytes, result_bytes);
}

uint64_t room_bytes(const struct room *held, uint64_t result_bytes)
{
    const uint64_t one = larger(result_bytes, ROOM_RESULT_BYTES);
    return sum(one, larger(one, held->held_bytes));
}
