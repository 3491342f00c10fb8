package core

import (
	"odradek/core/partition"
	"odradek/core/record"
	"odradek/core/stream"
)

func (c *Core) onWritten(id stream.ID, g stream.Generation, upTo record.Offset) {
	if id == stream.Metadata {
		if c.meta.quorum.OnWritten(g, upTo) && c.meta.quorum.Active() {
			c.wakeMetadataFetches()
		}
		return
	}
	if rep, ok := c.replicas[id]; ok {
		rep.OnWritten(g, upTo, c.freshFacts())
		c.settle(rep, &c.facts)
		c.settled(rep)
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
		c.settled(rep)
	}
}

// freshFacts empties the facts that the completions of appends use again: settle changes no partition, so they are never needed twice at once.
func (c *Core) freshFacts() *partition.Facts {
	c.facts = partition.Facts{Acked: c.facts.Acked[:0]}
	return &c.facts
}

// onConnClosed drops what waits for a connection's sake. Appended records stay.
func (c *Core) onConnClosed(conn ConnID) {
	for _, a := range []*audience{&c.consumers, &c.followers} {
		if w, ok := a.waiters.OfConn(uint64(conn)); ok {
			a.waiters.Remove(w)
			c.timers.Cancel(timerKey{timerFetch, w.ID})
		}
	}
}
