/* admin_farm: one coordinator for all tests of a program, and its admin as a peer. */
#ifndef ZOE_TESTS_WIRE_ADMIN_FARM_H
#define ZOE_TESTS_WIRE_ADMIN_FARM_H

#include "wire/farm_peer.h"

static struct farm_process farm;
static struct peer admin;

static inline int admin_farm_open(void **state)
{
    (void)state;
    farm_open(&farm);
    admin = peer_client(&farm, &farm.admin);
    return 0;
}

static inline int admin_farm_close(void **state)
{
    (void)state;
    peer_close(&admin);
    farm_close(&farm);
    return 0;
}

#endif
