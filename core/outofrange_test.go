package core

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/errcode"
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
	}{{2, 2, 2}, {2, 1, 2}, {1, 2, -1}, {0, 0, -1}} {
		core, rep, _ := copier(t)
		if rep.Ends.Log < 3 || rep.Start != 0 {
			t.Fatalf("the log goes from %d to %d", rep.Start, rep.Ends.Log)
		}
		core.parted(rep, rep.Epochs.Latest(), c.end, c.start)
		if x := rep.cut; x == nil || x.all != (c.base >= 0) || x.all && x.base != c.base || !x.all && x.to != c.end {
			t.Errorf("%+v: cut %+v", c, x)
		}
	}
}
