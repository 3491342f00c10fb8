package sim

import "odradek/core"

// Time is virtual time in nanoseconds since the world began.
type Time int64

// Units of Time.
const (
	Microsecond Time = 1_000
	Millisecond      = 1000 * Microsecond
	Second           = 1000 * Millisecond
)

// kind says what happens and which fields of an event count.
type kind uint8

// The events of a world. who is a node where nothing else is said; life is the process for which the event is meant.
const (
	evStart     kind = iota + 1 // life: of the node, before the process
	evCore                      // life, core: an event reaches the core
	evTimer                     // life: the core's deadline
	evWrite                     // life: the write stage takes what is queued
	evSyncBegin                 // life
	evSyncStep                  // life
	evSyncEnd                   // life
	evStore                     // life: the next Store
	evJob                       // life, n: a Locate or Load is read
	evArrive                    // who: connection, n: side
	evConnect                   // who: connection: it reaches the node
	evAnswered                  // who: connection: the client learns that it is accepted or refused
	evLearn                     // who: connection, n: side: it learns of a reset
	evClient                    // who: client: something may be due
	evFault                     // n: faultKind
	evPhase                     // n: phase that begins
	evClog                      // who: connection, n: Time until which it delivers nothing
	evMend                      // n: what of the node's ailments ends
	evFetchDue                  // who: connection, n: correlation, life: it must be answered by now
	evRoom                      // life: the process is to be told of its room
	evTopUp                     // faults are counted
	evReplay                    // n: a fault of the edit, by its place
	evPeer                      // life, n: a lane to another node, by its place: something may be due
	evAdmin                     // who: admin: something may be due
	evRoll                      // a restart of several
	evHealed                    // what must come to pass after faults is looked at
)

// event is one entry of the heap.
type event struct {
	at   Time
	seq  uint64
	n    uint64
	core *core.Event
	who  int32
	life uint32
	kind kind
}

func (e *event) before(o *event) bool { return e.at < o.at || e.at == o.at && e.seq < o.seq }

// heap orders events by time, then by the order in which they were made. It has four children to a node: shallower than two, and what is compared lies
// side by side.
type heap struct{ entries []event }

func (h *heap) push(e event) {
	h.entries = append(h.entries, e)
	i := len(h.entries) - 1
	for i > 0 {
		up := (i - 1) / 4
		if !e.before(&h.entries[up]) {
			break
		}
		h.entries[i] = h.entries[up]
		i = up
	}
	h.entries[i] = e
}

func (h *heap) pop() (event, bool) {
	n := len(h.entries)
	if n == 0 {
		return event{}, false
	}
	first := h.entries[0]
	e := h.entries[n-1]
	h.entries[n-1] = event{}
	h.entries = h.entries[:n-1]
	if n--; n == 0 {
		return first, true
	}
	i := 0
	for {
		child := 4*i + 1
		if child >= n {
			break
		}
		least := child
		for c := child + 1; c < min(child+4, n); c++ {
			if h.entries[c].before(&h.entries[least]) {
				least = c
			}
		}
		if !h.entries[least].before(&e) {
			break
		}
		h.entries[i] = h.entries[least]
		i = least
	}
	h.entries[i] = e
	return first, true
}
