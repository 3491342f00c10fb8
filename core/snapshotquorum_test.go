package core

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"odradek/core/record"
	"odradek/core/stream"
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

// A crash may come between the store of a fetched snapshot and the emptying of the log. The next start empties the log, reads the snapshot, and then lives on: it registers
// as any other.
func TestStartBehindAFetchedSnapshot(t *testing.T) {
	n := &testNode{t: t, held: map[string]bool{}, out: &strings.Builder{}, files: map[string][]byte{}}
	for _, line := range []string{"boot metadata.log.max.record.bytes.between.snapshots=1 metadata.max.retention.bytes=-1", "create topic=a", "create topic=b"} {
		n.command(strings.Fields(line))
	}
	newest := slices.Max(slices.Collect(maps.Keys(n.files)))
	var snapshot Snapshot
	if _, err := fmt.Sscanf(strings.TrimPrefix(newest, SnapshotFolder+"/"), "%d-%d.checkpoint", &snapshot.End, &snapshot.Epoch); err != nil {
		t.Fatal(err)
	}
	c, fx := New(), Effects{}
	step := func(ev Event) {
		fx.Reset()
		if c.Step(Now{}, &ev, &fx); len(fx.Halts) > 0 {
			t.Fatal(fx.Halts[0].Reason)
		}
	}
	boot := &Boot{ClusterID: "c", NodeID: 1, Incarnation: record.UUID{1}, Dirs: []Dir{{ID: record.UUID{15: 200}, Free: 1 << 30}}, Snapshots: []Snapshot{snapshot},
		Metadata: Opened{Exists: true, Topic: stream.MetadataName}, Config: []KeyValue{{"node.id", "1"}, {"controller.quorum.voters", "1@h1:9093,2@h2:9093,3@h3:9093"},
			{"listeners", "PLAINTEXT://h1:9092,CONTROLLER://h1:9093"}, {"controller.listener.names", "CONTROLLER"}}}
	step(Event{Kind: EvBoot, Boot: boot})
	isPoints := func(s Store) bool { return s.Slot.Name == RecoveryPointCheckpoint }
	emptied := func(op DiskOp) bool { return op.Kind == DiskTruncate }
	points := slices.IndexFunc(fx.Stores, isPoints)
	if points < 0 || slices.ContainsFunc(fx.Disk, emptied) {
		t.Fatalf("stores %+v, operations %+v: the file of recovery points must say nothing of the log before that is emptied", fx.Stores, fx.Disk)
	}
	step(Event{Kind: EvStored, Slot: fx.Stores[points].Slot, Version: fx.Stores[points].Version})
	cut := slices.IndexFunc(fx.Disk, func(op DiskOp) bool { return op.Kind == DiskTruncate && op.All && op.Base == snapshot.End })
	if cut < 0 {
		t.Fatalf("the log is not emptied: %+v", fx.Disk)
	}
	step(Event{Kind: EvTruncated, Stream: stream.Metadata, Generation: fx.Disk[cut].Generation, Opened: &Opened{Exists: true, LogStart: snapshot.End, LogEnd: snapshot.End, Durable: snapshot.End,
		HighWatermark: snapshot.End, Segments: []stream.Segment{{Base: snapshot.End}}}})
	for len(fx.Jobs) > 0 {
		step(Event{Kind: EvLoaded, Job: fx.Jobs[0].ID, Loaded: &Loaded{Bytes: n.files[newest][min(int(fx.Jobs[0].Pos), len(n.files[newest])):]}})
	}
	if c.meta.committed.TopicCount() == 0 || c.meta.stage != stageRegistering {
		t.Errorf("%d topics, stage %d: want those of the snapshot, and a registration", c.meta.committed.TopicCount(), c.meta.stage)
	}
}
