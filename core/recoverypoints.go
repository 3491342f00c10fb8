package core

import (
	"slices"

	"odradek/core/record"
	"odradek/core/stream"
)

// Recovery points (decision 4): everything below one is on disk for good, with what recovery would otherwise have to read the log for. A pass asks the disk
// for a Checkpoint of each durable partition that was appended to; when all have come, the directory's file is stored.

const (
	// checkpointsPerStep bounds the partitions that one Step looks at: each Checkpoint carries a copy of the partition's state.
	checkpointsPerStep = 64
	// checkpointProducers is how many producers' states cost as much as a partition.
	checkpointProducers = 1024
	// checkpointBytes is how much a directory is given before recovery points move, whatever the time: it bounds what a start has to read.
	checkpointBytes = 2 << 30
)

// pass is one walk through the partitions of a directory. The last one, at a clean stop, takes all that stand and closes them.
type pass struct {
	running bool
	closing bool
	left    []stream.ID // not yet looked at
	waits   int         // Checkpoints under way
}

// startCheckpoints sets the first passes. They begin when the node serves, which is when all logs are known.
func (c *Core) startCheckpoints() {
	c.after(timerKey{timerPoints, 0}, c.cfg.RecoveryPointMs)
	c.after(timerKey{timerMarks, 0}, c.cfg.HighWatermarkMs)
}

// pointsDue begins a pass in each directory where none is under way.
func (c *Core) pointsDue() {
	for i := range c.dirs {
		c.beginPass(&c.dirs[i], false)
	}
	c.maybeCheckpointMetadata()
	c.after(timerKey{timerPoints, 0}, c.cfg.RecoveryPointMs)
}

func (c *Core) beginPass(d *dirState, closing bool) {
	if d.failed || d.pass.running {
		return
	}
	d.given = 0
	d.pass = pass{running: true, closing: closing, left: slices.Clone(d.replicas)}
	c.asking = true
}

// debit enters bytes that a directory is given.
func (c *Core) debit(dir stream.DirID, bytes int64) {
	d := &c.dirs[dir]
	d.free -= bytes
	if d.given += bytes; d.given >= checkpointBytes {
		c.beginPass(d, false)
	}
}

// passSlice asks for the next Checkpoints, at a cost of about n partitions.
func (c *Core) passSlice(n int) {
	if !c.asking {
		return
	}
	c.asking = false
	for i := range c.dirs {
		p := &c.dirs[i].pass
		for n > 0 && len(p.left) > 0 {
			n -= 1 + c.maybeCheckpoint(p)/checkpointProducers
		}
		if len(p.left) > 0 {
			c.asking = true
			return
		}
		c.maybeEndPass(stream.DirID(i))
	}
}

// maybeCheckpoint asks for a Checkpoint of the pass's next partition if that moves its recovery point, and returns how many producers its state holds.
func (c *Core) maybeCheckpoint(p *pass) (producers int) {
	id := p.left[0]
	p.left = p.left[1:]
	rep, ok := c.replicas[id]
	if !ok || !p.closing && !rep.pointMoves() || !rep.stands() {
		return 0
	}
	op := DiskOp{Kind: DiskCheckpoint, Stream: id, Generation: rep.Generation, State: rep.state(), Close: p.closing}
	c.fx.Disk = append(c.fx.Disk, op)
	rep.checkpointing = true
	p.waits++
	return len(op.State.Producers)
}

// pointMoves reports whether a Checkpoint is due: of leaders and followers alike. A relaxed partition has none but at a clean stop: it would be the fsync that it does without.
func (r *replica) pointMoves() bool {
	return r.Durable() && !r.Cutting() && r.sound(r.Ends.Durable) > r.point
}

// onCheckpointed moves a recovery point. What a Checkpoint covers is durable, whichever completion arrives first. It moves none while the log waits to be cut, or is: what the files say less
// of by then must not come back into them before the cut is done.
func (c *Core) onCheckpointed(id stream.ID, g stream.Generation, upTo record.Offset) {
	c.onDurable(id, g, upTo)
	if id == stream.Metadata {
		c.metadataCheckpointed(g, upTo)
		return
	}
	rep, ok := c.replicas[id]
	if !ok || !rep.checkpointing {
		return
	}
	rep.checkpointing = false
	d := &c.dirs[rep.Dir]
	if point := rep.sound(upTo); g == rep.Generation && !rep.Cutting() && point > rep.point {
		rep.point = point
		d.files[pointsFile].stale = true
	}
	d.pass.waits--
	c.maybeEndPass(rep.Dir)
}

// maybeEndPass stores the recovery points when all that a pass asked for has come.
func (c *Core) maybeEndPass(dir stream.DirID) {
	d := &c.dirs[dir]
	if !d.pass.running || len(d.pass.left) > 0 || d.pass.waits > 0 {
		return
	}
	d.pass = pass{}
	if d.files[pointsFile].stale {
		c.want(dir, pointsFile)
	}
	if d.given >= checkpointBytes && c.stop == serving {
		c.beginPass(d, false)
	}
}
