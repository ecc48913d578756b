/* What is true (only the assertions look at it) and what our books say. */
typedef Account {
    /* the channel: its counter L, checkouts in progress H, those begun before the last lowering */
    short counter = 0;
    byte checkouts = 0;
    byte old = 0;
    /* units sold that we have not counted: before the end of the read under way, and after it */
    byte unseen = 0;
    byte unseen_after = 0;
    /* units counted, as far as they may still be cancelled */
    byte counted = 0;
    /* cancels that we have not heard of: of uncounted units, possibly after the read was sent;
     * of counted units, before it was sent and possibly after */
    byte dropped_after = 0;
    byte returned = 0;
    byte returned_after = 0;
    /* the books: exposure E, and whether it was ever settled */
    short exposure = 0;
    bool settled = true;
    bool wanted = false;       /* a settle is scheduled */
    bool swallows = false;     /* the next units put on the counter may vanish there */
    bool zero_about = false;   /* a zero may have applied, or may, since the read was sent */
    bool doubtful = false;     /* the read under way cannot be exact */
    /* the read under way: 0 none, 1 sent (a), 2 true at the channel, 3 received (b) */
    byte reading = 0;
    short shown = 0;
    byte sold_after = 0;       /* counted, and the sale moved the counter surely after b */
    byte relisted_after = 0;   /* heard of, and the cancel possibly came after a */
    bool spoilt = false;       /* something that forbids a settle started since a */
    /* the one push of a keyed channel: 0 none, 1 open, 2 a proven cut in quarantine */
    byte push = 0;
    short distance = 0;
    byte compare = 0;
    byte copies = 0;           /* under way */
    bool applied = false;      /* the channel remembers the key as applied */
    bool doubt = false;        /* some copy or answer was lost */
    bool shut = false;         /* no further copies: a refusal, or the key is too old */
    bool aged = false;
    /* attempts of an absolute channel under way, by their value */
    byte sets[MOST + 1] = 0;
    /* what may still happen */
    byte pushes = 0;
    byte retries = 0;
}

Account account[2];
#define A account[c]
#define KIND(c) (c == 0 -> KIND_0 : KIND_1)

short atp = UNITS;             /* on hand - reserved */
byte slice = SLICE;            /* exposure of the channel that asks */
short sold = 0;                /* the truth: units promised, net of cancels */
byte lost = 0;                 /* the truth: units that are not there any more */
byte excused = 0;              /* lost or sold past a number when nothing was free */
byte promised = 0;             /* only where RAISE_BEFORE_CUT */
byte cancels = CANCELS;
byte checkouts_left = CHECKOUTS;
byte losses = LOSSES;
byte beyond_left = BEYOND;
bool shopping = true;

#define READS(c) (c == 0 -> READS_0 : READS_1)
#define FREE (atp - slice - account[0].exposure - account[1].exposure)
#define ALL_SETTLED ((account[0].settled && account[1].settled) || BENT(ADOPTION_IS_NOTHING))
#define SPARE (FREE + promised + (BENT(DEFICIT_IS_IGNORED) -> 1 : 0))
#define TAKEABLE(units) (ALL_SETTLED && SPARE >= (units))
#define MAX(a, b) ((a) > (b) -> (a) : (b))
#define FLOOR(e) ((e) < 0 && !BENT(BELOW_ZERO) -> 0 : (e))

/* U: units sold, net of put-backs, that we have not counted. */
#define UNCOUNTED(x) (account[x].unseen + account[x].unseen_after \
    - (RELISTS -> account[x].returned + account[x].returned_after : 0))
#define MAY_SELL(x) (MAX(MAX(account[x].counter, account[x].checkouts), 0) + UNCOUNTED(x))
#define COVERED(x) (!account[x].settled || MAY_SELL(x) <= account[x].exposure)

/* Nothing is promised twice. While no rule is bent, the invariant that this follows from is asserted
 * too, listing by listing and in sum: what may still be sold unseen never exceeds what is there. */
inline verdict() {
    d_step {
        assert(BEYOND > 0 || sold <= UNITS - lost + excused);
        assert(!BENT(NOTHING_SELLS_OUT) || account[0].unseen + account[0].unseen_after < UNITS);
        assert(WRONG != NOTHING || BEYOND > 0 || !ALL_SETTLED \
            || slice + MAY_SELL(0) + MAY_SELL(1) <= atp + excused);
        assert(WRONG != NOTHING || BEYOND > 0 || (COVERED(0) && COVERED(1)));
        assert(WRONG != NOTHING || (account[0].exposure >= 0 && account[1].exposure >= 0))
    }
}

/* A till sells past its number and cannot be refused. What holds all the same: what is counted is
 * never given away a second time. */
#define ALL_COUNTED (account[0].unseen + account[0].unseen_after + account[1].unseen \
    + account[1].unseen_after + account[0].returned + account[0].returned_after \
    + account[1].returned + account[1].returned_after == 0)

inline given_away() {
    assert(BEYOND == 0 || !ALL_COUNTED || sold < UNITS - lost)
}

/* Only what comes to rest needs to know whether a settle is scheduled, and whether the one under
 * way can be exact: what sold or was put back while the read was, has no certain place. */
inline want() {
    if :: REST && !BENT(NOBODY_SETTLES) -> A.wanted = true :: else fi
}
inline blur() {
    if :: REST && (A.reading == 1 || A.reading == 2) -> A.doubtful = true :: else fi
}

inline sell() {
    d_step {
        A.counter--; sold++; blur();
        if :: A.reading == 3 -> A.unseen_after++ :: else -> A.unseen++ fi
    }
}

/* When no cancel is left to come, nobody need know what could still be cancelled. */
inline cancel() {
    d_step {
        cancels--; sold--; blur();
        A.counter = A.counter + RELISTS;
        if :: !cancels -> account[0].counted = 0; account[1].counted = 0 :: else fi;
        if :: REST && !RELISTS -> want(); A.doubtful = (A.reading > 0) :: else fi
    }
}

/* One unit counted: reserved, and off the exposure; what the exposure did not hold is excess. */
inline count_sale() {
    d_step {
        if
        :: A.exposure > 0 || BENT(BELOW_ZERO) -> A.exposure--; atp--
        :: else -> want();
            if :: BENT(EXCESS_FORGOTTEN) :: else -> atp-- fi
        fi
    }
}

/* Checkouts begun before the counter was lowered may still end in a sale. */
inline lower_to(value) {
    if :: value < A.counter -> A.old = A.checkouts :: else fi
}
