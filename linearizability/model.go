package linearizability

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/anishathalye/porcupine"
)

// The Porcupine model of a partition: one log that appends batches whole, gives back what it has, and never says that it ends below what it has shown.

// state is a log, how far it was shown, and how often it lost its end.
type state struct {
	log         *chain
	seen        int64
	incarnation int
}

// deed is an operation as the model steps it.
type deed struct {
	kind    Kind
	offset  int64
	offsets []int64
	values  []uint64
	shows   bool // an acknowledgement of it says that readers can have it
	first   int  // in which incarnations a produce can have been: first to last
	last    int
	sure    bool // first is the incarnation from which on its slots are held
}

// model is that of a partition. left is how many steps it takes; then nothing is possible any more.
func (p *part) model(left *int) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return state{log: empty} },
		Step: func(s, in, _ any) (bool, any) {
			if *left--; *left < 0 {
				return false, s
			}
			return p.step(s.(state), in.(*deed))
		},
		Equal: func(a, b any) bool { return same(a.(state), b.(state)) },
		Hash:  func(s any) uint64 { return mix(s.(state).log.hash ^ uint64(s.(state).seen)) },
		DescribeOperation: func(in, _ any) string {
			d := in.(*deed)
			return fmt.Sprintf("%s %d %v", d.kind, d.offset, brief(d.values))
		},
		DescribeState: func(s any) string {
			return fmt.Sprintf("ends at %d, shown to %d, incarnation %d", s.(state).log.tail, s.(state).seen, s.(state).incarnation)
		},
	}
}

func brief(values []uint64) []uint64 { return values[:min(len(values), 4)] }

func same(a, b state) bool {
	return a.log.hash == b.log.hash && a.log.tail == b.log.tail && a.seen == b.seen && a.incarnation == b.incarnation
}

// step returns whether the log could have done it, and what it is then.
func (p *part) step(s state, d *deed) (bool, state) {
	switch d.kind {
	case Produce:
		if s.incarnation < d.first || s.incarnation > d.last || d.offset < s.log.tail || !p.hidden(s.incarnation, s.log.tail, d.offset) {
			return false, s
		}
		s.log = s.log.add(d.offset, d.values)
		if d.shows {
			s.seen = s.log.tail
		}
	case Latest:
		if d.offset < s.seen || d.offset > s.log.tail && !p.hidden(s.incarnation, s.log.tail, d.offset) {
			return false, s
		}
		s.seen = d.offset
	case End:
		if d.offset > s.log.tail {
			s.log = s.log.add(d.offset, nil)
		} else {
			s.log = s.log.cut(d.offset)
		}
		s.seen = min(s.seen, d.offset)
		s.incarnation++
	default:
		for i, o := range d.offsets {
			if v, ok := s.log.at(o); !ok || v != d.values[i] {
				return false, s
			}
			s.seen = max(s.seen, o+1)
		}
	}
	return true, s
}

// deeds returns the operations of a partition for Porcupine. Those whose outcome nobody was told are resolved: what was seen of them is there, from their
// call until it was first shown; what was never seen is left out.
func (p *part) deeds() []porcupine.Operation {
	var out []porcupine.Operation
	add := func(process int, d *deed, call, ret int64) {
		out = append(out, porcupine.Operation{ClientId: process, Input: d, Call: call, Return: ret})
	}
	for _, op := range p.ops {
		switch op.Op {
		case Produce:
			if op.Outcome == OK && op.Offset != NoOffset {
				d := &deed{kind: Produce, offset: op.Offset, values: op.Values, shows: op.Acks != 1}
				d.first, d.last, d.sure = p.lived(op)
				add(op.Process, d, op.Call, op.Return)
			}
		case Poll, Final:
			if len(op.Values) > 0 {
				add(op.Process, &deed{kind: Poll, offsets: op.Offsets, values: op.Values, offset: op.Offset}, op.Call, op.Return)
			}
		case Latest, End:
			add(op.Process, &deed{kind: op.Op, offset: op.Offset}, op.Call, op.Return)
		}
	}
	for _, u := range p.untold() {
		d := &deed{kind: Produce, offset: u.slot.offset, values: u.values, first: u.slot.first, last: p.until(u.slot), sure: true}
		if h := p.slots[u.slot]; !h.sure {
			d.first, d.last, d.sure = h.lo, h.hi, false
		}
		add(u.by.Process, d, u.by.Call, u.shown)
	}
	p.tighten(out)
	return out
}

