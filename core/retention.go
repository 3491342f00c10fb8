package core

// startRetention sets the first look for segments to delete. It begins with the broker, which is when all logs are known.
func (c *Core) startRetention() { c.after(timerKey{timerRetention, 0}, c.cfg.RetentionCheckMs) }

// retentionDue queues every partition; they are looked at in slices.
func (c *Core) retentionDue() {
	c.retained = c.sortedReplicas()
	c.cleanMetadata()
	c.startRetention()
}

// retainSlice looks at up to n partitions and deletes the segments that retention gives up.
func (c *Core) retainSlice(n int) {
	n = min(n, len(c.retained))
	for _, id := range c.retained[:n] {
		if rep, ok := c.replicas[id]; ok {
			c.retain(rep)
		}
	}
	if c.retained = c.retained[n:]; len(c.retained) == 0 {
		c.retained = nil
	}
}

// retain deletes a partition's expired segments. When the active one goes too, an empty segment at the log end takes its place first, with the state of all
// that was before: the file's name is all that then says where the log stands.
func (c *Core) retain(rep *replica) {
	start, rest, ok := rep.Expires(c.now.Wall)
	if !ok {
		return
	}
	if rest {
		rep.Rest(c.now.Wall, rep.Roll.Index)
		c.roll(rep, rep.Ends.Log)
	}
	gone := rep.Retain(start)
	c.startMoved(rep)
	if gone {
		c.note(NoteSegmentsDeleted, KeyValue{"topic", rep.Topic}, number("partition", rep.ID.Partition), number("logStart", rep.Start))
		c.fx.Disk = append(c.fx.Disk, DiskOp{Kind: DiskDelete, Stream: rep.ID, To: rep.Start})
	}
}

// startMoved carries on that a log start may have moved.
func (c *Core) startMoved(rep *replica) {
	rep.forgetLost()
	c.markSessions(rep.ID)
}
