package sim

import (
	"testing"

	"odradek/clientlib/proto"
	"odradek/core/errcode"
	"odradek/core/record"
)

// book is a ledger with one client and one partition, as a world would have it.
func book(durable, idempotent bool) (*World, *client) {
	flush := int64(1)
	if !durable {
		flush = 1000
	}
	w := &World{opt: &Options{Topics: []TopicOptions{{Name: "t", Partitions: 1, FlushMessages: flush}}, Clients: []ClientOptions{{Idempotent: idempotent, Acks: -1, InFlight: 1}}}}
	w.trace = newTrace(nil)
	w.ledger.init(w)
	w.past.init(w)
	c := newClient(w, 0, &w.opt.Clients[0])
	w.clients = []*client{c}
	return w, c
}

// given three batches of one record each: a, b, c, acknowledged at 0, 1, 2.
func (w *World) threeAcked(c *client) {
	for i, name := range []string{"a", "b", "c"} {
		w.ledger.give(c, uint64(i+1), 0, &proto.Message{Value: []byte(name)})
		w.ledger.delivered(c, uint64(i+1), 0, record.Offset(i), errcode.None, 0)
	}
}

func (w *World) readsLast(values ...string) {
	for i, v := range values {
		r := &proto.Received{Offset: record.Offset(i), Value: []byte(v)}
		w.ledger.served(0, 0, r, w.ledger.powers)
		w.ledger.last(0, 0, r)
	}
	w.ledger.judge()
}

// Each oracle of the ledger finds what it is for, and nothing is found where nothing is wrong.
func TestLedger(t *testing.T) {
	for _, c := range []struct {
		name                string
		durable, idempotent bool
		powers              int
		stopped             bool
		reads               []string
		oracle              string
	}{
		{"all there", true, true, 0, false, []string{"a", "b", "c"}, ""},
		{"the end is lost", true, true, 1, false, []string{"a", "b"}, "R9"},
		{"relaxed, the end is lost with the power", false, true, 1, false, []string{"a", "b"}, ""},
		{"relaxed, the end is lost without", false, true, 0, false, []string{"a", "b"}, "R9"},
		{"relaxed, a clean stop, the end is lost with the power", false, true, 1, true, []string{"a", "b"}, "R9"},
		{"twice", true, true, 0, false, []string{"a", "b", "c", "b"}, "P1"},
		{"twice, without idempotence", true, false, 0, false, []string{"a", "b", "c", "b"}, ""},
		{"another order", true, true, 0, false, []string{"b", "a", "c"}, "order"},
		{"another order, of several under way", true, false, 0, false, []string{"a", "c"}, "R9"},
		{"invented", true, true, 0, false, []string{"a", "b", "c", "x"}, "S2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, cl := book(c.durable, c.idempotent)
			w.threeAcked(cl)
			if c.stopped {
				w.ledger.stopped(func(string, int32) bool { return false })
			}
			for range c.powers {
				w.ledger.powerLost()
			}
			w.readsLast(c.reads...)
			if got := w.failure; c.oracle == "" && got != nil || c.oracle != "" && (got == nil || got.oracle != c.oracle) {
				t.Fatalf("found %+v, want %q", got, c.oracle)
			}
		})
	}
}

// What was served at an offset stays, also when nothing was acknowledged, and records of one producer come in the order given.
func TestServedAndOrder(t *testing.T) {
	w, c := book(true, true)
	for i, name := range []string{"a", "b"} {
		w.ledger.give(c, uint64(i+1), 0, &proto.Message{Value: []byte(name)})
	}
	w.ledger.served(0, 0, &proto.Received{Offset: 0, Value: []byte("b")}, 0)
	w.ledger.last(0, 0, &proto.Received{Offset: 0, Value: []byte("b")})
	w.ledger.last(0, 0, &proto.Received{Offset: 1, Value: []byte("a")})
	w.ledger.judgePartition(0, 0)
	if w.failure == nil || w.failure.oracle != "order" {
		t.Fatalf("found %+v", w.failure)
	}
	w.failure = nil
	w.ledger.served(0, 0, &proto.Received{Offset: 0, Value: []byte("a")}, 1)
	if w.failure == nil || w.failure.oracle != "R4" {
		t.Fatalf("found %+v", w.failure)
	}
}

// Without acknowledgements anything may be lost or overtake, and nothing may be there twice.
func TestWithoutAcks(t *testing.T) {
	for _, c := range []struct {
		name, oracle string
		reads        []string
	}{
		{"lost", "", []string{"c"}},
		{"overtaken", "", []string{"b", "a"}},
		{"twice", "P1", []string{"a", "b", "a"}},
	} {
		w, cl := book(true, false)
		cl.opt.Acks = 0
		for i, name := range []string{"a", "b", "c"} {
			w.ledger.give(cl, uint64(i+1), 0, &proto.Message{Value: []byte(name)})
			w.ledger.delivered(cl, uint64(i+1), 0, record.NoOffset, errcode.None, 0)
		}
		w.readsLast(c.reads...)
		if got := w.failure; c.oracle == "" && got != nil || c.oracle != "" && (got == nil || got.oracle != c.oracle) {
			t.Errorf("%s: found %+v, want %q", c.name, got, c.oracle)
		}
	}
}

// What a producer is told of a record, it is told once, of the partition that it was given to.
func TestDelivery(t *testing.T) {
	for _, partition := range []int32{0, 1} {
		w, c := book(true, true)
		w.threeAcked(c)
		id := uint64(2)
		if partition == 1 {
			w.ledger.give(c, 4, 0, &proto.Message{Value: []byte("d")})
			id = 4
		}
		if w.ledger.delivered(c, id, partition, 1, errcode.None, 0); w.failure == nil || w.failure.oracle != "delivery" {
			t.Errorf("partition %d: found %+v", partition, w.failure)
		}
	}
}
