package linearizability

import "fmt"

// Guarantee is what a producing client is promised about its records.
type Guarantee string

const (
	AtMostOnce  Guarantee = "at-most-once"  // never twice, perhaps not at all: acks=0, or no retries
	AtLeastOnce Guarantee = "at-least-once" // never lost, perhaps twice and, with several requests in flight, in another order: retries without idempotence
	ExactlyOnce Guarantee = "exactly-once"  // neither, in the order sent: enable.idempotence=true and acks=all
)

func (g Guarantee) check() error {
	if g != AtMostOnce && g != AtLeastOnce && g != ExactlyOnce {
		return fmt.Errorf("guarantee %q is none of %s, %s, %s", g, AtMostOnce, AtLeastOnce, ExactlyOnce)
	}
	return nil
}

// ParseGuarantee reads the name of a guarantee.
func ParseGuarantee(name string) (Guarantee, error) { return Guarantee(name), Guarantee(name).check() }

// Anomaly is what a history shows and a log should not. The names are Jepsen's, as far as Jepsen has one.
type Anomaly string

const (
	InconsistentOffsets Anomaly = "inconsistent-offsets" // one offset held two values
	Duplicate           Anomaly = "duplicate"            // one value at two offsets
	LostWrite           Anomaly = "lost-write"           // acknowledged, not in the log at the end, though what came later is
	Unseen              Anomaly = "unseen"               // acknowledged, not in the log at the end, nor is anything later
	AbortedRead         Anomaly = "G1a"                  // a value that was surely not written was read
	Phantom             Anomaly = "phantom"              // a value was read that nobody sent
	PollSkip            Anomaly = "poll-skip"            // a reader was moved over a record without being told
	NonmonotonicPoll    Anomaly = "nonmonotonic-poll"    // a reader was moved back without being told
	NonmonotonicSend    Anomaly = "nonmonotonic-send"    // what one process sent lies in another order
	Nonlinearizable     Anomaly = "nonlinearizable"      // no order of the operations explains what they returned (Porcupine)
	Undecided           Anomaly = "undecided"            // Porcupine found no answer in the steps that it had; counts as a failure
)

// Anomalies are all of them.
var Anomalies = []Anomaly{InconsistentOffsets, Duplicate, LostWrite, Unseen, AbortedRead, Phantom, PollSkip, NonmonotonicPoll, NonmonotonicSend,
	Nonlinearizable, Undecided}

// Allows reports whether a client with the guarantee may see the anomaly.
func (g Guarantee) Allows(a Anomaly) bool {
	switch a {
	case Duplicate:
		return g == AtLeastOnce
	case NonmonotonicSend: // without acknowledgements, too: what was sent on a connection that was given up may come late
		return g != ExactlyOnce
	case LostWrite, Unseen:
		return g == AtMostOnce
	}
	return false
}
