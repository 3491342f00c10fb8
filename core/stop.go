package core

import (
	"fmt"

	"odradek/core/errcode"
	"odradek/core/quorum"
	"odradek/core/stream"
)

// stopStage is how far a clean stop has come (decision 4). It moves when nothing that the stage waits for is left, and leaves out directories that fail.
type stopStage uint8

const (
	serving      stopStage = iota
	stopDraining           // passes under way end: a partition has one Checkpoint under way at a time. So do cuts: the last Checkpoint is of what they leave
	stopClosing            // every stream that stands gets its last Checkpoint
	stopFiles              // the checkpoint files are stored
	stopMarks              // the clean marks are stored
)

// onStop begins to end. No request is taken any more and no timer counts. A node that is not ready has moved nothing: it ends at once, without clean mark.
func (c *Core) onStop() {
	switch {
	case c.stop != serving:
		return
	case c.meta.stage != stageReady:
		c.stopped(false)
		return
	}
	if c.life.stopping = true; !c.leave() {
		c.beginStop()
	}
}

// beginStop ends what this node does for others, and begins to close its logs.
func (c *Core) beginStop() {
	if !c.cfg.Alone() { // who leads the quorum names its successors
		c.quorumStep(func(q *quorum.Quorum, now int64, f *quorum.Facts) { q.Stop(now, f) })
	}
	c.stop = stopDraining
	c.takeUps, c.retained, c.producing.waiting = nil, nil, nil
	for i := range c.dirs {
		d := &c.dirs[i]
		d.pass.left, d.deferred = nil, nil
		c.maybeEndPass(stream.DirID(i))
	}
}

// carryOnStopping moves a stop on as far as it goes.
func (c *Core) carryOnStopping() {
	if c.stop == stopDraining && !c.passing() && !c.meta.asked && !c.cutsUnderWay() {
		c.stop = stopClosing
		for i := range c.dirs {
			c.beginPass(&c.dirs[i], true)
		}
		c.checkpointMetadata(true)
	}
	if c.stop == stopClosing && !c.passing() && !c.meta.asked {
		c.stop = stopFiles
		c.wantAll()
	}
	if c.stop == stopFiles && c.allStored() {
		c.stop = stopMarks
		for i := range c.dirs {
			if !c.dirs[i].failed {
				mark := fmt.Appendf(nil, `{"version":0,"brokerEpoch":%d}`, c.life.epoch)
				c.fx.Stores = append(c.fx.Stores, Store{Slot: Slot{stream.DirID(i), CleanMark}, Version: 1, Bytes: mark})
			}
		}
	}
	if c.stop == stopMarks && c.allMarked() {
		c.stopped(true)
	}
}

// cutsUnderWay reports whether a follower's log is being cut: what is known of its producers is of more than will be there.
func (c *Core) cutsUnderWay() bool {
	for i := range c.dirs {
		for _, id := range c.dirs[i].replicas {
			if rep, ok := c.replicas[id]; ok && rep.Cutting() && rep.stands() {
				return true
			}
		}
	}
	return false
}

// passing reports whether a pass is under way.
func (c *Core) passing() bool {
	for i := range c.dirs {
		if c.dirs[i].pass.running {
			return true
		}
	}
	return false
}

func (c *Core) allMarked() bool {
	for i := range c.dirs {
		if d := &c.dirs[i]; !d.failed && !d.marked {
			return false
		}
	}
	return true
}

// stopped says that the process may end. Nothing is done from here on.
func (c *Core) stopped(clean bool) {
	c.halted = true
	c.note(NoteStopped, KeyValue{"clean", fmt.Sprint(clean)})
}

// stands reports whether a replica's log is whole and its directory works.
func (r *replica) stands() bool { return r.Failed() == errcode.None }
