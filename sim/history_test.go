package sim

import (
	"testing"

	"odradek/clientlib/proto"
	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/linearizability"
)

// A relaxed topic loses its tail at a power loss, below the start that DeleteRecords promised. The producer, which nobody knows any more, sends what was not acknowledged
// again, and the log goes on at its start: a reader who saw the first copy has seen it twice, and no judge minds. Had the log kept what lies below its end, it would be
// a duplicate.
func TestLostBelowTheStart(t *testing.T) {
	for _, c := range []struct {
		name       string
		start, end record.Offset
		good       bool
	}{
		{"nothing is left", 2, 2, true},
		{"the record is left", 1, 2, false},
	} {
		w, client := book(false, true)
		w.nodes = []*node{{}}
		h := &w.past
		w.events = 1
		w.ledger.give(client, 1, 0, &proto.Message{Value: []byte("a")})
		w.events = 2
		h.polled(client, 0, 1, 1, 2, &read{offsets: []int64{1}, values: []uint64{valueOf(0, 1)}})
		w.events = 3
		h.powerLost()
		w.events = 4
		h.opened(0, 0, c.start, c.end)
		w.events = 5
		h.delivered(client, &proto.Delivery{IDs: []uint64{1}, Offset: 2}, errcode.None)
		w.events = 6
		h.polled(client, 0, 5, 2, 3, &read{offsets: []int64{2}, values: []uint64{valueOf(0, 1)}})
		v, err := linearizability.Check(append(h.ops, h.sent...), linearizability.Options{})
		if err != nil || v.Good() != c.good {
			t.Errorf("%s: %v, %+v", c.name, err, v.Findings)
		}
	}
}
