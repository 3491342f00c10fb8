package linearizability

import (
	"slices"

	"github.com/anishathalye/porcupine"
)

// A log appends in the order of its offsets. That alone bounds when each operation can have happened, often more closely than its call and its return do, and
// what is bounded closely is found without a search:
//
//   - of two produces in one incarnation the one with the lower offset came first;
//   - a read came after the produces of what it showed;
//   - who was told the end of the log was told before anything was acknowledged at that end.

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
	b.afterWhatTheyShow(Latest)
	b.inOrder()
	b.afterWhatTheyShow(Poll)
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

// afterWhatTheyShow puts reads behind the produces of what they show, and produces that are acknowledged behind whoever was told that there is nothing yet.
func (b *bounds) afterWhatTheyShow(kind Kind) {
	for i := range b.deeds {
		op := &b.deeds[i]
		d := op.Input.(*deed)
		if d.kind != kind {
			continue
		}
		in := b.p.incarnation(op.Call, false)
		if in != b.p.incarnation(op.Return, true) {
			continue
		}
		switch kind {
		case Latest:
			if next, ok := b.produces[b.p.at(d.offset, in)]; ok && b.deeds[next].Input.(*deed).shows && b.deeds[next].Input.(*deed).offset == d.offset {
				b.deeds[next].Call = max(b.deeds[next].Call, op.Call)
			}
			if last, ok := b.produces[b.p.at(d.offset-1, in)]; ok {
				op.Call = max(op.Call, b.deeds[last].Call)
			}
		default:
			for _, o := range d.offsets {
				if by, ok := b.produces[b.p.at(o, in)]; ok {
					op.Call = max(op.Call, b.deeds[by].Call)
					b.deeds[by].Return = min(b.deeds[by].Return, op.Return)
				}
			}
		}
	}
}
