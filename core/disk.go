package core

import (
	"odradek/core/errcode"
	"odradek/core/partition"
	"odradek/core/record"
	"odradek/core/stream"
)

func (c *Core) onWritten(id stream.ID, g stream.Generation, upTo record.Offset) {
	if id == stream.Metadata {
		c.meta.quorum.OnWritten(g, upTo)
		return
	}
	if rep, ok := c.replicas[id]; ok {
		rep.OnWritten(g, upTo, c.freshFacts())
		c.settle(rep, &c.facts)
	}
}

func (c *Core) onDurable(id stream.ID, g stream.Generation, upTo record.Offset) {
	if id == stream.Metadata {
		c.metadataDurable(g, upTo)
		return
	}
	if rep, ok := c.replicas[id]; ok {
		rep.OnDurable(g, upTo, c.freshFacts())
		c.settle(rep, &c.facts)
	}
}

// freshFacts empties the facts that the completions of appends use again: settle changes no partition, so they are never needed twice at once.
func (c *Core) freshFacts() *partition.Facts {
	c.facts = partition.Facts{Acked: c.facts.Acked[:0]}
	return &c.facts
}

// onIOFailed gives a log directory up: after a failed write or fsync nothing is known of what it holds, so nothing in it is promised any more and no
// fsync is tried again. The node stops when it was the metadata directory; with one directory there is no other.
func (c *Core) onIOFailed(dir stream.DirID, id stream.ID, reason string) {
	if c.dirs[dir].failed {
		return
	}
	c.dirs[dir].failed = true
	c.fx.Halts = append(c.fx.Halts, Halt{Scope: HaltDir, Stream: id, Dir: dir, Reason: reason})
	for _, id := range c.sortedReplicas() {
		if rep := c.replicas[id]; rep.Dir == dir {
			var facts partition.Facts
			rep.Fail(errcode.KafkaStorageError, &facts)
			c.settle(rep, &facts)
		}
	}
	c.dirs[dir].giveUp()
	c.finishDeletings()
	if dir == metadataDir {
		c.meta.quorum.Fail()
		c.halt("the metadata log directory failed: " + reason)
		return
	}
	c.maybeUnfence()
}

// onConnClosed drops what waits for a connection's sake. Appended records stay.
func (c *Core) onConnClosed(conn ConnID) {
	if w, ok := c.waiters.OfConn(uint64(conn)); ok {
		c.waiters.Remove(w)
		c.timers.Cancel(timerKey{timerFetch, w.ID})
	}
}
