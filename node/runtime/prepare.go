package runtime

import (
	"errors"
	"sync"
	"time"

	"odradek/core/record"
	"odradek/net/codec"
)

// smallMax is what a batch may decompress to on any number of connections at a time. One that needs more, up to record.MaxDecompressed, waits for its turn: a
// hundred kilobytes can stand for a hundred megabytes, and as many connections may send them as there are.
const smallMax = 8 << 20

const (
	// largeRest is how many times as long as it took a large batch keeps the next one waiting, at most restMax: they get a quarter of a processor, so that
	// others are served whatever comes.
	largeRest = 3
	restMax   = time.Second
	// largeBuffer holds the largest batch, and the byte by which a decompressor finds out that one is larger.
	largeBuffer = record.MaxDecompressed + 1
	// largeKept is how long the buffer of large batches is kept for the next one.
	largeKept = 10 * time.Second
)

// preparation is a record.Preparer whose decompressor stops at most.
type preparation struct {
	record.Preparer
	codec  *codec.Codec
	most   int
	beyond bool // it has stopped
}

func newPreparation(c *codec.Codec, most int) *preparation {
	p := &preparation{codec: c, most: most}
	p.Codec = p
	return p
}

// Decompress is the codec's.
func (p *preparation) Decompress(dst, src []byte, id record.CodecID, max int) ([]byte, error) {
	most := min(max, p.most)
	out, err := p.codec.Decompress(dst, src, id, most)
	p.beyond = most < max && errors.Is(err, record.ErrTooLarge)
	return out, err
}

// Compress is the codec's.
func (p *preparation) Compress(dst, src []byte, id record.CodecID, level int) ([]byte, error) {
	return p.codec.Compress(dst, src, id, level)
}

// largeTurn is held by whoever prepares a large batch. They share one buffer.
type largeTurn struct {
	sync.Mutex
	work *preparation
	drop *time.Timer
}

func (l *largeTurn) init(c *codec.Codec) {
	l.work = newPreparation(c, record.MaxDecompressed)
	l.work.Keep = largeBuffer
	l.drop = time.AfterFunc(largeKept, func() {
		l.Lock()
		l.work.Forget()
		l.Unlock()
	})
}

// prepare runs record.Prepare with a buffer of its own. A refusal leaves the data as it was, so it can be tried again.
func (n *Node) prepare(p *record.Policy, data []byte, frame record.FrameID) (record.Batch, *record.Refusal) {
	pr := n.prepares.Get().(*preparation)
	pr.beyond = false
	b, refusal := pr.Prepare(p, wall(), data, frame)
	beyond := pr.beyond
	n.prepares.Put(pr)
	if !beyond {
		return b, refusal
	}
	n.large.Lock()
	defer n.large.Unlock()
	began := time.Now()
	n.large.work.Reserve(largeBuffer)
	b, refusal = n.large.work.Prepare(p, wall(), data, frame)
	n.large.drop.Reset(largeKept)
	time.Sleep(min(largeRest*time.Since(began), restMax))
	return b, refusal
}
