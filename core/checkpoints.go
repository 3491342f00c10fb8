package core

import (
	"slices"

	"odradek/core/image"
	"odradek/core/record"
	"odradek/core/stream"
)

// fileKind tells the checkpoint files of a directory apart; fileSet is some of them, a bit each.
type (
	fileKind uint8
	fileSet  uint8
)

const (
	startsFile fileKind = iota // log starts
	pointsFile                 // recovery points
	marksFile                  // high watermarks
	checkpointFiles

	everyFile fileSet = 1<<checkpointFiles - 1
)

var fileNames = [checkpointFiles]string{LogStartCheckpoint, RecoveryPointCheckpoint, HighWatermarkCheckpoint}

// checkpoint is one checkpoint file of a directory. One build of it, or its Store, is under way at a time; what changes meanwhile waits for the next, so that
// many changes cost few files.
//
// The files name partitions by topic and number, as Kafka's do, and so an entry could outlive its topic and be taken for one of a later topic of that name.
// Therefore a new partition waits until every file of its directory is stored without the old entry (dirState.cleared, mustWait). What recovery found and nobody has
// taken up keeps its entries; they go with the strays, and so no partition is made before that (checkpoint.first).
//
// Invariants: stored <= version, and less while a build or its Store is under way. What is so when a build begins is in its file, and nobody relies on more:
// a change needs version+1.
type checkpoint struct {
	stale    bool   // it does not say what is so; that is written at the next occasion
	wanted   bool   // to be built as soon as none is under way
	version  uint64 // of the last build; 0: this incarnation has not written it
	first    uint64 // the version that names nothing but what was taken up; 0: that is still under way
	stored   uint64 // the last one known to be on disk
	building bool
	left     []stream.ID // of the build: not yet looked at
	lines    []byte      // of the build
	count    int
}

// add enters a replica that was opened.
func (d *dirState) add(rep *replica) {
	rep.place = len(d.replicas)
	d.replicas = append(d.replicas, rep.ID)
	d.files[pointsFile].stale, d.files[marksFile].stale = true, true
}

// remove takes out a replica that is gone. Where a file may have an entry of it, a new partition of that name waits until it has none.
func (c *Core) remove(rep *replica) {
	d := &c.dirs[rep.Dir]
	last := len(d.replicas) - 1
	if rep.place < last {
		moved := d.replicas[last]
		d.replicas[rep.place], c.replicas[moved].place = moved, rep.place
	}
	d.replicas = d.replicas[:last]
	if rep.listed == 0 {
		return
	}
	needs := d.cleared[rep.Topic]
	for k := range checkpointFiles {
		if rep.listed&(1<<k) != 0 {
			needs[k] = d.files[k].version + 1
			d.files[k].stale = true
		}
	}
	if d.cleared == nil {
		d.cleared = map[string][checkpointFiles]uint64{}
	}
	d.cleared[rep.Topic] = needs
}

// giveUp forgets what can never be stored in a failed directory.
func (d *dirState) giveUp() {
	d.pass, d.deferred, d.cleared = pass{}, nil, nil
	for k := range d.files {
		d.files[k] = checkpoint{}
	}
}

// mustWait reports whether a partition that is not here yet cannot be made now, because a file may name one of its name, or nothing of the metadata is durable here: others may have committed
// it, and a power loss would leave the folder beside an empty metadata log. It is taken up later.
func (c *Core) mustWait(id stream.ID, t *image.Topic, dir stream.DirID) bool {
	d := &c.dirs[dir]
	needs, wait := d.cleared[t.Name], !c.metadataKept()
	for k := range checkpointFiles {
		f := &d.files[k]
		wait = wait || f.first == 0 || f.stored < max(needs[k], f.first)
		if needs[k] > f.version {
			c.want(dir, k)
		}
	}
	if wait {
		d.deferred = append(d.deferred, id)
	}
	return wait
}

// metadataKept reports whether the next start would find any metadata, whatever happens.
func (c *Core) metadataKept() bool { return c.meta.quorum.Ends.Durable > 0 || len(c.snaps.kept) > 0 }

// want has a file written anew and returns the version that says what is so now.
func (c *Core) want(dir stream.DirID, k fileKind) uint64 {
	f := &c.dirs[dir].files[k]
	f.wanted, c.storing = true, true
	return f.version + 1
}

// wantAll has every file written anew.
func (c *Core) wantAll() {
	for i := range c.dirs {
		for k := range checkpointFiles {
			c.want(stream.DirID(i), k)
		}
	}
}

// wantFirst has every file written anew, now that there are no strays: what was there of earlier topics is in none of them.
func (c *Core) wantFirst() {
	for i := range c.dirs {
		for k := range checkpointFiles {
			c.dirs[i].files[k].first = c.want(stream.DirID(i), k)
		}
	}
}

// allStored reports whether every file of the directories that stand says what was so when it was last wanted.
func (c *Core) allStored() bool {
	for i := range c.dirs {
		d := &c.dirs[i]
		for k := range d.files {
			if f := &d.files[k]; !d.failed && (f.wanted || f.stored < f.version) {
				return false
			}
		}
	}
	return true
}

