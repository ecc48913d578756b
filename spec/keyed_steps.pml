/* Steps of the one push of a keyed channel. */
#define REMEMBERED (A.applied && !BENT(NO_KEY))
#define MATCHES (KIND(c) == DELTA || A.counter == A.compare)
#define MAY_OPEN ((KIND(c) == CAS || KIND(c) == DELTA) && shopping && A.pushes && !A.push && !A.copies && A.settled)

inline send_first(units) {
    d_step {
        A.pushes--; A.push = 1; A.copies = 1; A.distance = units;
        A.spoilt = (A.reading > 0)
    }
}

/* Whatever we believe the counter to be: any value at all. */
inline compare_with_any(value, least) {
    if
    :: KIND(c) == CAS -> select (value : least .. MOST); A.compare = value; value = 0
    :: else
    fi
}

inline close() {
    d_step {
        A.push = 0; A.doubt = false; A.shut = false; A.aged = false;
        if
        :: A.copies == 0 -> A.distance = 0; A.compare = 0; A.applied = false
        :: else      /* only where a rule is bent: late copies of a closed push */
        fi
    }
}

inline uncharge() {
    if :: A.distance > 0 -> A.exposure = FLOOR(A.exposure - A.distance) :: else fi
}

/* Applied, says the answer: whatever copies are left are replays of a key that is known. */
inline answer_applied() {
    d_step {
        if :: BENT(NO_KEY) :: else -> A.copies = 0 fi;
        if
        :: A.distance > 0 ->
            if :: A.swallows -> want() :: else fi;
            if :: BENT(RAISE_CHARGED_LATE) -> A.exposure = A.exposure + A.distance :: else fi;
            close()
        :: else -> A.push = 2
        fi
    }
}

/* Refused, says the answer of one copy: a proof only when every copy has such an answer. */
inline answer_refused() {
    d_step {
        A.shut = true;
        if
        :: (A.copies == 0 && !A.doubt) || BENT(ANY_REFUSAL_IS_PROOF) -> uncharge(); close()
        :: else -> want()
        fi
    }
}
