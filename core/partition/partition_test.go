package partition

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/core/stream"
)

func leader(t rapid.TB, flush int64, isr ...record.NodeID) *Partition {
	p := New(1, "t", stream.NewLog(stream.ID{}, 0, 0, 0, 0, nil, nil), 0, Settings{FlushMessages: flush, MinInsync: 1, Roll: stream.RollLimits{Bytes: 1 << 20}})
	if len(isr) == 0 {
		isr = []record.NodeID{1}
	}
	if Leads != p.Assign(Assignment{Leader: 1, LeaderEpoch: 3, Replicas: []record.NodeID{1}, ISR: isr}, 0, &Facts{}) || !p.Leading() {
		t.Fatal("it does not lead")
	}
	return p
}

func add(p *Partition, count int32) record.Offset {
	b := record.Batch{LastOffsetDelta: count - 1, Count: count, Size: 100}
	p.Append(&b, 0, 0)
	return b.NextOffset()
}

// TestAcksAgainstNaive drives a partition with appends and completions in any legal order, and compares who is answered with a list that is searched anew
// after every change: nobody before its end is reached, everybody as soon as it is.
func TestAcksAgainstNaive(t *testing.T) {
	type waiting struct {
		id   uint64
		upTo record.Offset
	}
	rapid.Check(t, func(t *rapid.T) {
		flush := rapid.SampledFrom([]int64{1, 100}).Draw(t, "flush")
		p := leader(t, flush)
		var list []waiting
		var ends []record.Offset // of batches
		var written, durable record.Offset
		var id uint64
		for range rapid.IntRange(1, 50).Draw(t, "operations") {
			var facts Facts
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
				ends = append(ends, add(p, int32(rapid.IntRange(1, 3).Draw(t, "count"))))
				id++
				if p.Park(rapid.SampledFrom([]int16{1, -1}).Draw(t, "acks"), ends[len(ends)-1], id, 0) {
					list = append(list, waiting{id, ends[len(ends)-1]})
				}
			case 1: // a duplicate of an earlier batch parks on its end
				if len(ends) == 0 {
					continue
				}
				id++
				if end := rapid.SampledFrom(ends).Draw(t, "of"); p.Park(-1, end, id, 0) {
					list = append(list, waiting{id, end})
				}
			case 2:
				written = record.Offset(rapid.IntRange(int(written), int(p.Ends.Log)).Draw(t, "written"))
				p.OnWritten(p.Generation, written, &facts)
			case 3:
				durable = record.Offset(rapid.IntRange(int(durable), int(written)).Draw(t, "durable"))
				p.OnDurable(p.Generation, durable, &facts)
			}
			end := durable
			if flush != 1 {
				end = written
			}
			if p.HighWatermark() != end {
				t.Fatalf("high watermark %d, want %d", p.HighWatermark(), end)
			}
			var want, got []uint64
			list = slices.DeleteFunc(list, func(w waiting) bool {
				if w.upTo <= end {
					want = append(want, w.id)
				}
				return w.upTo <= end
			})
			for _, a := range facts.Acked {
				got = append(got, a.Produce)
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Fatalf("answered %v, want %v", got, want)
			}
		}
	})
}

func TestStaleCompletionsAcknowledgeNothing(t *testing.T) {
	p := leader(t, 1)
	old := p.Generation
	add(p, 5)
	p.Park(-1, 5, 1, 0)
	p.Assign(Assignment{Leader: 1, LeaderEpoch: 4, Replicas: []record.NodeID{1}, ISR: []record.NodeID{1}}, 0, &Facts{})
	var facts Facts
	p.OnDurable(old, 5, &facts)
	if len(facts.Acked) != 0 || p.HighWatermark() != 0 {
		t.Fatalf("a completion of the last leadership acknowledged %v, high watermark %d", facts.Acked, p.HighWatermark())
	}
	if p.Ready() {
		t.Fatal("ready before the high watermark reached the epoch's start")
	}
	p.OnDurable(p.Generation, 5, &facts)
	if len(facts.Acked) != 1 || !p.Ready() {
		t.Fatalf("the Sync of the new generation acknowledged %v", facts.Acked)
	}
}

func TestLosingLeadershipAnswersWhoWaits(t *testing.T) {
	p := leader(t, 1)
	add(p, 1)
	p.Park(-1, 1, 7, 2)
	p.Park(1, 1, 8, 0)
	var facts Facts
	p.Assign(Assignment{Leader: 2, LeaderEpoch: 4, Replicas: []record.NodeID{1, 2}, ISR: []record.NodeID{2}}, 0, &facts)
	if len(facts.Acked) != 2 || facts.Acked[0].Err != errcode.NotLeaderOrFollower || p.CanAppend(1) != errcode.NotLeaderOrFollower {
		t.Fatalf("answered %v", facts.Acked)
	}
}

func TestMinInsync(t *testing.T) {
	p := leader(t, 1, 1)
	p.MinInsync = 2
	if code := p.CanAppend(-1); code != errcode.None {
		t.Fatalf("one replica of one and min.insync.replicas=2: %v", code) // the effective minimum is min(min.insync.replicas, replication factor)
	}
	p.assigned.Replicas = []record.NodeID{1, 2, 3}
	if p.CanAppend(-1) != errcode.NotEnoughReplicas || p.CanAppend(1) != errcode.None {
		t.Fatalf("acks=all %v, acks=1 %v", p.CanAppend(-1), p.CanAppend(1))
	}
}

func TestFailedReplica(t *testing.T) {
	p := leader(t, 1)
	add(p, 1)
	p.Park(-1, 1, 7, 0)
	var facts Facts
	p.Fail(errcode.KafkaStorageError, &facts)
	if len(facts.Acked) != 1 || facts.Acked[0].Err != errcode.KafkaStorageError || p.Leading() || p.CanAppend(1) != errcode.KafkaStorageError {
		t.Fatalf("answered %v", facts.Acked)
	}
}
