package core

// flushLater sets the time by which what a relaxed partition was given must be synced (flush.ms).
func (c *Core) flushLater(rep *replica) {
	if rep.flushing || !rep.Unsynced() || rep.FlushMs >= forever {
		return
	}
	rep.flushing = true
	id := c.newID()
	c.flushes[id] = rep.ID
	c.after(timerKey{timerFlush, id}, rep.FlushMs)
}

// flushDue syncs a partition if something is left to sync.
func (c *Core) flushDue(id uint64) {
	rep, ok := c.replicas[c.flushes[id]]
	delete(c.flushes, id)
	if !ok {
		return
	}
	rep.flushing = false
	if rep.Flush() {
		c.fx.Disk = append(c.fx.Disk, DiskOp{Kind: DiskSync, Stream: rep.ID, Generation: rep.Generation})
	}
}
