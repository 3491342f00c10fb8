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
		rep, ok := c.replicas[id]
		if ok && rep.Retain(c.now.Wall) {
			c.fx.Disk = append(c.fx.Disk, DiskOp{Kind: DiskDelete, Stream: id, To: rep.Start})
		}
	}
	if c.retained = c.retained[n:]; len(c.retained) == 0 {
		c.retained = nil
	}
}
