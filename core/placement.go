package core

import (
	"fmt"
	"slices"

	"odradek/core/controller"
	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/partition"
	"odradek/core/record"
	"odradek/core/stream"
)

// place gives each new partition of this node a directory, before the records that make it are appended. So the metadata log tells where a partition lives,
// and one whose directory is missing is offline, never made anew elsewhere.
func (c *Core) place(records []image.Record) {
	for _, r := range records {
		p, ok := r.(*image.PartitionRecord)
		if !ok {
			continue
		}
		at := slices.Index(p.Replicas, c.self)
		if at < 0 {
			continue
		}
		dir := c.emptiest()
		if len(p.Directories) > at { // an older metadata.version knows none, and Kafka has then but one directory
			p.Directories[at] = c.dirs[dir].id
		}
		if c.placed == nil {
			c.placed = map[stream.ID]stream.DirID{}
		}
		c.placed[stream.ID{Topic: p.TopicID, Partition: p.PartitionID}] = dir
		c.dirs[dir].coming++
	}
}

// unplace ends the time in which a partition is placed and not here: it is made, or gone.
func (c *Core) unplace(id stream.ID) {
	if dir, ok := c.placed[id]; ok {
		delete(c.placed, id)
		c.dirs[dir].coming--
	}
}

// emptiest returns the standing directory with the fewest partitions, the first of several. The metadata directory stands as long as the node does.
func (c *Core) emptiest() stream.DirID {
	best := metadataDir
	for i := range c.dirs {
		if d := &c.dirs[i]; !d.failed && d.load() < c.dirs[best].load() {
			best = stream.DirID(i)
		}
	}
	return best
}

func (d *dirState) load() int { return len(d.replicas) + d.coming }

// home returns the directory of a partition that is not here; false if it is known and does not stand. A directory that is none of this node's, while all of those
// stand, is gone for good: what lay there is made anew where it can be copied from others, and nowhere else.
func (c *Core) home(p *image.Partition) (stream.DirID, bool) {
	id := p.DirectoryOf(c.self)
	if id == image.DirUnassigned || id == image.DirMigrating {
		return c.emptiest(), true
	}
	for i := range c.dirs {
		if c.dirs[i].id == id {
			return stream.DirID(i), !c.dirs[i].failed
		}
	}
	return c.emptiest(), len(c.absent) == 0 && c.allStand() && c.replaceable(p)
}

func (c *Core) allStand() bool {
	return !slices.ContainsFunc(c.dirs, func(d dirState) bool { return d.failed })
}

// replaceable reports whether other replicas have all that this one ever promised: another leads, and this one is none of those that may lead next.
func (c *Core) replaceable(p *image.Partition) bool {
	return p.Leader != record.NoNode && p.Leader != c.self && !slices.Contains(p.Isr, c.self) && !slices.Contains(p.Elr, c.self)
}

// committedPartition is what the committed image says of a replica's partition; nil: nothing.
func (c *Core) committedPartition(rep *replica) *image.Partition {
	t, ok := c.meta.committed.TopicByID(rep.ID.Topic)
	if !ok || int(rep.ID.Partition) >= len(t.Partitions) {
		return nil
	}
	return t.Partitions[rep.ID.Partition]
}

// here finds or makes the replica of a partition; nil if it is offline, or waits for its making.
func (c *Core) here(id stream.ID, t *image.Topic, p *image.Partition) *replica {
	if rep, ok := c.replicas[id]; ok {
		return rep
	}
	o, found := c.opened[id]
	if !found {
		dir, stands := c.home(p)
		if !stands {
			c.unplace(id)
			if c.offline == nil {
				c.offline = map[stream.ID]bool{}
			}
			c.offline[id] = true
			return nil
		}
		if c.mustWait(id, t, dir) {
			return nil
		}
		c.fx.Disk = append(c.fx.Disk, DiskOp{Kind: DiskCreate, Stream: id, Dir: dir, Topic: t.Name})
		o = &Opened{Dir: dir}
	}
	delete(c.opened, id)
	delete(c.offline, id)
	c.unplace(id)
	rep := c.openReplica(id, t, o)
	if found {
		rep.listed = everyFile // as the last incarnation may have left them
	}
	if c.meta.tookUp {
		c.mayBeUntold(id)
		c.tellDirectories()
	}
	return rep
}

// onIOFailed gives a log directory up: after a failed write or fsync nothing is known of what it holds, so nothing in it is promised any more and no
// fsync is tried again. Its partitions have no leader until the directory is back; the node stops when it was the metadata directory.
func (c *Core) onIOFailed(dir stream.DirID, id stream.ID, reason string) {
	d := &c.dirs[dir]
	if d.failed {
		return
	}
	d.failed = true
	c.fx.Halts = append(c.fx.Halts, Halt{Scope: HaltDir, Stream: id, Dir: dir, Reason: reason})
	for _, id := range c.sortedReplicas() {
		if rep := c.replicas[id]; rep.Dir == dir {
			c.stopCopying(rep)
			var facts partition.Facts
			rep.Fail(errcode.KafkaStorageError, &facts)
			c.settle(rep, &facts)
		}
	}
	c.takeUps = append(c.takeUps, d.deferred...) // to be offline
	d.giveUp()
	c.finishDeletings()
	if dir == metadataDir {
		c.meta.quorum.Fail()
		c.halt("the metadata log directory failed: " + reason)
		return
	}
	if c.life.epoch != 0 {
		c.live() // the controller is told
	}
	c.maybeUnfence()
}

// appendAll appends records that need not be one atomic batch, and returns the offset whose commit commits the last.
func (c *Core) appendAll(records []image.Record) (end record.Offset) {
	for len(records) > 0 {
		n := min(len(records), controller.MaxRecords)
		end = c.appendMetadata(records[:n])
		records = records[n:]
	}
	return end
}

// checkDirectories refuses directories that cannot be told apart.
func checkDirectories(dirs []Dir) error {
	for i := range dirs {
		for j := range dirs[:i] {
			if dirs[i].ID == dirs[j].ID {
				return fmt.Errorf("log directories %s and %s have the same directory.id: one is a copy of the other, remove it from log.dirs", dirs[j].Path, dirs[i].Path)
			}
		}
	}
	return nil
}
