package core

import (
	"strings"
	"testing"

	"odradek/core/record"
)

// An empty metadata log beside partitions is a directory that was lost, not a new cluster, which would delete them as strays.
func TestEmptyMetadataBesidePartitions(t *testing.T) {
	for _, c := range []struct {
		streams int
		exists  bool
		halts   bool
	}{{0, false, false}, {1, false, true}, {3, true, true}} {
		node, fx := New(), &Effects{}
		boot := &Boot{NodeID: 1, ClusterID: "k6qUWPH3RdG3PO1UTzc2Gw", Incarnation: record.UUID{1}, Streams: c.streams, Dirs: []Dir{{ID: record.UUID{2}, Path: "disk", Free: 1 << 40}},
			Config: []KeyValue{{"node.id", "1"}}, Metadata: Opened{Exists: c.exists}}
		node.Step(Now{}, &Event{Kind: EvBoot, Boot: boot}, fx)
		halted := len(fx.Halts) == 1 && strings.Contains(fx.Halts[0].Reason, "metadata log is empty")
		if halted != c.halts || halted && len(fx.Disk)+len(fx.Stores) > 0 {
			t.Errorf("%d partitions, metadata folder there: %t: halts %v, disk %v", c.streams, c.exists, fx.Halts, fx.Disk)
		}
	}
}

// A partition is made only when some of the metadata is durable here: where others have committed it, a power loss could leave the folder, and nothing of the metadata (seed 32280 of cluster).
func TestPartitionsAreMadeBehindTheMetadata(t *testing.T) {
	c, rep, _ := copier(t)
	topic, _ := c.meta.committed.TopicByID(rep.ID.Topic)
	id := rep.ID
	id.Partition++
	durable := c.meta.quorum.Ends.Durable
	if c.mustWait(id, topic, rep.Dir) {
		t.Fatal("it waits though the metadata is durable")
	}
	c.meta.quorum.Ends.Durable = 0
	if !c.mustWait(id, topic, rep.Dir) {
		t.Error("it is made, and nothing of the metadata is durable")
	}
	c.takeUps = nil
	if c.metadataDurable(c.meta.quorum.Generation, durable); len(c.takeUps) != 1 || c.takeUps[0] != id || len(c.dirs[rep.Dir].deferred) != 0 {
		t.Errorf("when the metadata is durable %v is taken up", c.takeUps)
	}
}