// canStore reports whether a file is to be built: when all logs are known, for one that lacked a log would take its entry away.
func (c *Core) canStore() bool { return c.storing && c.unopened == 0 }

// storeSlice builds the files that are wanted, looking at up to n partitions.
func (c *Core) storeSlice(n int) {
	if !c.canStore() {
		return
	}
	c.storing = false
	for i := range c.dirs {
		d := &c.dirs[i]
		for k := range checkpointFiles {
			f := &d.files[k]
			if d.failed {
				continue
			}
			if f.wanted && f.stored == f.version {
				f.wanted, f.stale, f.building = false, false, true
				f.version++
				f.left = c.listable(d, k)
			}
			if f.building {
				n -= c.build(stream.DirID(i), k, n)
				c.storing = c.storing || f.building
			}
		}
	}
}

// listable returns the partitions that a file may have entries of; build passes over those of other directories.
func (c *Core) listable(d *dirState, k fileKind) []stream.ID {
	if k != startsFile {
		return append(slices.Clone(d.replicas), sortedIDs(c.opened)...)
	}
	return append(sortedIDs(c.promised), sortedIDs(c.opened)...) // few
}

// build looks at up to n partitions and returns how many; after the last one the file leaves.
func (c *Core) build(dir stream.DirID, k fileKind, n int) int {
	f := &c.dirs[dir].files[k]
	n = min(n, len(f.left))
	for _, id := range f.left[:n] {
		if o, found := c.opened[id]; found && o.Dir == dir {
			if at, ok := o.checkpointed(k); ok {
				f.add(o.Topic, id.Partition, at)
			}
			continue
		}
		rep, ok := c.replicas[id]
		if !ok || rep.Dir != dir {
			continue
		}
		if at, ok := c.checkpointed(rep, k); ok {
			f.add(rep.Topic, id.Partition, at)
			rep.listed |= 1 << k
		}
	}
	if f.left = f.left[n:]; len(f.left) > 0 {
		return n
	}
	if k == pointsFile && dir == metadataDir && c.meta.point > 0 {
		f.add(stream.MetadataName, 0, c.meta.point)
	}
	c.fx.Stores = append(c.fx.Stores, Store{Slot: Slot{Dir: dir, Name: fileNames[k]}, Version: f.version, Bytes: checkpointText(f.count, f.lines)})
	f.building, f.left, f.lines, f.count = false, nil, nil, 0
	return n
}

func (f *checkpoint) add(topic string, partition int32, at record.Offset) {
	f.lines = (&CheckpointEntry{topic, partition, at}).append(f.lines)
	f.count++
}

// checkpointed returns what a file says of a log that nobody has taken up: what it said before, as far as recovery found that to be so.
func (o *Opened) checkpointed(k fileKind) (record.Offset, bool) {
	switch {
	case k == startsFile:
		return o.LogStart, o.startUntold()
	case k == marksFile:
		return o.HighWatermark, true
	case o.Damage != "":
		return o.RecoveryPoint, true
	case len(o.Lost) > 0:
		return min(o.RecoveryPoint, o.LogEnd, o.Lost[0].From), true
	}
	return min(o.RecoveryPoint, o.LogEnd), true
}

// startUntold reports whether the names of segments may not tell where the log starts: the first one begins below, or a power loss may yet take it.
func (o *Opened) startUntold() bool {
	if len(o.Segments) == 0 {
		return o.LogStart > 0
	}
	first := o.Segments[0].Base
	return o.LogStart > first || first > 0 && o.Durable <= first
}

// checkpointed returns what a file says of a replica, if anything.
func (c *Core) checkpointed(rep *replica, k fileKind) (record.Offset, bool) {
	switch k {
	case pointsFile:
		return rep.point, true
	case marksFile:
		if rep.Cutting() {
			return rep.floor, true
		}
		return max(rep.floor, min(rep.HighWatermark(), rep.Ends.Durable)), true
	}
	start, ok := c.promised[rep.ID]
	if ok && rep.beginsDurably(start) { // a segment that is durable begins there or behind: it needs no entry
		delete(c.promised, rep.ID)
		return 0, false
	}
	return start, ok
}

// checkpointStored carries on what waited for a file.
func (c *Core) checkpointStored(slot Slot, version uint64) {
	d := &c.dirs[slot.Dir]
	k := fileKind(slices.Index(fileNames[:], slot.Name))
	d.files[k].stored = version
	c.storing = c.storing || d.files[k].wanted
	for topic, needs := range d.cleared { // any order: each for itself
		done := true
		for j := range needs {
			done = done && needs[j] <= d.files[j].stored
		}
		if done {
			delete(d.cleared, topic)
		}
	}
	c.takeUps = append(c.takeUps, d.deferred...)
	d.deferred = nil
	if k == startsFile {
		c.finishDeletings()
	}
	c.carryOnCuts()
	c.carryOnFetchedSnapshot()
	c.maybeUnfence()
}

// marksDue writes the high watermarks of the directories in which one has moved.
func (c *Core) marksDue() {
	for i := range c.dirs {
		if d := &c.dirs[i]; d.files[marksFile].stale && !d.failed {
			c.want(stream.DirID(i), marksFile)
		}
	}
	c.after(timerKey{timerMarks, 0}, c.cfg.HighWatermarkMs)
}
