package core

import (
	"slices"
	"strings"
	"testing"

	"odradek/core/image"
	"odradek/core/record"
	"odradek/core/stream"
)

// The point covers what is committed and no more, and a Checkpoint that a cut overtook moves nothing.
func TestMetadataPointIsCommitted(t *testing.T) {
	n := &testNode{t: t, held: map[string]bool{}, out: &strings.Builder{}}
	n.command(strings.Fields("boot"))
	n.command(strings.Fields("create topic=a"))
	c, fx := n.core, Effects{}
	c.fx = &fx
	hw, g := c.meta.quorum.HighWatermark(), c.meta.quorum.Generation
	if c.metadataCheckpointed(g+1, hw); c.meta.point != 0 {
		t.Errorf("a Checkpoint of another generation moves the point to %d", c.meta.point)
	}
	if c.metadataCheckpointed(g, hw+5); c.meta.point != hw {
		t.Errorf("committed up to %d, and the point is %d", hw, c.meta.point)
	}
	if c.cutMetadata(hw - 1); len(fx.Halts) != 1 || !strings.Contains(fx.Halts[0].Reason, "is committed up to") {
		t.Errorf("what is committed is cut: %+v", fx)
	}
}

// A file that is stored before recovery has told of all logs, or before they are taken up, takes no entry from any of them. Here it is the one that must say nothing of the
// metadata log, before a snapshot takes that log's place.
func TestCheckpointsBeforeAllIsTakenUp(t *testing.T) {
	c, fx := New(), Effects{}
	stored := func() (texts []string) {
		for i := range fx.Stores {
			if fx.Stores[i].Slot.Name == RecoveryPointCheckpoint {
				texts = append(texts, string(fx.Stores[i].Bytes))
			}
		}
		return texts
	}
	step := func(ev Event) {
		fx.Reset()
		if c.Step(Now{}, &ev, &fx); len(fx.Halts) > 0 {
			t.Fatal(fx.Halts[0].Reason)
		}
	}
	step(Event{Kind: EvBoot, Boot: &Boot{ClusterID: "c", NodeID: 1, Incarnation: record.UUID{1}, Dirs: []Dir{{ID: record.UUID{15: 200}, Free: 1 << 30}}, Streams: 3,
		Snapshots: []Snapshot{{End: 40, Epoch: 2}}, Metadata: Opened{Exists: true, Topic: stream.MetadataName, LogEnd: 9, Durable: 9, RecoveryPoint: 9,
			Segments: []stream.Segment{{Size: 90}}, Epochs: []stream.EpochStart{{Epoch: 1}}},
		Config: []KeyValue{{"node.id", "1"}, {"controller.quorum.voters", "1@h1:9093,2@h2:9093,3@h3:9093"}, {"listeners", "PLAINTEXT://h1:9092,CONTROLLER://h1:9093"},
			{"controller.listener.names", "CONTROLLER"}}}})
	opened := func(i byte, o *Opened) {
		if texts := stored(); len(texts) > 0 {
			t.Fatalf("stored before all logs are known: %q", texts)
		}
		if at, due := c.Deadline(); due && at <= 0 {
			t.Fatal("a file that waits keeps the core busy")
		}
		o.Exists, o.Topic = true, "t"
		step(Event{Kind: EvOpened, Stream: stream.ID{Topic: record.UUID{7}, Partition: int32(i)}, Opened: o})
	}
	opened(0, &Opened{LogEnd: 20, RecoveryPoint: 12, HighWatermark: 14, Segments: []stream.Segment{{Size: 1}}})
	opened(1, &Opened{LogEnd: 20, RecoveryPoint: 12, Lost: []OffsetRange{{From: 3, To: 5}}, Segments: []stream.Segment{{Size: 1}}})
	opened(2, &Opened{LogEnd: 20, RecoveryPoint: 12, Damage: "its folder is lost"})
	if slices.ContainsFunc(fx.Disk, func(op DiskOp) bool { return op.Kind == DiskTruncate }) {
		t.Error("the log is emptied before the file is stored")
	}
	if texts := stored(); len(texts) != 1 || texts[0] != "0\n3\nt 0 12\nt 1 3\nt 2 12\n" {
		t.Fatalf("stored %q", texts)
	}
	step(Event{Kind: EvStored, Slot: Slot{Name: RecoveryPointCheckpoint}, Version: 1})
	emptied := slices.ContainsFunc(fx.Disk, func(op DiskOp) bool { return op.Kind == DiskTruncate && op.Base == 40 })
	if !emptied {
		t.Errorf("the file is stored, and the log is not emptied: %+v", fx.Disk)
	}
	if !c.mustWait(stream.ID{}, &image.Topic{Name: "new"}, 0) {
		t.Error("a partition is made before the strays are gone")
	}
}
