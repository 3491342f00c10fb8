package core

import (
	"slices"
	"testing"

	"odradek/core/partition"
	"odradek/core/record"
	"odradek/core/stream"
)

// A leader's log may begin within a batch, where DeleteRecords moved it. A follower that begins anew there is sent that batch whole: its log begins with the batch, and starts where the leader's does.
func TestLeaderBeginsWithinABatch(t *testing.T) {
	c, rep, _ := copier(t)
	end := rep.Ends.Log
	started := func(base record.Offset) {
		t.Helper()
		c.replicaTruncated(rep.ID, rep.Generation, &Opened{LogStart: base, LogEnd: base, Durable: base, Segments: []stream.Segment{{Base: base}}})
	}
	a := *rep.Assigned()
	a.Leader, a.LeaderEpoch = c.self+1, a.LeaderEpoch+1
	rep.Assign(a, 0, &partition.Facts{})
	c.beginCut(rep, cut{all: true, base: end + 1})
	c.settleCuts()
	started(end + 1)
	var builder record.Builder
	spec := record.PlainSpec(0)
	spec.BaseOffset, spec.LeaderEpoch = end, a.LeaderEpoch
	builder.Reset(spec)
	for range 3 {
		builder.Append(1, nil, []byte("v"), nil)
	}
	batch, err := builder.Build(nil)
	if err != nil {
		t.Fatal(err)
	}
	c.fx = &Effects{}
	c.frame = 7
	c.copyBatches(rep, batch.Data)
	c.frame = record.NoFrame
	clear(batch.Data) // the answer's buffer is somebody else's behind the Step
	if x := rep.cut; x == nil || !x.all || x.base != end || x.needs[startsFile] == 0 || c.promised[rep.ID] != end+1 {
		t.Fatalf("it is cut: %+v, and is promised to begin at %d", x, c.promised[rep.ID])
	}
	c.settleCuts()
	if op := c.fx.Disk[0]; op.Kind != DiskTruncate || !op.All || op.Base != end {
		t.Fatalf("the disk is asked for %+v", op)
	}
	started(end)
	kept := func(b *record.Batch) bool { return b.Frame == record.NoFrame && b.CheckCRC() == nil }
	if !slices.ContainsFunc(c.fx.Disk, func(op DiskOp) bool { return op.Kind == DiskAppend && op.Batch.BaseOffset == end && kept(&op.Batch) }) {
		t.Errorf("the batch is not appended: %+v", c.fx.Disk)
	}
	if rep.Start != end+1 || rep.HighWatermark() != end+1 || rep.Ends.Log != end+3 || c.promised[rep.ID] != end+1 {
		t.Errorf("the log starts at %d (promised %d) and ends at %d, its high watermark is %d; want %d, %d and %d", rep.Start, c.promised[rep.ID], rep.Ends.Log, rep.HighWatermark(), end+1, end+3, end+1)
	}
}

// settleCuts has the files stored for which cuts wait.
func (c *Core) settleCuts() {
	for i := range c.dirs {
		for k := range c.dirs[i].files {
			f := &c.dirs[i].files[k]
			f.version++
			f.stored = f.version
		}
	}
	c.carryOnCuts()
}
