package partition

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"odradek/core/record"
	"odradek/core/stream"
)

// leadership is a leader beside what is true: what each follower has claimed, which ISRs are or may come to be committed.
type leadership struct {
	t       *rapid.T
	p       *Partition
	ends    map[record.NodeID]record.Offset // claimed in this leadership
	isr     []record.NodeID                 // committed
	mayJoin []record.NodeID                 // of the proposal under way
	doubted []record.NodeID                 // of those that may still come to be committed
	busy    bool
	lost    bool                   // a proposal has had no answer
	stale   map[record.NodeID]bool // fetched last as an earlier incarnation
	min     int
	epoch   record.Epoch
	version int32
	now     int64
	high    record.Offset
	waiting map[uint64]record.Offset
	id      uint64
}

const lag = 100

func (l *leadership) lead() {
	l.epoch++
	l.assign()
	l.ends, l.mayJoin, l.doubted, l.busy, l.lost = map[record.NodeID]record.Offset{2: record.NoOffset, 3: record.NoOffset}, nil, nil, false, false
}

func (l *leadership) assign() {
	var facts Facts
	l.version++
	l.p.Assign(Assignment{Leader: 1, LeaderEpoch: l.epoch, PartitionEpoch: l.version, Replicas: []record.NodeID{1, 2, 3}, ISR: l.isr}, l.now, &facts)
	l.acked(&facts)
}

func (l *leadership) acked(facts *Facts) {
	for _, a := range facts.Acked {
		if upTo := l.waiting[a.Produce]; a.Err == 0 && upTo > l.p.HighWatermark() {
			l.t.Fatalf("acknowledged at %d below %d", l.p.HighWatermark(), upTo)
		}
		delete(l.waiting, a.Produce)
	}
}

// check compares the high watermark with what all members have that count.
func (l *leadership) check() {
	end := l.p.Ends.Durable
	for id, has := range l.ends {
		if slices.Contains(l.isr, id) || slices.Contains(l.mayJoin, id) || slices.Contains(l.doubted, id) {
			end = min(end, has)
		}
	}
	if len(l.isr) >= l.min {
		l.high = max(l.high, end)
	}
	if l.p.HighWatermark() != l.high {
		l.t.Fatalf("the high watermark is %d; of the ISR %v and %v all have %d, so it is %d", l.p.HighWatermark(), l.isr, append(l.mayJoin, l.doubted...), end, l.high)
	}
	for id, upTo := range l.waiting {
		if upTo <= l.high && upTo <= l.p.Ends.Durable {
			l.t.Fatalf("produce %d waits for %d, the high watermark is %d", id, upTo, l.high)
		}
	}
}

func (l *leadership) step() {
	p, t := l.p, l.t
	l.now += rapid.Int64Range(0, 40).Draw(t, "ms")
	switch rapid.IntRange(0, 9).Draw(t, "kind") {
	case 0, 1:
		b := record.Batch{LastOffsetDelta: 1, Count: 2, Size: 100}
		p.Append(&b, 0, l.now)
		p.SyncNow()
		l.id++
		if p.Park(-1, b.NextOffset(), l.id, 0) {
			l.waiting[l.id] = b.NextOffset()
		}
	case 2, 9:
		var facts Facts
		p.OnDurable(p.Generation, record.Offset(rapid.IntRange(int(p.Ends.Durable), int(p.Ends.Log)).Draw(t, "durable")), &facts)
		l.acked(&facts)
	case 3, 4:
		id := rapid.SampledFrom([]record.NodeID{2, 3}).Draw(t, "follower")
		end := record.Offset(rapid.IntRange(max(int(l.ends[id]), 0), int(p.Ends.Log)).Draw(t, "claims"))
		var facts Facts
		l.ends[id] = end
		l.stale[id] = rapid.IntRange(0, 4).Draw(t, "stale") == 0
		broker := int64(7)
		if l.stale[id] {
			broker = 6
		}
		p.Heard(id, broker, broker, end, 0, l.now, &facts)
		l.acked(&facts)
	case 5, 8:
		l.propose()
	case 6:
		l.answer()
	case 7:
		if rapid.IntRange(0, 4).Draw(t, "elected") == 0 {
			l.lead()
		}
	}
	l.check()
}

