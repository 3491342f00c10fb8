package producer

import (
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"odradek/core/errcode"
	"odradek/core/record"
)

func batch(id record.ProducerID, epoch int16, seq, count int32) record.Batch {
	return record.Batch{ProducerID: id, ProducerEpoch: epoch, BaseSequence: seq, Count: count, LastOffsetDelta: count - 1}
}

func TestCheck(t *testing.T) {
	const top = math.MaxInt32
	type b = record.Batch
	for _, c := range []struct {
		name    string
		history []b
		ask     b
		kind    Kind
		code    errcode.Code
		base    record.Offset
	}{
		{"no producer", nil, batch(-1, -1, -1, 3), Append, 0, 0},
		{"unknown id, any sequence", nil, batch(1, 3, 77, 1), Append, 0, 0},
		{"other id known", []b{batch(2, 0, 0, 1)}, batch(1, 0, 5, 1), Append, 0, 0},
		{"next", []b{batch(1, 0, 0, 3)}, batch(1, 0, 3, 1), Append, 0, 0},
		{"gap", []b{batch(1, 0, 0, 3)}, batch(1, 0, 4, 1), Refused, errcode.OutOfOrderSequenceNumber, 0},
		{"overlap", []b{batch(1, 0, 0, 3)}, batch(1, 0, 2, 2), Refused, errcode.OutOfOrderSequenceNumber, 0},
		{"same first, other last", []b{batch(1, 0, 0, 3)}, batch(1, 0, 0, 2), Refused, errcode.OutOfOrderSequenceNumber, 0},
		{"duplicate of the first of five", []b{batch(1, 0, 0, 3), batch(1, 0, 3, 1), batch(1, 0, 4, 1), batch(1, 0, 5, 1), batch(1, 0, 6, 1)},
			batch(1, 0, 0, 3), Duplicate, 0, 0},
		{"duplicate of the second", []b{batch(1, 0, 0, 3), batch(1, 0, 3, 1)}, batch(1, 0, 3, 1), Duplicate, 0, 3},
		{"older than the window", []b{batch(1, 0, 0, 3), batch(1, 0, 3, 1), batch(1, 0, 4, 1), batch(1, 0, 5, 1), batch(1, 0, 6, 1),
			batch(1, 0, 7, 1)}, batch(1, 0, 0, 3), Refused, errcode.OutOfOrderSequenceNumber, 0},
		{"lower epoch", []b{batch(1, 2, 0, 1)}, batch(1, 1, 1, 1), Refused, errcode.InvalidProducerEpoch, 0},
		{"lower epoch, same sequence", []b{batch(1, 2, 0, 1)}, batch(1, 1, 0, 1), Refused, errcode.InvalidProducerEpoch, 0},
		{"higher epoch at 0", []b{batch(1, 2, 0, 1)}, batch(1, 3, 0, 1), Append, 0, 0},
		{"higher epoch at 1", []b{batch(1, 2, 0, 1)}, batch(1, 3, 1, 1), Refused, errcode.OutOfOrderSequenceNumber, 0},
		{"old epoch is forgotten", []b{batch(1, 2, 0, 1), batch(1, 3, 0, 1)}, batch(1, 3, 0, 1), Duplicate, 0, 1},
		{"wraps at the batch's end", []b{batch(1, 0, top, 1)}, batch(1, 0, 0, 1), Append, 0, 0},
		{"wraps inside the batch", []b{batch(1, 0, top-1, 4)}, batch(1, 0, 2, 1), Append, 0, 0},
		{"duplicate that wraps", []b{batch(1, 0, top-1, 4)}, batch(1, 0, top-1, 4), Duplicate, 0, 0},
		{"no wrap before the end", []b{batch(1, 0, top-1, 1)}, batch(1, 0, 0, 1), Refused, errcode.OutOfOrderSequenceNumber, 0},
		{"after a marker of a new epoch, 0", []b{batch(1, 0, 0, 3), marker(1, 1)}, batch(1, 1, 0, 1), Append, 0, 0},
		{"after a marker of a new epoch, 3", []b{batch(1, 0, 0, 3), marker(1, 1)}, batch(1, 1, 3, 1), Refused,
			errcode.OutOfOrderSequenceNumber, 0},
		{"after a marker of the same epoch", []b{batch(1, 0, 0, 3), marker(1, 0)}, batch(1, 0, 3, 1), Append, 0, 0},
		{"marker of an old epoch", []b{batch(1, 2, 0, 3)}, marker(1, 1), Refused, errcode.InvalidProducerEpoch, 0},
	} {
		var s State
		end := record.Offset(0)
		for _, h := range c.history {
			h.BaseOffset = end
			s.Appended(&h, 0)
			end = h.NextOffset()
		}
		v := s.Check(&c.ask)
		last := c.base + record.Offset(c.ask.LastOffsetDelta)
		if v.Kind != c.kind || v.Code != c.code || v.Kind == Duplicate && (v.Base != c.base || v.Last != last) {
			t.Errorf("%s: %+v", c.name, v)
		}
		if (v.Kind == Refused) != (v.Message != "") {
			t.Errorf("%s: message %q", c.name, v.Message)
		}
	}
}