// lived returns in which incarnations an acknowledged produce can have been.
func (p *part) lived(op *Operation) (first, last int, sure bool) {
	first, last = p.incarnation(op.Call, false), p.incarnation(op.Return, true)
	first = min(first, last)
	for _, s := range p.places[op.Values[0]] {
		if h := p.slots[s]; s.offset == op.Offset && h.sure && h.acked == op {
			return s.first, min(last, p.until(s)), true
		}
	}
	return first, last, false
}

// untold is what was seen of a produce at a place where it was not acknowledged.
type untold struct {
	slot   slot
	by     *Operation
	values []uint64
	shown  int64
}

func (p *part) untold() []untold {
	var all []untold
	for s, h := range p.slots { // any order: sorted below
		if by := p.sent[h.value]; h.acked == nil && by != nil {
			all = append(all, untold{s, by, []uint64{h.value}, h.shown})
		}
	}
	slices.SortFunc(all, func(a, b untold) int {
		return cmp.Or(cmp.Compare(a.slot.first, b.slot.first), cmp.Compare(a.slot.offset, b.slot.offset))
	})
	var out []untold
	for _, u := range all {
		if n := len(out); n > 0 && out[n-1].by == u.by && p.slots[u.slot].sure && p.slots[out[n-1].slot].sure && out[n-1].slot.first == u.slot.first && out[n-1].slot.offset+int64(len(out[n-1].values)) == u.slot.offset {
			out[n-1].values = append(out[n-1].values, u.values...)
			out[n-1].shown = min(out[n-1].shown, u.shown)
			continue
		}
		out = append(out, u)
	}
	return out
}

// effort is how many steps Porcupine may take for each operation of a partition, with effortLeast in all: a budget of steps and not of time, so that the same
// history has the same verdict everywhere. A history that fits takes two or three.
const (
	effort      = 5000
	effortLeast = 1_000_000
)

// linearize asks Porcupine. draw gets a page with the orders that it tried, if there is none that fits.
func (p *part) linearize(draw func(name string) (io.WriteCloser, error)) error {
	deeds := p.deeds()
	left := effortLeast + effort*len(deeds)
	model := p.model(&left)
	if porcupine.CheckOperations(model, deeds) {
		return nil
	}
	undecided := left <= 0
	left = effortLeast + effort*len(deeds)
	_, info := porcupine.CheckOperationsVerbose(model, deeds, 0)
	left = math.MaxInt // what it has found is stepped again
	why, by := stuck(model, deeds, &info)
	if undecided {
		p.report(Undecided, by, "no answer in %d steps; %s", effortLeast+effort*len(deeds), why)
	} else {
		p.report(Nonlinearizable, by, "no order explains them; %s", why)
	}
	if draw == nil {
		return nil
	}
	out, err := draw(p.name)
	if err != nil {
		return err
	}
	if err := porcupine.Visualize(model, info, out); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}

// stuck tells how far the longest order came that was found, and which operation should have been next: of those that are left the one that returns first.
func stuck(model porcupine.Model, deeds []porcupine.Operation, info *porcupine.LinearizationInfo) (string, *Operation) {
	var longest []porcupine.Operation
	for _, orders := range info.PartialLinearizationsOperations() {
		for _, order := range orders {
			if len(order) > len(longest) {
				longest = order
			}
		}
	}
	now, done := model.Init(), map[any]bool{}
	for _, op := range longest {
		_, now = model.Step(now, op.Input, op.Output)
		done[op.Input] = true
	}
	var next *porcupine.Operation
	for i := range deeds {
		if op := &deeds[i]; !done[op.Input] && (next == nil || op.Return < next.Return) {
			next = op
		}
	}
	if next == nil {
		return fmt.Sprintf("%d operations", len(deeds)), &Operation{}
	}
	return fmt.Sprintf("after %d of %d operations the log %s, and then %s from %d to %d has no place", len(longest), len(deeds), model.DescribeState(now),
		model.DescribeOperation(next.Input, next.Output), next.Call, next.Return), &Operation{Process: next.ClientId, Call: next.Call}
}
