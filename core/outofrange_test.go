package core

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/partition"
	"odradek/core/record"
	"odradek/core/stream"
)

// A follower whose log ends before its leader's begins is told where that is, and begins anew there.
func TestBehindTheLeadersStart(t *testing.T) {
	c, rep, f := copier(t)
	rep.Start = rep.Ends.Log
	for replica, want := range map[record.Offset]record.Offset{0: rep.Start, record.NoOffset: record.NoOffset} { // any order: each by itself
		var r api.FetchResult
		if fillFetch(&r, &api.FetchRequest{}, rep, &api.FetchPartition{LogStart: replica, LastFetchedEpoch: record.NoEpoch}, errcode.OffsetOutOfRange); r.LogStart != want {
			t.Errorf("who tells of a log start of %d is told %d; want %d", replica, r.LogStart, want)
		}
	}
	told := &kmsg.FetchResponseTopicPartition{ErrorCode: int16(errcode.OffsetOutOfRange), LogStartOffset: int64(rep.Ends.Log) + 5}
	c.copied(f, rep.ID, told)
	if rep.cut == nil && len(c.fx.Disk) == 0 || !rep.Cutting() {
		t.Fatal("it does not begin anew")
	}
	if x := rep.cut; x != nil && (!x.all || x.base != rep.Ends.Log+5) {
		t.Fatalf("it is cut: %+v", *x)
	}
}

// A follower that has deleted records which its leader has lost, of a relaxed topic, begins anew where the leader's log ends; the checkpoint says no more that it begins behind that.
func TestLeaderEndsBeforeTheOwnStart(t *testing.T) {
	c, rep, _ := copier(t)
	rep.Start = rep.Ends.Log
	c.promise(rep.ID, rep.Start)
	c.parted(rep, rep.Epochs.Latest(), 0, 0)
	if x := rep.cut; !rep.Cutting() || x == nil || !x.all || x.base != 0 || x.needs[startsFile] == 0 {
		t.Fatalf("cutting: %t, %+v", rep.Cutting(), x)
	}
	if _, ok := c.promised[rep.ID]; ok {
		t.Error("it is promised to begin behind its end")
	}
}

// A follower whose log parts from its leader's below where that begins keeps nothing of it: records that the leader never had would be left there. Seed 1150 of cluster
// served them as committed.
func TestPartsBelowTheLeadersStart(t *testing.T) {
	for _, c := range []struct {
		start, end, base record.Offset // the leader's log start, where it says that the epoch ends, where this log begins then; -1: it is cut
	}{{1, 1, -1}, {1, 0, 1}, {0, 0, -1}} {
		core, rep, _ := copier(t)
		if rep.Ends.Log < 1 || rep.Start != 0 {
			t.Fatalf("the log goes from %d to %d", rep.Start, rep.Ends.Log)
		}
		core.parted(rep, rep.Epochs.Latest(), c.end, c.start)
		if x := rep.cut; x == nil || x.all != (c.base >= 0) || x.all && x.base != c.base || !x.all && x.to != c.end {
			t.Errorf("%+v: cut %+v", c, x)
		}
	}
}