func marker(id record.ProducerID, epoch int16) record.Batch {
	b := batch(id, epoch, -1, 1)
	b.Attributes = record.AttrControl | record.AttrTransactional
	return b
}

// naive remembers the whole history of a partition and answers from it alone.
type naive struct {
	log     []record.Batch
	used    map[record.ProducerID]record.UnixMillis
	forgets map[record.ProducerID]int // entries of log below this do not count for the id
}

func (n *naive) of(id record.ProducerID) []record.Batch {
	var mine []record.Batch
	for i, b := range n.log {
		if b.ProducerID == id && i >= n.forgets[id] {
			mine = append(mine, b)
		}
	}
	return mine
}

func (n *naive) check(b record.Batch) Verdict {
	mine := n.of(b.ProducerID)
	if b.ProducerID < 0 || len(mine) == 0 {
		return Verdict{Kind: Append}
	}
	last := mine[len(mine)-1]
	if b.ProducerEpoch != last.ProducerEpoch {
		if b.ProducerEpoch < last.ProducerEpoch {
			return Verdict{Kind: Refused, Code: errcode.InvalidProducerEpoch}
		}
		if b.BaseSequence != 0 {
			return Verdict{Kind: Refused, Code: errcode.OutOfOrderSequenceNumber}
		}
		return Verdict{Kind: Append}
	}
	for i := 0; i < 5 && i < len(mine); i++ {
		old := mine[len(mine)-1-i]
		if old.ProducerEpoch != b.ProducerEpoch {
			break
		}
		if old.BaseSequence == b.BaseSequence && old.Count == b.Count {
			last := old.BaseOffset + record.Offset(old.Count) - 1
			return Verdict{Kind: Duplicate, Base: old.BaseOffset, Last: last, Timestamp: old.MaxTimestamp}
		}
	}
	if int64(b.BaseSequence) != (int64(last.BaseSequence)+int64(last.Count))%(1<<31) {
		return Verdict{Kind: Refused, Code: errcode.OutOfOrderSequenceNumber}
	}
	return Verdict{Kind: Append}
}

// Random producers, gaps, repetitions, epochs, expiry, restarts: State answers like the naive implementation.
func TestStateMatchesHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s State
		n := naive{used: map[record.ProducerID]record.UnixMillis{}, forgets: map[record.ProducerID]int{}}
		wall, end := record.UnixMillis(1000), record.Offset(0)
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			wall += record.UnixMillis(rapid.IntRange(0, 20).Draw(t, "dt"))
			switch rapid.IntRange(0, 20).Draw(t, "what") {
			case 0:
				s.Expire(wall, 50)
				for id, used := range n.used {
					if wall-used >= 50 {
						n.forgets[id] = len(n.log)
						delete(n.used, id)
					}
				}
				continue
			case 1:
				s.Restore(s.Entries(), wall)
				for id := range n.used {
					n.used[id] = wall
				}
				continue
			}
			b := drawBatch(t, &n)
			b.BaseOffset, b.MaxTimestamp = end, wall-7
			got := s.Check(&b)
			got.Message = ""
			if want := n.check(b); got != want {
				t.Fatalf("%s after %d batches: %+v, naively %+v", b.Append(nil), len(n.log), got, want)
			}
			if got.Kind == Append {
				s.Appended(&b, wall)
				n.log = append(n.log, b)
				end = b.NextOffset()
				if b.Idempotent() {
					n.used[b.ProducerID] = wall
				}
			}
			if s.Len() != len(n.used) {
				t.Fatalf("knows %d ids, naively %d", s.Len(), len(n.used))
			}
		}
	})
}

