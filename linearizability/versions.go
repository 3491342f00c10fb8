package linearizability

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sort"
)

// A log that loses its end, where its settings allow that, gives the offsets out again. Its incarnations are numbered from 0; each End begins a new one, which
// shares with those before it what lies below every cut between them.

// slot is a place for one value: an offset, and the first incarnation that has this place in common with the later ones.
type slot struct {
	offset int64
	first  int
}

// holding is what is known of a slot.
type holding struct {
	value  uint64
	shown  int64      // the least Return of a read that showed it; never: maxTime
	acked  *Operation // the produce that was acknowledged here; nil: none
	inLast bool       // the Final read showed it
	lo, hi int        // the incarnations of which it may be, until that is sure
	sure   bool       // an operation that can be of no other slot has seen it
}

const maxTime = int64(1<<63 - 1)

// part is one partition of a history.
type part struct {
	name    string
	ops     []*Operation // by call
	told    []*Operation // by return
	ends    []*Operation // the ends, by call
	final   *Operation
	damaged []*Operation
	slots   map[slot]*holding
	places  map[uint64][]slot // where a value was seen, in the order found
	sent    map[uint64]*Operation
	known   [][]int64 // offsets of the slots of each incarnation, sorted; made when asked for
	report  func(a Anomaly, op *Operation, format string, args ...any)
}

// split sorts a history by partitions, in the order of their names.
func split(h History) []*part {
	type key struct {
		topic     string
		partition int32
	}
	parts := map[key]*part{}
	for i := range h {
		op := &h[i]
		if op.Op == Client {
			continue
		}
		k := key{op.Topic, op.Partition}
		p := parts[k]
		if p == nil {
			p = &part{name: fmt.Sprintf("%s-%d", op.Topic, op.Partition), slots: map[slot]*holding{}, places: map[uint64][]slot{}, sent: map[uint64]*Operation{}}
			parts[k] = p
		}
		p.ops = append(p.ops, op)
	}
	return slices.SortedFunc(maps.Values(parts), func(a, b *part) int { return cmp.Compare(a.name, b.name) })
}

// enter finds what every slot holds.
func (p *part) enter() {
	p.told = slices.Clone(p.ops)
	slices.SortStableFunc(p.told, func(a, b *Operation) int { return cmp.Compare(a.Return, b.Return) })
	slices.SortStableFunc(p.ops, func(a, b *Operation) int { return cmp.Compare(a.Call, b.Call) })
	for _, op := range p.ops {
		switch op.Op {
		case End:
			p.ends = append(p.ends, op)
		case Final:
			p.final = op
		case Damaged:
			p.damaged = append(p.damaged, op)
		case Produce:
			for _, v := range op.Values {
				p.sent[v] = op
			}
		}
	}
	slices.SortStableFunc(p.damaged, func(a, b *Operation) int { return cmp.Compare(a.Offset, b.Offset) })
	// What can be of one incarnation only goes first, so that the rest finds the slots taken, and perhaps only one incarnation in which it fits.
	doubtful := p.ops
	for left := len(doubtful) + 1; len(doubtful) < left; {
		left = len(doubtful)
		var rest []*Operation
		for _, op := range doubtful {
			if lo, hi := p.incarnations(op); lo == hi {
				p.observe(op, lo, hi)
			} else {
				rest = append(rest, op)
			}
		}
		doubtful = rest
	}
	// Of those the one that has to be first goes first: then there is a place for each, if there is one at all.
	slices.SortStableFunc(doubtful, func(a, b *Operation) int {
		_, x := p.incarnations(a)
		_, y := p.incarnations(b)
		return cmp.Compare(x, y)
	})
	for _, op := range doubtful {
		lo, hi := p.incarnations(op)
		p.observe(op, lo, hi)
	}
}

// incarnations returns of which incarnations the answer of an operation may tell: lo to hi. A log that answers on a connection is not older than the connection.
// What it tells it tells of one incarnation, in which no slot is known to hold something else, and not before that was sent.
func (p *part) incarnations(op *Operation) (lo, hi int) {
	lo, hi = p.incarnation(max(op.Call, op.Since), false), p.incarnation(op.Return, true)
	lo = min(lo, hi)
	for lo < hi && !p.fits(op, lo) {
		lo++
	}
	for lo < hi && !p.fits(op, hi) {
		hi--
	}
	return lo, hi
}

// fits reports whether nothing that is known speaks against an operation's telling of an incarnation.
func (p *part) fits(op *Operation, incarnation int) bool {
	for i, v := range op.Values {
		offset := op.Offset + int64(i)
		switch {
		case len(op.Offsets) > 0:
			offset = op.Offsets[i]
		case op.Op != Produce || op.Outcome != OK || op.Offset == NoOffset:
			return true
		}
		if h := p.slots[p.at(offset, incarnation)]; h != nil && h.sure && h.value != v {
			return false
		}
		if by := p.sent[v]; by != nil && incarnation < p.incarnation(by.Call, false) {
			return false
		}
	}
	return true
}

