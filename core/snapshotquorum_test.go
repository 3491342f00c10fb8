package core

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// What a snapshot holds is committed: a node that has read one back, and whose leadership ends before anything of it is committed, goes back to the snapshot, not to
// nothing.
func TestWorkingImageGoesBackToTheSnapshot(t *testing.T) {
	n := &testNode{t: t, held: map[string]bool{}, out: &strings.Builder{}, files: map[string][]byte{}}
	for _, line := range []string{"boot metadata.log.max.record.bytes.between.snapshots=1 metadata.max.retention.bytes=-1", "create topic=a", "create topic=b"} {
		n.command(strings.Fields(line))
	}
	if len(slices.Collect(maps.Keys(n.files))) == 0 {
		t.Fatal("no snapshot was written")
	}
	n.command(strings.Fields("hold durable"))
	n.command(strings.Fields("boot metadata.max.retention.bytes=-1"))
	c := n.core
	if c.meta.quorum.Ready() || c.working().TopicCount() != 2 {
		t.Fatalf("committed up to %d, with %d topics: nothing is to be committed yet", c.meta.quorum.HighWatermark(), c.working().TopicCount())
	}
	c.dropWorking()
	if got := c.working().TopicCount(); got == 0 {
		t.Error("the working image has lost the snapshot's topics")
	}
}

// A leader whose own disk is behind commits what the others have. It writes no snapshot of that before its own log has it on the disk: after a loss of its tail the
// log would end below the snapshot.
func TestNoSnapshotAboveTheOwnDurableEnd(t *testing.T) {
	n := &testNode{t: t, held: map[string]bool{}, out: &strings.Builder{}, files: map[string][]byte{}}
	n.command(strings.Fields("boot metadata.log.max.record.bytes.between.snapshots=1 metadata.max.retention.bytes=-1"))
	c, fx := n.core, Effects{}
	c.fx, c.snaps.bytes, c.snaps.kept = &fx, 1000, nil
	end := c.meta.committed.At().Offset + 1
	durable := c.meta.quorum.Ends.Durable
	c.meta.quorum.Ends.Durable = end - 1
	if c.maybeSnapshot(false); c.snaps.writing != nil {
		t.Errorf("a snapshot up to %d is written, and the log is durable up to %d", end, end-1)
	}
	c.meta.quorum.Ends.Durable = durable
	if c.maybeSnapshot(false); c.snaps.writing == nil {
		t.Error("no snapshot is written")
	}
}
