package tcp

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"odradek/core/record"
)

// Buffers come in classes, four times as large from one to the next; a larger frame gets a buffer of its own that is not kept.
const (
	classFirst  = 4 << 10
	classCount  = 7 // 4 KiB to 16 MiB
	chunkFrames = 256
	chunksMax   = 4096 // a million frames at once

	// FramesBudget is the default budget: bytes that frames may hold before connections stop reading new ones.
	FramesBudget = 512 << 20
	// framesIdle bounds the bytes of buffers kept for later.
	framesIdle = 64 << 20
)

// Frames is the pool of the buffers that Produce frames are read into, and the budget of bytes in flight. Buffers are counted: whoever reads a frame
// has one reference; a holder that passes bytes on takes one more for them; with the last Release the buffer may be overwritten.
//
// The budget stops frames that have not begun. One that has begun is read to its end, since only whole frames are ever released; so the bytes held
// may exceed the budget by what connections had under way.
type Frames struct {
	budget int64
	poison bool
	used   atomic.Int64

	chunks [chunksMax]atomic.Pointer[[chunkFrames]frame]

	mu     sync.Mutex
	freed  sync.Cond // broadcast when used falls below budget, and by wake
	free   [classCount][]uint32
	bare   []uint32 // frames without a buffer
	next   uint32   // frames ever made
	idle   int64
	waiter int
	short  func() // called now and then while somebody waits
	timer  *time.Timer
}

type frame struct {
	refs  atomic.Int32
	turn  uint32 // rises with each Get; half of the id, so that a stale id is found out
	class int8   // −1: a buffer of its own
	buf   []byte
}

// NewFrames returns a pool with a budget in bytes; 0 stands for FramesBudget. With poison, returned buffers are overwritten with 0xDB: for tests.
func NewFrames(budget int64, poison bool) *Frames {
	if budget == 0 {
		budget = FramesBudget
	}
	p := &Frames{budget: budget, poison: poison}
	p.freed.L = &p.mu
	return p
}

// Get returns a buffer of size bytes or more, with one reference. It never waits.
func (p *Frames) Get(size int) ([]byte, record.FrameID) {
	class, bytes := -1, size
	for c, n := 0, classFirst; c < classCount; c, n = c+1, 4*n {
		if size <= n {
			class, bytes = c, n
			break
		}
	}
	p.mu.Lock()
	index, fresh := p.slot(class)
	p.mu.Unlock()
	f := p.at(index)
	if fresh {
		f.buf = make([]byte, bytes)
		f.class = int8(class)
	}
	f.turn++
	f.refs.Store(1)
	p.used.Add(int64(len(f.buf)))
	return f.buf, record.FrameID(f.turn)<<32 | record.FrameID(index+1)
}

// slot returns a frame for a class; fresh: without a buffer. The caller holds mu.
func (p *Frames) slot(class int) (index uint32, fresh bool) {
	if class >= 0 {
		if l := p.free[class]; len(l) > 0 {
			index = l[len(l)-1]
			p.free[class] = l[:len(l)-1]
			p.idle -= int64(len(p.at(index).buf))
			return index, false
		}
	}
	if n := len(p.bare); n > 0 {
		index = p.bare[n-1]
		p.bare = p.bare[:n-1]
		return index, true
	}
	index = p.next
	p.next++
	if index%chunkFrames == 0 {
		if index/chunkFrames >= chunksMax {
			panic("net/tcp: a million frames are held; some are never released")
		}
		p.chunks[index/chunkFrames].Store(new([chunkFrames]frame))
	}
	return index, true
}

func (p *Frames) at(index uint32) *frame {
	return &p.chunks[index/chunkFrames].Load()[index%chunkFrames]
}

// held returns the frame of an id that somebody holds. Anything else is a broken count, and bytes may already have been overwritten: it panics.
func (p *Frames) held(id record.FrameID) (*frame, uint32) {
	index := uint32(id) - 1
	if id == record.NoFrame || index/chunkFrames >= chunksMax || p.chunks[index/chunkFrames].Load() == nil {
		panic(fmt.Sprintf("net/tcp: frame %#x does not exist", uint64(id)))
	}
	f := p.at(index)
	if f.refs.Load() <= 0 || f.turn != uint32(id>>32) {
		panic(fmt.Sprintf("net/tcp: frame %#x was released already", uint64(id)))
	}
	return f, index
}

// Retain takes one more reference to a frame that the caller holds.
func (p *Frames) Retain(id record.FrameID) {
	f, _ := p.held(id)
	f.refs.Add(1)
}

// Release gives one reference back.
func (p *Frames) Release(id record.FrameID) {
	f, index := p.held(id)
	left := f.refs.Add(-1)
	if left > 0 {
		return
	}
	if left < 0 {
		panic(fmt.Sprintf("net/tcp: frame %#x was released too often", uint64(id)))
	}
	size := int64(len(f.buf))
	if p.poison {
		for i := range f.buf {
			f.buf[i] = 0xDB
		}
	}
	p.mu.Lock()
	if f.class >= 0 && p.idle+size <= framesIdle {
		p.free[f.class] = append(p.free[f.class], index)
		p.idle += size
	} else {
		f.buf = nil
		p.bare = append(p.bare, index)
	}
	p.mu.Unlock()
	p.charge(-size)
}

// InUse is the number of bytes in flight: buffers held, and frames in ordinary memory not yet answered.
func (p *Frames) InUse() int64 { return p.used.Load() }

// charge counts bytes in flight that lie in ordinary memory; negative ones are done with.
func (p *Frames) charge(n int64) {
	before := p.used.Add(n) - n
	if n < 0 && before >= p.budget && before+n < p.budget {
		p.wake()
	}
}

// wake lets everybody in wait look again.
func (p *Frames) wake() {
	p.mu.Lock()
	p.freed.Broadcast() // under mu: whoever has found its condition wanting is in Wait by now
	p.mu.Unlock()
}

// room reports whether a new frame may be begun.
func (p *Frames) room() bool { return p.used.Load() < p.budget }

// wait returns when a new frame may be begun, or stop says so, which must take no lock.
func (p *Frames) wait(stop func() bool) {
	if p.room() {
		return
	}
	p.mu.Lock()
	if p.waiter++; p.waiter == 1 && p.short != nil {
		p.timer = time.AfterFunc(lookEvery, p.look)
	}
	for !p.room() && !stop() {
		p.freed.Wait()
	}
	p.waiter--
	p.mu.Unlock()
}

// onShort sets what is called now and then while frames wait for room.
func (p *Frames) onShort(short func()) {
	p.mu.Lock()
	p.short = short
	p.mu.Unlock()
}

func (p *Frames) look() {
	p.mu.Lock()
	short, wanted := p.short, p.waiter > 0
	p.mu.Unlock()
	if !wanted {
		return
	}
	short()
	p.mu.Lock()
	if p.waiter > 0 {
		p.timer.Reset(lookEvery)
	}
	p.mu.Unlock()
}

// waiting is the number of connections that wait for room.
func (p *Frames) waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waiter
}