// incarnation returns the first or the last incarnation at a time; a negative one never comes. While a log loses its end it serves nobody: what begins then is
// of the next incarnation, and what returns then of the one before.
func (p *part) incarnation(at int64, last bool) (n int) {
	for _, e := range p.ends {
		if at < 0 || e.Call < at && !last || e.Return <= at && last {
			n++
		}
	}
	return n
}

// at returns the slot of an offset in an incarnation.
func (p *part) at(offset int64, incarnation int) slot {
	for incarnation > 0 && p.ends[incarnation-1].Offset > offset {
		incarnation--
	}
	return slot{offset, incarnation}
}

// until returns the last incarnation that has a slot.
func (p *part) until(s slot) int {
	for i := s.first; i < len(p.ends); i++ {
		if p.ends[i].Offset <= s.offset {
			return i
		}
	}
	return len(p.ends)
}

func (p *part) observe(op *Operation, lo, hi int) {
	switch {
	case op.Op == Produce && op.Outcome == OK && op.Offset != NoOffset:
		for i, v := range op.Values {
			if h := p.put(op, op.Offset+int64(i), v, lo, hi); h != nil {
				h.acked = op
			}
		}
	case op.Op == Poll || op.Op == Final:
		for i, v := range op.Values {
			if h := p.put(op, op.Offsets[i], v, lo, hi); h != nil {
				h.shown = min(h.shown, op.Return)
				h.inLast = h.inLast || op.Op == Final
			}
		}
	}
}

// put enters that an offset held a value in an incarnation from lo to hi; nil if no slot can have it.
func (p *part) put(op *Operation, offset int64, value uint64, lo, hi int) *holding {
	if by := p.sent[value]; by != nil {
		lo = min(max(lo, p.incarnation(by.Call, false)), hi) // it was not there before it was sent
	}
	sure := p.at(offset, lo) == p.at(offset, hi)
	free, found := slot{}, false
	for i := lo; i <= hi; i++ {
		s := p.at(offset, i)
		switch h := p.slots[s]; {
		case h != nil && h.value == value:
			h.sure = h.sure || sure
			return h
		case h == nil && !found:
			free, found = s, true
		}
	}
	if !found {
		other := p.slots[p.at(offset, hi)]
		p.report(InconsistentOffsets, op, "offset %d held %d and %d", offset, other.value, value)
		return nil
	}
	h := &holding{value: value, shown: maxTime, lo: lo, hi: hi, sure: sure}
	p.slots[free] = h
	p.places[value] = append(p.places[value], free)
	return h
}

// visible returns the offsets of an incarnation that surely hold a value, sorted.
func (p *part) visible(incarnation int) []int64 {
	if p.known == nil {
		p.known = make([][]int64, len(p.ends)+1)
	}
	if p.known[incarnation] == nil {
		offsets := make([]int64, 0, len(p.slots))
		for s, h := range p.slots { // any order: sorted below
			if h.sure && s.first <= incarnation && incarnation <= p.until(s) {
				offsets = append(offsets, s.offset)
			}
		}
		slices.Sort(offsets)
		p.known[incarnation] = offsets
	}
	return p.known[incarnation]
}

// between returns the offsets of an incarnation from lo on and below hi that surely hold a value.
func (p *part) between(incarnation int, lo, hi int64) []int64 {
	all := p.visible(incarnation)
	i, j := sort.Search(len(all), func(i int) bool { return all[i] >= lo }), sort.Search(len(all), func(i int) bool { return all[i] >= hi })
	return all[i:max(i, j)]
}

func (p *part) isDamaged(offset int64) bool {
	return slices.ContainsFunc(p.damaged, func(d *Operation) bool { return d.Offset <= offset && offset < d.Next })
}

// hidden reports whether nobody could know what an incarnation held from lo on and below hi: nothing was seen there, and the Final read could not show it.
func (p *part) hidden(incarnation int, lo, hi int64) bool {
	if len(p.between(incarnation, lo, hi)) > 0 {
		return false
	}
	if p.final == nil {
		return true
	}
	for _, e := range p.ends[incarnation:] {
		hi = min(hi, e.Offset) // what is above goes with this end
	}
	lo = max(lo, p.final.Offset)
	for _, d := range p.damaged { // by their offsets
		if d.Offset <= lo {
			lo = max(lo, d.Next)
		}
	}
	return lo >= hi
}
