/* We hear of sales and cancels: full facts, in any order, as late as can be. */
:: atomic { A.unseen || A.unseen_after ->
    printf("channel %d: a sale is counted\n", c);
    if
    :: A.unseen -> A.unseen--;
        if :: A.reading == 3 && BENT(SETTLE_BY_OUR_CLOCK) -> A.sold_after++ :: else fi
    :: A.unseen_after -> A.unseen_after--; A.sold_after++
    fi;
    if :: cancels -> A.counted++ :: else fi;
    count_sale() ;
    verdict() }
/* Cancelled before it was ever counted: heard of once, nothing moves, the settle must know. */
:: atomic { A.dropped_after ->
    printf("channel %d: an order is heard of, sold and cancelled at once\n", c);
    A.dropped_after--;
    if :: BENT(SETTLE_BY_MOVEMENTS) :: else -> A.relisted_after++ fi }
:: atomic { A.returned || A.returned_after ->
    printf("channel %d: a cancel is counted\n", c);
    if
    :: A.returned -> A.returned--
    :: A.returned_after -> A.returned_after--; A.relisted_after++
    fi;
    atp++;
    if :: BENT(CANCEL_TO_FREE) :: else -> A.exposure++ fi;
    if :: !RELISTS || A.swallows -> want() :: else fi;
    verdict() }
/* A count finds a unit missing. Only what nothing was free for may ever be short. */
:: atomic { shopping && c == 0 && losses ->
    printf("channel %d: a count finds a unit missing\n", c);
    losses--; lost++;
    if :: FREE <= 0 -> excused++ :: else fi;
    atp--;
    verdict() }