// drawBatch draws mostly batches that are near to what the producer wrote before.
func drawBatch(t *rapid.T, n *naive) record.Batch {
	id := record.ProducerID(rapid.IntRange(-1, 3).Draw(t, "id"))
	count := int32(rapid.IntRange(1, 3).Draw(t, "count"))
	mine := n.of(id)
	if len(mine) == 0 {
		return batch(id, int16(rapid.IntRange(0, 2).Draw(t, "epoch")), rapid.SampledFrom([]int32{0, 5, math.MaxInt32 - 2}).Draw(t, "seq"), count)
	}
	old := mine[max(0, len(mine)-1-rapid.SampledFrom([]int{0, 0, 0, 0, 1, 4, 5, 6}).Draw(t, "back"))]
	if rapid.IntRange(0, 2).Draw(t, "again") == 0 {
		return old
	}
	b := batch(id, old.ProducerEpoch, record.AddSequence(old.BaseSequence, old.Count), count)
	b.ProducerEpoch += int16(rapid.SampledFrom([]int{0, 0, 0, 0, 0, 0, 1, -1}).Draw(t, "bump"))
	if b.ProducerEpoch > old.ProducerEpoch && rapid.Bool().Draw(t, "from 0") {
		b.BaseSequence = 0
	}
	b.BaseSequence = record.AddSequence(b.BaseSequence, rapid.SampledFrom([]int32{0, 0, 0, 0, 0, 1}).Draw(t, "gap"))
	return b
}

func TestEntriesSortedAndRestored(t *testing.T) {
	var s State
	for _, id := range []record.ProducerID{5, 1, 9, 3} {
		b := batch(id, 0, 0, 1)
		s.Appended(&b, 0)
	}
	entries := s.Entries()
	for i := 1; i < len(entries); i++ {
		if entries[i-1].ID >= entries[i].ID {
			t.Fatal("entries are not sorted by id")
		}
	}
	var second State
	second.Restore(entries, 10)
	if !reflect.DeepEqual(second.Entries(), entries) {
		t.Fatal("restored entries differ")
	}
}

func TestExpire(t *testing.T) {
	var s State
	for i := range 4 {
		b := batch(record.ProducerID(i), 0, 0, 1)
		s.Appended(&b, record.UnixMillis(i*10))
	}
	b := batch(0, 0, 1, 1) // 0 was the oldest and is used again
	s.Appended(&b, 100)
	b = batch(2, 0, 1, 1) // and 2 after the clock was set back
	s.Appended(&b, 50)
	b = batch(0, 0, 2, 1)
	s.Appended(&b, 100) // so that 2 comes before it: used at 100 or later by the clock that was then
	if at, ok := s.NextExpiry(DefaultExpiryMs); !ok || at != 10+86400000 {
		t.Error(at, ok)
	}
	if n := s.Expire(10+86400000-1, DefaultExpiryMs); n != 0 {
		t.Errorf("expired %d a millisecond too early", n)
	}
	if n := s.Expire(99+86400000, DefaultExpiryMs); n != 2 || s.Len() != 2 {
		t.Errorf("expired %d, left %d", n, s.Len())
	}
	if _, known := s.Lookup(0); !known {
		t.Error("expired the one that was used again")
	}
	s.Expire(math.MaxInt64/2, 0)
	if s.Len() != 0 {
		t.Error("did not expire all")
	}
	if _, ok := s.NextExpiry(1); ok {
		t.Error("nothing is left to expire")
	}
}

func TestMaxIDs(t *testing.T) {
	var s State
	for i := range record.ProducerID(MaxIDs + 10) {
		b := batch(i, 0, 0, 1)
		s.Appended(&b, 0)
	}
	if _, known := s.Lookup(9); s.Len() != MaxIDs || known {
		t.Errorf("%d ids are remembered", s.Len())
	}
	if _, known := s.Lookup(10); !known || len(s.slots) > MaxIDs {
		t.Error("forgot more than the oldest, or kept their memory")
	}
}

func BenchmarkCheckAppended(b *testing.B) {
	var s State
	b.ReportAllocs()
	seq := int32(0)
	for b.Loop() {
		x := batch(7, 0, seq, 10)
		if s.Check(&x).Kind != Append {
			b.Fatal("refused")
		}
		s.Appended(&x, 0)
		seq = record.AddSequence(seq, 10)
	}
}
