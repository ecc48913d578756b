/* The escrow protocol on one item and three channels: two that hold a number, one that asks.
 *
 * Safety: whatever shoppers, channels and the network do, in whatever order we hear of it, nothing
 * is promised twice. The invariant behind that is asserted in every state too, unless a rule is
 * bent: then only what a shopper would suffer from counts.
 * Rest (-DREST=1): shopping ends at any time; every run ends, with exact books.
 */
#include "rules.pml"
#include "bounds.pml"
#include "books.pml"
#include "keyed_steps.pml"
#include "settling_steps.pml"

proctype channel(byte c)
{
    byte value = 0;
end:
    do
#include "market.pml"
#include "orders.pml"
#include "settling.pml"
#if KIND_0 == CAS || KIND_0 == DELTA || KIND_1 == CAS || KIND_1 == DELTA
#include "keyed.pml"
#endif
#if KIND_0 == ABSOLUTE || KIND_1 == ABSOLUTE
#include "absolute.pml"
#endif
    od
}

/* It sells nothing without asking: of its protected slice first, then of what is free. */
proctype asking()
{
end:
    do
    :: atomic { shopping && slice -> printf("asking: a unit of its slice is sold\n"); slice--; atp--; sold++; given_away(); verdict() }
    :: atomic { shopping && !slice && TAKEABLE(1) ->
        printf("asking: a free unit is sold\n"); given_away(); atp--; sold++; verdict() }
    od
}

#define EXACT(x) (account[x].exposure == MAX(account[x].counter, 0) && account[x].settled \
    && account[x].unseen + account[x].unseen_after + account[x].returned \
        + account[x].returned_after + account[x].dropped_after + account[x].checkouts == 0 \
    && !account[x].push && !account[x].copies && !account[x].reading)

proctype closing_time()
{
    atomic { REST -> shopping = false };
    atomic { timeout -> assert(EXACT(0) && EXACT(1)) }
}

init {
    d_step {
        account[0].counter = SHOWN_0; account[1].counter = SHOWN_1;
        account[0].exposure = (ADOPTING -> 0 : SHOWN_0); account[1].exposure = SHOWN_1;
        account[0].settled = !ADOPTING;
        account[0].wanted = ADOPTING;
        account[0].pushes = PUSHES_0; account[1].pushes = PUSHES_1;
        account[0].retries = RETRIES; account[1].retries = RETRIES
    }
    atomic { run channel(0); run channel(1); run asking();
        if :: REST -> run closing_time() :: else fi }
}
