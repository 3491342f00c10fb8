package linearizability

import (
	"cmp"
	"slices"

	"github.com/anishathalye/porcupine"
)

// A log appends in the order of its offsets. That alone bounds when each operation can have happened, often more closely than its call and its return do, and
// what is bounded closely is found without a search:
//
//   - of two produces in one incarnation the one with the lower offset came first;
//   - a read came after the produces of what it showed;
//   - who was told the end of the log was told it before anybody could have more.

// bounds are the operations of a partition, by what they are.
type bounds struct {
	p        *part
	deeds    []porcupine.Operation
	produces map[slot]int // the deed that filled a slot, if that is sure
}

// tighten narrows the intervals of deeds to what is possible. Where nothing is, it leaves them as they are: then no order will be found.
func (p *part) tighten(deeds []porcupine.Operation) {
	b := bounds{p, slices.Clone(deeds), map[slot]int{}}
	for i := range deeds {
		if d := deeds[i].Input.(*deed); d.kind == Produce && d.first == d.last || d.kind == Produce && d.sure {
			for k := range d.values {
				b.produces[p.at(d.offset+int64(k), d.first)] = i
			}
		}
	}
	for i := range len(p.ends) + 1 {
		b.latestFirst(i)
	}
	b.inOrder()
	b.afterWhatTheyShow()
	for i := range b.deeds {
		if b.deeds[i].Call > b.deeds[i].Return {
			return
		}
	}
	copy(deeds, b.deeds)
}

// inOrder has the produces of each incarnation follow one another.
func (b *bounds) inOrder() {
	for i := range len(b.p.ends) + 1 {
		var order []int
		for _, o := range b.p.visible(i) {
			if d, ok := b.produces[b.p.at(o, i)]; ok && (len(order) == 0 || order[len(order)-1] != d) {
				order = append(order, d)
			}
		}
		for k := 1; k < len(order); k++ {
			b.deeds[order[k]].Call = max(b.deeds[order[k]].Call, b.deeds[order[k-1]].Call)
		}
		for k := len(order) - 2; k >= 0; k-- {
			b.deeds[order[k]].Return = min(b.deeds[order[k]].Return, b.deeds[order[k+1]].Return)
		}
	}
}

// afterWhatTheyShow puts reads behind the produces of what they show.
func (b *bounds) afterWhatTheyShow() {
	for i := range b.deeds {
		op := &b.deeds[i]
		d := op.Input.(*deed)
		in, sure := b.within(op)
		switch {
		case !sure:
		case d.kind == Latest:
			if last, ok := b.produces[b.p.at(d.offset-1, in)]; ok {
				op.Call = max(op.Call, b.deeds[last].Call)
			}
		case d.kind == Poll:
			for _, o := range d.offsets {
				if by, ok := b.produces[b.p.at(o, in)]; ok {
					op.Call = max(op.Call, b.deeds[by].Call)
					b.deeds[by].Return = min(b.deeds[by].Return, op.Return)
				}
			}
		}
	}
}

// within returns the incarnation in which an operation was, if it can have been in one only.
func (b *bounds) within(op *porcupine.Operation) (in int, sure bool) {
	in = b.p.incarnation(op.Call, false)
	return in, in == b.p.incarnation(op.Return, true)
}

// telling is an operation that tells that readers can have everything below a level.
type telling struct {
	level int64
	deed  int
}

// latestFirst has who was told the end come before everything that told of more.
func (b *bounds) latestFirst(incarnation int) {
	var tellings []telling
	for i := range b.deeds {
		op := &b.deeds[i]
		d := op.Input.(*deed)
		in, sure := b.within(op)
		switch {
		case d.kind == Produce && d.shows:
			if by, ok := b.produces[b.p.at(d.offset, incarnation)]; ok && by == i {
				tellings = append(tellings, telling{d.offset + int64(len(d.values)), i})
			}
		case !sure || in != incarnation:
		case d.kind == Latest:
			tellings = append(tellings, telling{d.offset, i})
		case d.kind == Poll:
			tellings = append(tellings, telling{d.offsets[len(d.offsets)-1] + 1, i})
		}
	}
	slices.SortFunc(tellings, func(x, y telling) int { return cmp.Or(cmp.Compare(x.level, y.level), cmp.Compare(x.deed, y.deed)) })
	call := int64(-1) // the latest of the calls that were told less
	for lo, hi := 0, 0; lo < len(tellings); lo = hi {
		next := call
		for hi = lo; hi < len(tellings) && tellings[hi].level == tellings[lo].level; hi++ {
			op := &b.deeds[tellings[hi].deed]
			if op.Call = max(op.Call, call); op.Input.(*deed).kind == Latest {
				next = max(next, op.Call)
			}
		}
		call = next
	}
	ret := maxTime // the first return of what told more
	for lo, hi := 0, len(tellings); hi > 0; hi = lo {
		next := ret
		for lo = hi; lo > 0 && tellings[lo-1].level == tellings[hi-1].level; lo-- {
			op := &b.deeds[tellings[lo-1].deed]
			next = min(next, op.Return)
			if op.Input.(*deed).kind == Latest {
				op.Return = min(op.Return, ret)
			}
		}
		ret = next
	}
}
