package runtime

import (
	"errors"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"odradek/core/record"
	"odradek/net/codec"
)

// smallMax is what a batch may decompress to on any number of connections at a time. One that needs more, up to record.MaxDecompressed, waits for its turn: a
// hundred kilobytes can stand for a hundred megabytes, and as many connections may send them as there are.
const smallMax = 8 << 20

// honestRatio is how many times its size a batch may decompress to without a turn: logs compress to a tenth.
const honestRatio = 16

// lightMax is what a batch may decompress to where connections wait for one another: a tenth of a millisecond's work, two of gzip, which takes four times as long
// as the others.
const (
	lightMax     = 128 << 10
	lightGzipMax = 64 << 10
)

// keptMax is the largest buffer that a preparation keeps: what batches of max.message.bytes' default decompress to, at a usual ratio. There are about as many as processors.
const keptMax = 4 << 20

const (
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
	light  bool // it does not compress, whatever the ratio
	beyond bool // it has stopped
}

func newPreparation(c *codec.Codec, most int) *preparation {
	p := &preparation{codec: c, most: most}
	p.Codec, p.Keep = p, keptMax
	return p
}

// usualRatio is how many times its size a batch decompresses to at least, as a rule.
const usualRatio = 4

// Decompress is the codec's.
func (p *preparation) Decompress(dst, src []byte, id record.CodecID, max int) ([]byte, error) {
	most := min(max, p.most)
	if p.light && id == record.CodecGzip {
		most = min(most, lightGzipMax)
	}
	if p.light && usualRatio*len(src) > most { // to find out would be work for nothing
		p.beyond = true
		return dst, record.ErrTooLarge
	}
	if ratio := honestRatio * len(src); ratio > most && !p.light {
		most = min(max, ratio)
	}
	out, err := p.codec.Decompress(dst, src, id, most)
	p.beyond = most < max && errors.Is(err, record.ErrTooLarge)
	return out, err
}

// Compress is the codec's.
func (p *preparation) Compress(dst, src []byte, id record.CodecID, level int) ([]byte, error) {
	if p.light {
		p.beyond = true
		return nil, record.ErrTooLarge
	}
	return p.codec.Compress(dst, src, id, level)
}

// large is what prepares large batches, in turn. They share one buffer, which the garbage collector knows nothing of: were it on the heap, a heap three times as
// large would pass for normal.
type large struct {
	mu     sync.Mutex
	work   *preparation
	memory []byte // mapped with the first large batch
	drop   *time.Timer
}

func (l *large) init(c *codec.Codec) {
	l.work = newPreparation(c, record.MaxDecompressed)
	l.work.Keep = largeBuffer
	l.drop = time.AfterFunc(largeKept, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.memory != nil {
			_ = unix.Madvise(l.memory, unix.MADV_DONTNEED) // the system has it back; it reads as zeros next time
		}
	})
}

// prepare prepares one batch.
func (l *large) prepare(p *record.Policy, data []byte, frame record.FrameID) (record.Batch, *record.Refusal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.memory == nil {
		l.memory, _ = unix.Mmap(-1, 0, largeBuffer, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON) // without it the heap serves
	}
	l.work.Use(l.memory)
	defer l.work.Use(nil)
	defer l.drop.Reset(largeKept)
	return l.work.Prepare(p, wall(), data, frame)
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
	n.heavy.Do(func() { b, refusal = n.large.prepare(p, data, frame) })
	return b, refusal
}

// prepareLight prepares a batch if that takes little. Later: it takes more, and the data is as it was.
func (n *Node) prepareLight(p *record.Policy, data []byte, frame record.FrameID) (b record.Batch, refusal *record.Refusal, later bool) {
	pr := n.lights.Get().(*preparation)
	defer n.lights.Put(pr)
	pr.beyond, pr.light = false, true
	b, refusal = pr.Prepare(p, wall(), data, frame)
	return b, refusal, pr.beyond
}
