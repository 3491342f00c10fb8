package core

import (
	"odradek/core/record"
	"odradek/core/stream"
)

// The metadata log's recovery point is in the file of its directory, beside those of partitions (Kafka passes such an entry over: it reads all of that log at each
// start). Without one, rot in the midst of the log could look like what an interrupted write leaves, and a start would cut what is committed. The point covers
// committed offsets alone: what is not may be cut, and recovery takes for damage what is missing below.

// maybeCheckpointMetadata asks for a Checkpoint that moves the point, unless the log is about to be another one.
func (c *Core) maybeCheckpointMetadata() {
	m := &c.meta
	if !m.asked && !m.quorum.Cutting() && min(m.quorum.Ends.Durable, m.quorum.HighWatermark()) > m.point {
		c.checkpointMetadata(false)
	}
}

func (c *Core) checkpointMetadata(closing bool) {
	m := &c.meta
	m.asked = true
	c.fx.Disk = append(c.fx.Disk, DiskOp{Kind: DiskCheckpoint, Stream: stream.Metadata, Generation: m.quorum.Generation, Close: closing,
		State: &LogState{Epochs: m.quorum.Epochs.Entries()}})
}

// metadataCheckpointed moves the point as far as the log is committed.
func (c *Core) metadataCheckpointed(g stream.Generation, upTo record.Offset) {
	m := &c.meta
	m.asked = false
	if point := min(upTo, m.quorum.HighWatermark()); g == m.quorum.Generation && !m.quorum.Cutting() && point > m.point {
		m.point = point
		d := &c.dirs[metadataDir]
		if d.files[pointsFile].stale = true; !d.pass.running && c.stop == serving { // else the file is stored when that ends
			c.want(metadataDir, pointsFile)
		}
	}
}
