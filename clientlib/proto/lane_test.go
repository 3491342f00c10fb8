package proto

import (
	"encoding/binary"
	"slices"
	"testing"

	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/record"
)

// stage is a client, a cluster of one broker with one partition, and the Produce requests that the broker has got.
type stage struct {
	*play
	got []record.Batch
}

// newStage has a producer whose batches hold one record each, and a consumer.
func newStage(t *testing.T, inFlight, records int, reset Reset) *stage {
	t.Helper()
	f := newFakeCluster(1, 1)
	c := NewClient(Config{Bootstrap: []string{f.address(0)}, Seed: 1})
	y := &play{t: t, c: c, f: f, sent: map[uint64]string{}, order: make([][]string, 1), ended: map[uint64]Delivery{}, next: make([]record.Offset, 1)}
	y.p = c.NewProducer(ProducerConfig{InFlight: inFlight, BatchSize: 1, Linger: -1})
	y.k = c.NewConsumer(ConsumerConfig{Reset: reset})
	s := &stage{play: y}
	f.seen = func(b record.Batch) { s.got = append(s.got, b) }
	for range records {
		y.send(0, 0)
	}
	return s
}

// run lets happen what happens without time passing. A consumer at the end asks without end, since the fake cluster does not wait.
func (s *stage) run() {
	for range 50 {
		for _, id := range slices.Clone(s.links) {
			s.step(id, 1<<20)
		}
	}
}

// waiting counts requests that the broker has not served.
func (s *stage) waiting(key api.Key) (n int) {
	for _, id := range s.links {
		for _, frame := range s.f.links[id].requests {
			if api.Key(binary.BigEndian.Uint16(frame)) == key {
				n++
			}
		}
	}
	return n
}

// sequences of the batches that the broker has got since it was asked last.
func (s *stage) sequences() (list []int32) {
	for _, b := range s.got {
		list = append(list, b.BaseSequence)
	}
	s.got = nil
	return list
}

func (s *stage) want(list ...int32) {
	if got := s.sequences(); !slices.Equal(got, list) {
		s.t.Helper()
		s.t.Fatalf("the broker got sequences %v, want %v", got, list)
	}
}

// A broker that knows nothing of a producer id takes any sequence for the first. So the second batch leaves only when the first is acknowledged.
func TestFirstBatchIsAlone(t *testing.T) {
	s := newStage(t, 5, 3, ResetEarliest)
	s.f.refuse = []errcode.Code{errcode.KafkaStorageError, errcode.KafkaStorageError}
	s.run()
	s.want(0)
	s.wait(2 * second)
	s.run()
	s.want(0)
	s.wait(2 * second)
	s.run()
	s.want(0, 1, 2)
}

// A batch that is refused as out of order though nothing before it is under way follows something that the broker has lost: it and what is behind it begin anew
// under another id.
func TestLaneBeginsAnew(t *testing.T) {
	s := newStage(t, 5, 1, ResetEarliest)
	s.run()
	s.want(0)
	first := s.f.lastPID
	s.f.refuse = slices.Repeat([]errcode.Code{errcode.OutOfOrderSequenceNumber}, 2*gapsMax) // of both that are under way
	s.send(0, 0)
	s.send(0, 0)
	for range gapsMax {
		s.run()
		s.want(1, 2)
		s.wait(2 * second)
	}
	s.run()
	if s.f.lastPID == first || len(s.got) != 2 || s.got[0].ProducerID != record.ProducerID(s.f.lastPID) {
		t.Fatalf("producer %d after %d sends %v", s.f.lastPID, first, s.got)
	}
	s.want(0, 1)
	if len(s.ended) != 3 {
		t.Fatalf("%d records are delivered", len(s.ended))
	}
}

