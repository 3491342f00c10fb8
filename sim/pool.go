package sim

import (
	"fmt"

	"odradek/core"
	"odradek/core/prng"
	"odradek/core/record"
)

// poison fills buffers that were given back: whoever still reads one finds bytes that fail every check.
const poison = 0xDB

// pool is a wire.Pool that counts references and poisons what comes back. Buffers are used again only sometimes, so that late writers are found too.
type pool struct {
	rng  *prng.Source
	live map[record.FrameID]*frame
	free [][]byte
	last record.FrameID
}

type frame struct {
	bytes []byte
	refs  int
}

func newPool(rng *prng.Source) *pool { return &pool{rng: rng, live: map[record.FrameID]*frame{}} }

// Get returns a buffer with one reference.
func (p *pool) Get(size int) ([]byte, record.FrameID) {
	p.last++
	var b []byte
	if n := len(p.free); n > 0 && cap(p.free[n-1]) >= size && p.rng.IntN(4) == 0 {
		b, p.free = p.free[n-1][:size], p.free[:n-1]
	} else {
		b = make([]byte, size)
	}
	p.live[p.last] = &frame{bytes: b, refs: 1}
	return b, p.last
}

// Retain adds a reference.
func (p *pool) Retain(id record.FrameID) { p.get(id).refs++ }

// Release gives a reference back.
func (p *pool) Release(id record.FrameID) {
	f := p.get(id)
	if f.refs--; f.refs > 0 {
		return
	}
	for i := range f.bytes {
		f.bytes[i] = poison
	}
	delete(p.live, id)
	p.free = append(p.free, f.bytes)
}

// checkFrames is asked at the end of a run, when no Produce is under way: every frame must have come back, but those that connections still fill. Where
// something is still to happen to a request, nothing is said.
func (n *node) checkFrames() {
	p := n.p
	if p == nil {
		return
	}
	for _, d := range p.dirs {
		if len(d.queue) > 0 {
			return
		}
	}
	for i := range n.w.heap.entries {
		if e := &n.w.heap.entries[i]; e.kind == evCore && e.life == n.life && (e.core.Kind == core.EvRequest || e.core.Frame != record.NoFrame) {
			return
		}
	}
	held := 0
	for _, c := range p.conns { // any order: a sum
		if c.holds || c.reader.Partial() {
			held++
		}
	}
	for _, l := range p.peers {
		if l.m.Partial() {
			held++
		}
	}
	if len(p.pool.live) > held {
		n.w.fail(Crash, "frames", fmt.Sprintf("%d frames did not come back", len(p.pool.live)-held))
	}
}

func (p *pool) get(id record.FrameID) *frame {
	f := p.live[id]
	if f == nil {
		panic(fmt.Sprintf("invariant: frame %d was given back before", id))
	}
	return f
}
