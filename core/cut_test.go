package core

import (
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/stream"
)

// The image may change while a follower's log is cut, and change nothing for it: it fetches on all the same when the cut is done.
func TestCutThatTheImageOvertakes(t *testing.T) {
	for _, overtaken := range []bool{false, true} {
		n := &testNode{t: t, held: map[string]bool{}, out: &strings.Builder{}, files: map[string][]byte{}}
		for _, line := range []string{"boot", "create topic=a", "produce topic=a"} {
			n.command(strings.Fields(line))
		}
		c, fx := n.core, Effects{}
		c.fx = &fx
		id := c.sortedReplicas()[0]
		rep, f := c.replicas[id], &fetcher{busy: true}
		rep.copying.from, f.parts = f, 1
		rep.Cut(rep.Ends.Log)
		rep.again = overtaken
		c.replicaTruncated(id, rep.Generation, &Opened{LogEnd: rep.Ends.Log, Durable: rep.Ends.Log, Segments: rep.Segments(), Epochs: rep.Epochs.Entries()})
		if !rep.copying.changed || !slices.Contains(f.changed, id) {
			t.Errorf("after a cut, overtaken by the image: %t, the next fetch does not name the partition", overtaken)
		}
	}
}

// A node that is told to stop while a follower's log is cut closes that log when the cut is done: else the last Checkpoint tells of producers' batches that are cut, and a retry of
// one would be answered as a duplicate.
func TestStopWaitsForACut(t *testing.T) {
	c, rep, _ := copier(t)
	c.meta.stage = stageReady
	closes := func() (state *LogState) {
		c.carryOnStopping()
		c.passSlice(workPerStep)
		for i := range c.fx.Disk {
			if op := &c.fx.Disk[i]; op.Kind == DiskCheckpoint && op.Close && op.Stream == rep.ID {
				state = op.State
			}
		}
		c.fx.Disk = nil
		return state
	}
	rep.Cut(0)
	c.beginStop()
	if state := closes(); state != nil {
		t.Fatalf("it is closed while it is cut, with %+v", state)
	}
	c.replicaTruncated(rep.ID, rep.Generation, &Opened{})
	if state := closes(); state == nil || len(state.Producers) != 0 {
		t.Fatalf("when it is cut it is closed with %+v", state)
	}
}

// A log that could not be cut, as it is damaged below, stands as it was. Where this replica may lead, the controller is told first that it has not what it promised; then it is emptied.
func TestNotCut(t *testing.T) {
	c, rep, f := copier(t)
	end := rep.Ends.Log
	rep.Cut(0)
	c.replicaTruncated(rep.ID, rep.Generation, &Opened{LogEnd: end, Lost: []OffsetRange{{From: 0, To: end, Why: "magic 7"}}})
	if rep.Cutting() || rep.Ends.Log != end || !rep.isLost(0) || !slices.Contains(c.takeUps, rep.ID) {
		t.Fatalf("cutting: %t, the log ends at %d, lost: %v, to be taken up: %v", rep.Cutting(), rep.Ends.Log, rep.lost, c.takeUps)
	}
	rep.copying = copying{from: f, told: true, offset: end, generation: rep.Generation}
	p := kmsg.NewFetchResponseTopicPartition()
	p.LogStartOffset, p.DivergingEpoch.Epoch, p.DivergingEpoch.EndOffset = 0, 0, 0
	if c.copied(f, rep.ID, &p); rep.Cutting() || !slices.Contains(f.idle, rep.ID) {
		t.Errorf("who may lead cuts what it promised: %t; it rests: %v", rep.Cutting(), f.idle)
	}
}

// A log that was emptied knows no epoch: what it would name as its last one its leader may have deleted, and tell it to begin elsewhere, for ever (seed 2792 of cluster).
func TestEmptiedLogKnowsNoEpoch(t *testing.T) {
	c, rep, _ := copier(t)
	if len(rep.Epochs.Entries()) == 0 {
		t.Fatal("the log has no epoch to forget")
	}
	rep.lost = []OffsetRange{{From: 4, To: 40, Why: "magic 7"}}
	rep.Cut(0)
	c.replicaTruncated(rep.ID, rep.Generation, &Opened{LogStart: 32, LogEnd: 32, Durable: 32})
	if len(rep.lost) > 0 {
		t.Errorf("what is lost of an empty log: %v", rep.lost)
	}
	if left := rep.Epochs.Entries(); len(left) != 0 || rep.Start != 32 || rep.Ends.Log != 32 {
		t.Errorf("the log goes from %d to %d, in epochs %v", rep.Start, rep.Ends.Log, left)
	}
}

// A Checkpoint that completes while a cut waits for the file of recovery points moves no point: the next store of that file would say more than the cut leaves, and after a power loss
// recovery would take what was cut for lost.
func TestCheckpointedWhileACutWaits(t *testing.T) {
	c, rep, _ := copier(t)
	end := rep.Ends.Log
	rep.point, rep.checkpointing = end, true
	c.beginCut(rep, cut{to: end - 2})
	if rep.cut == nil || rep.point != 0 {
		t.Fatalf("the cut does not wait for the files: the point is %d", rep.point)
	}
	c.onCheckpointed(rep.ID, rep.Generation, end)
	if rep.point != 0 {
		t.Errorf("the point is %d while the log is to be cut to %d", rep.point, end-2)
	}
	if rep.checkpointing {
		t.Error("the Checkpoint counts as under way")
	}
}

// A batch that holds the offset of a cut goes as a whole: the log may end below it. What the directory's files say of the log before the cut is carried out must be true after it, or the next
// recovery takes it for damaged (seed 424656 of cluster). If the log start lies in that batch, the log begins anew there.
func TestCutWithinABatch(t *testing.T) {
	c, rep, _ := copier(t)
	rep.point, rep.floor = 3, 3
	rep.DeleteBelow(2)
	c.beginCut(rep, cut{to: 2})
	if rep.point > 0 || rep.floor > 0 {
		t.Fatalf("the log may end at 0, and its recovery point is %d, its stored high watermark %d", rep.point, rep.floor)
	}
	carryOut := func() *DiskOp {
		if c.fx.Disk = nil; rep.cut != nil {
			c.carryOutCut(rep)
		}
		if len(c.fx.Disk) != 1 || c.fx.Disk[0].Kind != DiskTruncate {
			t.Fatalf("no cut: %+v", c.fx.Disk)
		}
		return &c.fx.Disk[0]
	}
	if op := carryOut(); op.All || op.To != 2 {
		t.Fatalf("%+v", op)
	}
	c.replicaTruncated(rep.ID, rep.Generation, &Opened{LogEnd: 1, Durable: 1, Segments: rep.Segments()[:1]})
	if op := carryOut(); !op.All || op.Base != 2 {
		t.Fatalf("its start was 2, and it is cut to end at 1: %+v", op)
	}
	c.replicaTruncated(rep.ID, rep.Generation, &Opened{LogStart: 2, LogEnd: 2, Durable: 2, Segments: []stream.Segment{{Base: 2}}})
	if rep.Start != 2 || rep.Ends.Log != 2 || rep.Cutting() {
		t.Fatalf("the log begins at %d and ends at %d; cutting: %t", rep.Start, rep.Ends.Log, rep.Cutting())
	}
}