// A batch whose first try had no clear answer may be in the log. Without leader epochs a refusal as out of order may be that of a leader which has been succeeded (seed 401117 of cluster):
// under another id the batch would be there twice. It is asked for until its time is up; what comes behind it begins anew.
func TestUnclearBatchKeepsItsNumber(t *testing.T) {
	s := newStage(t, 5, 1, ResetEarliest)
	s.f.parts[0].epoch = -1
	s.run()
	s.want(0)
	first := s.f.lastPID
	s.f.refuse = append([]errcode.Code{errcode.NotEnoughReplicasAppend}, slices.Repeat([]errcode.Code{errcode.OutOfOrderSequenceNumber}, 2*gapsMax)...)
	s.send(0, 0)
	s.run()
	for i := range 2*gapsMax + 1 {
		if unclear := s.p.Unclear(s.f.topic, 0); (unclear > 0) != (i >= gapsMax) || unclear > s.p.Buffered() {
			t.Fatalf("after %d refusals %d bytes of %d are unclear", i, unclear, s.p.Buffered())
		}
		s.want(1)
		s.wait(2 * second)
		s.run()
	}
	if s.want(1); s.f.lastPID != first || len(s.ended) != 2 || len(s.f.parts[0].log) != 2 {
		t.Fatalf("producer %d after %d; %d records delivered, %d batches in the log", s.f.lastPID, first, len(s.ended), len(s.f.parts[0].log))
	}
}

// What is under way counts from the first batch that is not delivered. Were the window to move on while the first waits for its retry, the broker could forget it,
// and take its retry for a batch out of order.
func TestWindowBeginsAtTheFirst(t *testing.T) {
	s := newStage(t, 5, 1, ResetEarliest)
	s.run()
	s.want(0)
	s.f.refuse = []errcode.Code{errcode.NotEnoughReplicasAppend} // it is in the log, so that those behind it are taken
	for range 7 {
		s.send(0, 0)
	}
	s.run()
	s.want(1, 2, 3, 4, 5)
	s.wait(2 * second)
	if n := s.waiting(api.Produce); n != 1 {
		t.Fatalf("%d batches wait for the broker: the window has moved on without the first", n)
	}
	s.run()
	s.want(1, 6, 7)
}

// A position outside the log is put elsewhere when what was read ahead has been taken, and not before; the application is told of it.
func TestResetWaitsForWhatWasRead(t *testing.T) {
	s := newStage(t, 5, 3, ResetLatest)
	s.run()
	s.k.Assign(s.c, s.now, s.f.topic, 0, At(0))
	s.take()
	s.run()
	part := s.f.parts[0]
	part.log, part.end = part.log[:2], 2 // the log has lost its last record, and nobody told the client
	s.run()
	s.wait(second)
	s.run()
	if at, _, _ := s.k.Position(s.f.topic, 0); at != 0 || len(s.moved) > 0 {
		t.Fatalf("the position is %d, and nothing was taken; moved: %v", at, s.moved)
	}
	if chunk := s.k.Take(s.c, s.now); chunk == nil || chunk.Err != nil {
		t.Fatal("nothing was read ahead")
	}
	s.take()
	s.run()
	at, _, _ := s.k.Position(s.f.topic, 0)
	if want := (Moved{s.f.topic, 0, 3, 2}); at != 2 || len(s.moved) != 1 || s.moved[0] != want {
		t.Fatalf("the position is %d, moved: %v", at, s.moved)
	}
}

// A request goes in no version above what it is capped at, and not at all where the broker knows only higher ones.
func TestMaxVersions(t *testing.T) {
	l := &Link{cfg: &Config{MaxVersions: map[api.Key]int16{api.Fetch: 6, api.Produce: 2}}, versions: map[int16][2]int16{0: {3, 11}, 1: {4, 17}, 3: {0, 12}}}
	for _, c := range []struct {
		key  api.Key
		want int16
		ok   bool
	}{{api.Fetch, 6, true}, {api.Produce, 2, false}, {api.Metadata, 9, true}, {api.ListOffsets, 0, false}} {
		if v, ok := l.version(c.key, 9); ok != c.ok || ok && v != c.want {
			t.Errorf("%v: version %d, %t", c.key, v, ok)
		}
	}
}