// propose checks who is proposed: nobody who lacks something that is or may be acknowledged.
func (l *leadership) propose() {
	p, fenced := l.p, rapid.SampledFrom([]record.NodeID{0, 2, 3}).Draw(l.t, "fenced")
	members := p.Propose(l.now, lag, func(id record.NodeID) (int64, bool) { return 7, id != fenced })
	if l.busy && members != nil {
		l.t.Fatal("two proposals at a time")
	}
	if members == nil {
		return
	}
	l.busy = true
	for _, m := range members {
		if m.ID == 1 || slices.Contains(l.isr, m.ID) {
			continue
		}
		if end := l.ends[m.ID]; end < l.high || end < p.epochStart || m.ID == fenced || l.stale[m.ID] {
			l.t.Fatalf("%d is to join with %d; high watermark %d, the epoch begins at %d, fenced is %d", m.ID, end, l.high, p.epochStart, fenced)
		}
	}
	l.mayJoin = nil
	for _, m := range members {
		l.mayJoin = append(l.mayJoin, m.ID)
	}
	p.Proposed(members)
}

// answer has the proposal end in one of the ways that there are.
func (l *leadership) answer() {
	if !l.busy {
		return
	}
	var facts Facts
	switch rapid.IntRange(0, 3).Draw(l.t, "answer") {
	case 0: // committed
		l.isr, l.mayJoin, l.doubted, l.busy, l.lost = slices.Clone(l.mayJoin), nil, nil, false, false
		l.assign()
		return
	case 1: // another one was committed before it
		l.mayJoin, l.doubted, l.busy, l.lost = nil, nil, false, false
		l.isr = []record.NodeID{1, rapid.SampledFrom([]record.NodeID{2, 3}).Draw(l.t, "with")}
		if l.ends[l.isr[1]] < l.high {
			l.isr = l.isr[:1] // the controller does not know ends: it adds nobody
		}
		l.assign()
		return
	case 2: // refused
		if l.lost {
			l.doubted = append(l.doubted, l.mayJoin...)
		}
		l.p.Refused(l.lost, &facts)
		l.mayJoin, l.busy, l.lost = nil, false, false
	case 3: // no answer: it is asked again
		l.lost = true
	}
	l.acked(&facts)
}

// TestMaximalISR: the high watermark is what all of the committed ISR have and all who may have been added to it (KIP-497), it does not move below the minimum, and nobody
// is proposed who lacks something below it.
func TestMaximalISR(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		isr := rapid.SampledFrom([][]record.NodeID{{1}, {1, 2}, {1, 2, 3}}).Draw(t, "isr")
		l := &leadership{t: t, isr: isr, min: rapid.IntRange(1, 2).Draw(t, "min.insync.replicas"), stale: map[record.NodeID]bool{}, waiting: map[uint64]record.Offset{}}
		l.p = New(1, "t", stream.NewLog(stream.ID{}, 0, 0, 0, 0, nil, nil), 0, Settings{FlushMessages: 1, MinInsync: int32(l.min), Roll: stream.RollLimits{Bytes: 1 << 20}})
		l.lead()
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			l.step()
		}
	})
}

// TestLagLeavesTheISR: who was not caught up for the lag time is proposed to leave; who had everything until the last append has the whole time from there.
func TestLagLeavesTheISR(t *testing.T) {
	p := New(1, "t", stream.NewLog(stream.ID{}, 0, 0, 0, 0, nil, nil), 0, Settings{FlushMessages: 1, MinInsync: 1, Roll: stream.RollLimits{Bytes: 1 << 20}})
	p.Assign(Assignment{Leader: 1, LeaderEpoch: 1, Replicas: []record.NodeID{1, 2, 3}, ISR: []record.NodeID{1, 2, 3}}, 0, &Facts{})
	all := func(record.NodeID) (int64, bool) { return 7, true }
	p.Heard(2, 7, 7, 0, 0, 10, &Facts{})
	p.Heard(3, 7, 7, 0, 0, 10, &Facts{})
	if got := p.Propose(100_000, lag, all); got != nil {
		t.Fatalf("idle followers are to leave: %v", got)
	}
	b := record.Batch{LastOffsetDelta: 0, Count: 1, Size: 100}
	p.Append(&b, 0, 100_000)
	if got := p.Propose(100_000+lag, lag, all); got != nil {
		t.Fatalf("they had no time: %v", got)
	}
	p.Heard(3, 7, 7, 1, 0, 100_050, &Facts{})
	if got := p.Propose(100_001+lag, lag, all); len(got) != 2 || got[0].ID != 1 || got[1].ID != 3 {
		t.Fatalf("proposed is %v", got)
	}
}

