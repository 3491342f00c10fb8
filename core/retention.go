package core

// startRetention sets the first look for segments to delete. It begins with the broker, which is when all logs are known.
func (c *Core) startRetention() { c.afterLong(timerKey{timerRetention, 0}, c.cfg.RetentionCheckMs) }

// retentionDue queues every partition; they are looked at in slices.
func (c *Core) retentionDue() {
	c.retained = c.sortedReplicas()
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

// afterLong sets a deadline ms milliseconds from now; one beyond the end of time is not set.
func (c *Core) afterLong(key timerKey, ms int64) {
	if ms < (1<<62)/1_000_000 {
		c.timers.Set(key, int64(c.now.Mono)+ms*1_000_000)
	}
}
