package core

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/partition"
	"odradek/core/record"
)

// A follower whose log ends before its leader's begins is told where that is, and begins anew there.
func TestBehindTheLeadersStart(t *testing.T) {
	c, rep, f := copier(t)
	rep.Start = rep.Ends.Log
	for replica, want := range map[record.Offset]record.Offset{0: rep.Start, record.NoOffset: record.NoOffset} { // any order: each by itself
		var r api.FetchResult
		if fillFetch(&r, rep, &api.FetchPartition{LogStart: replica, LastFetchedEpoch: record.NoEpoch}, errcode.OffsetOutOfRange); r.LogStart != want {
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

// A follower whose log parts from its leader's below where that begins keeps nothing of it: an epoch that the leader has deleted ends, for it, at its log start, and
// records of that epoch which the leader never had would be left below that. Seed 1150 of cluster served them as committed.
func TestPartsBelowTheLeadersStart(t *testing.T) {
	for _, c := range []struct {
		start, end, base record.Offset // the leader's log start, where it says that the epoch ends, where this log begins then; -1: it is cut
	}{{1, 1, 1}, {1, 0, 1}, {0, 0, -1}} {
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

// A follower whose log ends where its leader's begins, and that is not in sync, keeps nothing of it: no batch that both have tells that they agree. Seed 1604 of cluster.
func TestEndsAtTheLeadersStart(t *testing.T) {
	for _, member := range []bool{false, true} {
		c, rep, f := copier(t)
		a := *rep.Assigned()
		a.Leader, a.LeaderEpoch, a.PartitionEpoch, a.Replicas, a.ISR = 2, a.LeaderEpoch+1, a.PartitionEpoch+1, []record.NodeID{2, c.self}, []record.NodeID{2}
		if member {
			a.ISR = append(a.ISR, c.self)
		}
		rep.Assign(a, 0, &partition.Facts{})
		rep.copying = copying{from: f, told: true, offset: rep.Ends.Log, generation: rep.Generation}
		p := kmsg.NewFetchResponseTopicPartition()
		p.LogStartOffset, p.HighWatermark = int64(rep.Ends.Log), int64(rep.Ends.Log)
		c.copied(f, rep.ID, &p)
		if rep.Cutting() == member {
			t.Errorf("in sync: %t; it begins anew: %t", member, rep.Cutting())
		}
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