// TestFollowerTakesWhatFits: what a leader sends is taken only at the log's end or above and in epochs that rise and are not beyond the leader's.
func TestFollowerTakesWhatFits(t *testing.T) {
	p := New(2, "t", stream.NewLog(stream.ID{}, 0, 0, 0, 0, nil, nil), 0, Settings{FlushMessages: 1, MinInsync: 1, Roll: stream.RollLimits{Bytes: 1 << 20}})
	p.Assign(Assignment{Leader: 1, LeaderEpoch: 5, Replicas: []record.NodeID{1, 2}, ISR: []record.NodeID{1, 2}}, 0, &Facts{})
	take := func(base record.Offset, epoch record.Epoch) error {
		b := record.Batch{BaseOffset: base, LeaderEpoch: epoch, Count: 2, LastOffsetDelta: 1, Size: 100}
		_, err := p.Accept(&b, 0)
		return err
	}
	for i, c := range []struct {
		base  record.Offset
		epoch record.Epoch
		ok    bool
	}{{0, 3, true}, {1, 3, false}, {2, 2, false}, {2, 6, false}, {2, 5, true}, {9, 5, true}, {4, 5, false}} {
		if err := take(c.base, c.epoch); (err == nil) != c.ok {
			t.Errorf("%d: a batch at %d of epoch %d: %v", i, c.base, c.epoch, err)
		}
	}
	if p.Settled() || p.ownEnd() != 0 {
		t.Fatalf("it claims %d before anything is durable", p.ownEnd())
	}
	if to := p.Parting(3, 1); to != 1 {
		t.Fatalf("the leader's epoch 3 ends at 1, and it cuts at %d", to)
	}
	if to := p.Parting(4, 5); to != 2 {
		t.Fatalf("its own epochs up to 4 end at 2, and it cuts at %d", to)
	}
}

// TestHardenedLeaderDoubtsClaims: what followers claimed while the topic was relaxed was written only. After it has become durable nothing that they say counts before the
// next leader epoch, with which every replica syncs.
func TestHardenedLeaderDoubtsClaims(t *testing.T) {
	s := Settings{FlushMessages: 1000, MinInsync: 1, Roll: stream.RollLimits{Bytes: 1 << 20}}
	p := New(1, "t", stream.NewLog(stream.ID{}, 0, 0, 0, 0, nil, nil), 0, s)
	a := Assignment{Leader: 1, LeaderEpoch: 1, Replicas: []record.NodeID{1, 2}, ISR: []record.NodeID{1, 2}}
	p.Assign(a, 0, &Facts{})
	b := record.Batch{Count: 1, Size: 100}
	p.Append(&b, 0, 0)
	p.OnWritten(p.Generation, 1, &Facts{})
	s.FlushMessages = 1
	p.Configure(s, &Facts{})
	p.Park(-1, 1, 7, 0)
	p.OnDurable(p.Generation, 1, &Facts{})
	var facts Facts
	p.Heard(2, 5, 5, 1, 0, 0, &facts)
	if len(facts.Acked) > 0 || p.HighWatermark() != 0 {
		t.Fatalf("a claim from before is acknowledged: %+v", facts.Acked)
	}
	a.LeaderEpoch, a.PartitionEpoch = 2, 1
	p.Assign(a, 0, &Facts{})
	p.OnDurable(p.Generation, 1, &Facts{})
	p.Heard(2, 5, 5, 1, 0, 0, &facts)
	if len(facts.Acked) != 1 || p.HighWatermark() != 1 {
		t.Fatalf("in the new epoch the claim does not count: high watermark %d", p.HighWatermark())
	}
}

// TestLaggingFollowerDoesNotJoin: one that has all that is committed, and lags behind the log's end, would leave the ISR as soon as it has joined. Where too few are in sync
// the high watermark stands still, and it joined and left without pause (seeds 17 and 45 of cluster, with slower rolls).
func TestLaggingFollowerDoesNotJoin(t *testing.T) {
	p := New(1, "t", stream.NewLog(stream.ID{}, 0, 0, 9, 9, nil, nil), 5, Settings{FlushMessages: 1, MinInsync: 3, Roll: stream.RollLimits{Bytes: 1 << 20}})
	p.Assign(Assignment{Leader: 1, LeaderEpoch: 2, Replicas: []record.NodeID{1, 2}, ISR: []record.NodeID{1}}, 0, &Facts{})
	p.OnDurable(p.Generation, 9, &Facts{})
	p.epochStart = 0
	eligible := func(record.NodeID) (int64, bool) { return 7, true }
	for _, c := range []struct {
		at    int64 // when it fetches, and is looked at, in ms
		end   record.Offset
		joins bool
	}{{10, 6, true}, {200, 6, false}, {201, 9, true}} {
		p.Heard(2, 7, 7, c.end, 0, c.at, &Facts{})
		if list := p.Propose(c.at, 100, eligible); (len(list) == 2) != c.joins {
			t.Errorf("a follower with offsets below %d of 9 at %d ms, last caught up before 100 ms may go by: proposed %v", c.end, c.at, list)
		}
	}
}
