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
