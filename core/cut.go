package core

import (
	"bytes"
	"slices"

	"odradek/core/partition"
	"odradek/core/record"
	"odradek/core/stream"
)

// cut is what a follower's log is to lose: what lies at to and above, or everything, to begin anew at base.
type cut struct {
	to    record.Offset
	all   bool
	base  record.Offset
	aside []OffsetRange           // damaged: the files of their segments are kept
	first *record.Batch           // what the log then begins with, below its start
	needs [checkpointFiles]uint64 // versions of the directory's files that say no more than what is left
}

// beginCut cuts a replica's log. Recovery takes for damage what is missing below a recovery point or a stored high watermark; so the directory's files must say less
// before anything goes.
func (c *Core) beginCut(rep *replica, x cut) {
	c.leaveSession(rep)
	to := x.to
	if x.all {
		to = 0
	}
	if _, ok := c.promised[rep.ID]; ok && x.all && x.base < rep.Start && x.first == nil {
		delete(c.promised, rep.ID)
		x.needs[startsFile] = c.want(rep.Dir, startsFile)
	}
	sure := min(to, rep.segmentBefore(to)) // a batch that holds to goes as a whole
	below := rep.point > sure || rep.floor > sure || min(rep.HighWatermark(), rep.Ends.Durable) > sure
	if lost := rep.Cut(max(to, rep.Start)); lost > 0 && !x.all {
		c.note(NoteCommittedCut, KeyValue{"topic", rep.Topic}, number("partition", rep.ID.Partition), number("from", to), number("offsets", lost))
	}
	c.recount(rep)
	rep.point, rep.floor = min(rep.point, sure), min(rep.floor, sure)
	if rep.cut = &x; below || x.needs[startsFile] > 0 {
		x.needs[pointsFile], x.needs[marksFile] = c.want(rep.Dir, pointsFile), c.want(rep.Dir, marksFile)
		c.cutting = append(c.cutting, rep.ID)
		return
	}
	c.carryOutCut(rep)
}

// segmentBefore is the base of the segment that offset lies in or would.
func (r *replica) segmentBefore(offset record.Offset) (base record.Offset) {
	for _, s := range r.Segments() {
		if s.Base <= offset {
			base = s.Base
		}
	}
	return base
}

// carryOnCuts cuts what the files allow by now.
func (c *Core) carryOnCuts() {
	left := c.cutting[:0]
	for _, id := range c.cutting {
		rep, ok := c.replicas[id]
		if !ok || rep.cut == nil {
			continue
		}
		d := &c.dirs[rep.Dir]
		if slices.ContainsFunc([]fileKind{startsFile, pointsFile, marksFile}, func(k fileKind) bool { return d.files[k].stored < rep.cut.needs[k] }) {
			left = append(left, id)
			continue
		}
		c.carryOutCut(rep)
	}
	c.cutting = left
}

func (c *Core) carryOutCut(rep *replica) {
	x := rep.cut
	rep.cut, rep.first, rep.cutAll = nil, x.first, x.all
	c.fx.Disk = append(c.fx.Disk, DiskOp{Kind: DiskTruncate, Stream: rep.ID, Generation: rep.NewGeneration(), To: x.to, All: x.all, Base: x.base, Aside: x.aside})
}

// cutWithin has an empty log begin with a batch in whose middle its start lies: DeleteRecords moved the leader's there. A segment is named after its first batch, so the one that is there
// goes. The start stays promised meanwhile: a log that a crash leaves empty goes on there. Kafka's truncateFullyAndStartAt with a log start does likewise.
func (c *Core) cutWithin(rep *replica, first *record.Batch) {
	first.Data, first.Frame = bytes.Clone(first.Data), record.NoFrame // the log is cut in Steps to come
	c.promise(rep.ID, rep.Start)
	x := cut{all: true, base: first.BaseOffset, first: first}
	x.needs[startsFile] = c.want(rep.Dir, startsFile)
	c.beginCut(rep, x)
}

// beginWithin takes the batch for which the log was cut. It does so whatever has happened meanwhile: without it the log would end below its start.
func (c *Core) beginWithin(rep *replica, start record.Offset) {
	first := rep.first
	if rep.first = nil; first == nil {
		return
	}
	if err := c.copyBatch(rep, first); err != nil {
		panic("invariant: the batch for which a log was cut does not fit: " + err.Error())
	}
	rep.Learn(start, &partition.Facts{})
	rep.DeleteBelow(start)
	c.startMoved(rep)
}

// replicaTruncated goes on with a replica's log as it is after a cut.
func (c *Core) replicaTruncated(id stream.ID, g stream.Generation, o *Opened) {
	rep, ok := c.replicas[id]
	if !ok || !rep.Cutting() || g != rep.Generation {
		return
	}
	if len(o.Lost) > 0 {
		c.notCut(rep, o)
		return
	}
	epochs := rep.Epochs
	if epochs.TruncateTo(o.LogEnd); o.LogStart >= o.LogEnd {
		epochs = stream.NewEpochs(nil) // an epoch of which nothing is left would part this log from its leader's again, and again
	}
	log := stream.NewLog(id, o.Dir, o.LogStart, o.LogEnd, o.LogEnd, o.Segments, epochs.Entries())
	start := rep.Start
	rep.Reopened(log)
	rep.producers.Restore(o.Producers, c.now.Wall)
	c.beginWithin(rep, start)
	if o.LogEnd < start && !rep.cutAll { // the batch in which the log begins went as a whole: nothing is left, and a log start does not go back
		c.beginCut(rep, cut{all: true, base: start})
		return
	}
	if rep.lostAbove(o.LogEnd); c.meta.tookUp { // who was written down as damaged is whole
		c.mayBeUntold(id)
		c.tellDirectories()
	}
	rep.readEnd, rep.heardMark, rep.copyEnd = rep.ReadEnd(), rep.HighWatermark(), rep.Written
	c.settle(rep, &partition.Facts{Moved: true})
	if rep.again && c.stop == serving {
		rep.again = false
		c.takeUps = append(c.takeUps, id) // before the next fetch leaves
	}
	if rep.copying.from != nil { // also where the image changes nothing for it
		c.copyOn(rep)
	}
}

// notCut goes on with a log that turned out to be damaged below where it was to be cut: it stands as it was. It is emptied and copied anew once the controller knows that this replica has
// not what it promised.
func (c *Core) notCut(rep *replica, o *Opened) {
	rep.NotCut()
	c.takeLost(rep, o, false)
	rep.again = false
	if c.stop == serving {
		c.restPartition(rep)
		c.takeUps = append(c.takeUps, rep.ID)
	}
}