// A follower that is not in sync, and has records below its leader's log start, is told by the epoch of the record before that whether they agree. Where the leader does not know
// it, they are told to part: else the follower would lead with records of another history (seeds 1604 and 323051 of cluster).
func TestAgreesBelowTheLeadersStart(t *testing.T) {
	for _, x := range []struct {
		name   string
		knows  bool         // the leader has deleted the record before itself
		epoch  record.Epoch // of the record before, in the follower's log
		member bool         // of the ISR
		agrees bool
	}{
		{"the same epoch", true, 1, false, true},
		{"another epoch", true, 0, false, false},
		{"another epoch in the ISR", true, 0, true, false},
		{"a leader that does not know", false, 0, false, false},
		{"a leader that does not know, the ISR", false, 0, true, true},
	} {
		c, rep, _ := copier(t)
		rep.Epochs = stream.NewEpochs([]stream.EpochStart{{Epoch: 0, Start: 0}, {Epoch: 1, Start: 1}})
		a := *rep.Assigned()
		a.LeaderEpoch, a.PartitionEpoch, a.Replicas, a.ISR = a.LeaderEpoch+5, a.PartitionEpoch+1, []record.NodeID{2, c.self}, []record.NodeID{c.self}
		if x.member {
			a.ISR = append(a.ISR, 2)
		}
		start := rep.Ends.Log
		if rep.DeleteBelow(start); !x.knows {
			rep.Epochs = stream.NewEpochs(nil) // as of a log that began here
		}
		rep.Assign(a, 0, &partition.Facts{})
		req := &api.FetchRequest{ReplicaID: 2}
		_, end, part := parting(req, rep, &api.FetchPartition{Offset: start, LogStart: 0, LastFetchedEpoch: x.epoch})
		if part == x.agrees || part && end >= start {
			t.Errorf("%s: they part: %t, at %d; the leader's log starts at %d, its epochs %v", x.name, part, end, start, rep.Epochs.Entries())
		}
		if _, _, part = parting(req, rep, &api.FetchPartition{Offset: start, LogStart: start, LastFetchedEpoch: x.epoch}); !x.knows && part {
			t.Errorf("%s: who begins there, too, is told to part", x.name)
		}
	}
}

// A follower whose log ends where its leader's begins, and agrees with it, keeps its records and what it knows of producers. When it began anew there, and led next, the retry of a
// batch that had been deleted was appended again (seed 611098 of cluster).
func TestEndsAtTheLeadersStart(t *testing.T) {
	c, rep, f := copier(t)
	a := *rep.Assigned()
	a.Leader, a.LeaderEpoch, a.PartitionEpoch, a.Replicas, a.ISR = 2, a.LeaderEpoch+1, a.PartitionEpoch+1, []record.NodeID{2, c.self}, []record.NodeID{2}
	rep.Assign(a, 0, &partition.Facts{})
	rep.copying = copying{from: f, told: true, offset: rep.Ends.Log, generation: rep.Generation}
	p := kmsg.NewFetchResponseTopicPartition()
	p.LogStartOffset, p.HighWatermark = int64(rep.Ends.Log), int64(rep.Ends.Log)
	if c.copied(f, rep.ID, &p); rep.Cutting() || rep.Start != rep.Ends.Log {
		t.Errorf("it begins anew: %t; its log starts at %d of %d", rep.Cutting(), rep.Start, rep.Ends.Log)
	}
}

// A follower that has deleted all, and is told that it parts from its leader in that, begins anew: it would be told so for ever.
func TestPartsInWhatIsDeleted(t *testing.T) {
	c, rep, _ := copier(t)
	start := rep.Ends.Log
	rep.DeleteBelow(start)
	if c.parted(rep, 0, start, start); rep.cut == nil || !rep.cut.all || rep.cut.base != start {
		t.Errorf("cut %+v, epochs %v", rep.cut, rep.Epochs.Entries())
	}
}

// A follower whose log is empty has no epoch by which its leader could tell where they part. If the leader's log ends before it, it is told that it is out of range, and begins anew where the
// leader's begins; where that is its own start it waits.
func TestLeaderEndsBeforeAnEmptyLog(t *testing.T) {
	for start, begins := range map[record.Offset]bool{0: true, record.NoOffset: false, 3: false} { // any order: each by itself
		c, rep, f := copier(t)
		rep.Start = rep.Ends.Log
		c.promise(rep.ID, rep.Start)
		c.copied(f, rep.ID, &kmsg.FetchResponseTopicPartition{ErrorCode: int16(errcode.OffsetOutOfRange), LogStartOffset: int64(start)})
		if _, promised := c.promised[rep.ID]; rep.Cutting() != begins || promised == begins || len(f.idle) == 0 != begins {
			t.Errorf("told that the log starts at %d: cutting %t, promised to begin behind its end: %t, resting: %d", start, rep.Cutting(), promised, len(f.idle))
		}
		if x := rep.cut; begins && (x == nil || !x.all || x.base != start) {
			t.Errorf("it is cut: %+v", x)
		}
	}
}
