package core

import (
	"fmt"
	"slices"

	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/record"
)

// Damage that recovery found below what was durable once is never cut: its offsets are lost, and everything around them is served (decision 4).

// takeLost takes over what recovery found to be lost, and tells. Kafka's cleaner leaves gaps between the segments of a compacted topic; elsewhere nobody does.
func (c *Core) takeLost(rep *replica, o *Opened, compacted bool) {
	rep.lost = o.Lost
	if compacted {
		rep.lost = slices.DeleteFunc(slices.Clone(o.Lost), func(r OffsetRange) bool { return r.Gap })
	}
	for _, r := range rep.lost {
		c.note(NoteDamaged, KeyValue{"topic", rep.Topic}, KeyValue{"partition", fmt.Sprint(rep.ID.Partition)}, KeyValue{"from", fmt.Sprint(r.From)},
			KeyValue{"to", fmt.Sprint(r.To)}, KeyValue{"why", r.Why})
	}
	rep.forgetLost()
}

// isLost reports whether the bytes of an offset are damaged.
func (r *replica) isLost(offset record.Offset) bool {
	for i := range r.lost {
		if r.lost[i].From <= offset && offset < r.lost[i].To {
			return true
		}
	}
	return false
}

// whole returns end, or where the first lost range behind from begins: no extent reaches into one.
func (r *replica) whole(from, end record.Offset) record.Offset {
	for i := range r.lost {
		if r.lost[i].From > from {
			return min(end, r.lost[i].From)
		}
	}
	return end
}

// sound returns point, or where the first lost range begins: a recovery point never passes one, so that each start looks again.
func (r *replica) sound(point record.Offset) record.Offset {
	for i := range r.lost {
		if !r.lost[i].Gap { // a gap is found again without reading
			return min(point, r.lost[i].From)
		}
	}
	return point
}

// leavesForLost reports whether a replica is to be written down as in a lost directory: what it holds is damaged, and others may lead that have all of it. So nobody elects it or
// counts on it until it has copied them anew. Where nobody else is eligible it serves what is whole, as on one copy; also where that comes to be so while it is written down: of a
// relaxed topic the others leave the ELR when they come back from an unclean end.
func (c *Core) leavesForLost(rep *replica, p *image.Partition) bool {
	broken := len(rep.lost) > 0 || rep.Failed() != errcode.None && !c.dirs[rep.Dir].failed
	other := func(id record.NodeID) bool { return id != c.self }
	if !broken || slices.ContainsFunc(p.Isr, other) || slices.ContainsFunc(p.Elr, other) {
		return broken
	}
	lastKnown := p.Leader == record.NoNode && slices.Equal(p.LastKnownElr, []record.NodeID{c.self})
	return p.DirectoryOf(c.self) == image.DirLost && (len(rep.lost) == 0 || !lastKnown)
}

// repair copies a damaged replica anew once others have all that it ever promised; before that the controller is told that it has not.
func (c *Core) repair(rep *replica, p *image.Partition) {
	switch {
	case len(rep.lost) == 0:
	case rep.copying.from != nil && c.replaceable(p):
		x := cut{all: true, base: rep.Start, aside: rep.lost}
		meaning := "the damaged segments stay in its folder, as *.log.damaged"
		if c.dirs[rep.Dir].free-rep.bytes() < diskReserve {
			x.aside, meaning = nil, "the damaged segments go: the copy needs their space"
		}
		c.note(NoteDamagedCopied, KeyValue{"topic", rep.Topic}, number("partition", rep.ID.Partition), number("from", rep.lost[0].From), KeyValue{"meaning", meaning})
		c.beginCut(rep, x)
	case c.meta.tookUp:
		c.mayBeUntold(rep.ID)
		c.tellDirectories()
	}
}

// bytes is the size of a replica's segments.
func (r *replica) bytes() int64 {
	var sum int64
	for _, s := range r.Segments() {
		sum += int64(s.Size)
	}
	return sum
}

// lostAbove forgets the ranges that a cut has left behind: what is fetched there anew is whole.
func (r *replica) lostAbove(end record.Offset) {
	r.lost = slices.DeleteFunc(slices.Clone(r.lost), func(x OffsetRange) bool { return x.From >= end || r.Start >= end })
}

// forgetLost drops the ranges that the log start has left behind.
func (r *replica) forgetLost() {
	for len(r.lost) > 0 && r.lost[0].To <= r.Start {
		r.lost = r.lost[1:]
	}
}
