package runtime

import (
	"errors"

	"odradek/core/record"
	"odradek/net/codec"
)

// smallMax is what a batch may decompress to on any number of connections at a time. One that needs more, up to record.MaxDecompressed, waits for its turn: a
// hundred kilobytes can stand for a hundred megabytes, and as many connections may send them as there are.
const smallMax = 8 << 20

// preparation is a record.Preparer whose decompressor stops at smallMax, unless large.
type preparation struct {
	record.Preparer
	codec  *codec.Codec
	large  bool
	beyond bool // it has stopped
}

func newPreparation(c *codec.Codec) *preparation {
	p := &preparation{codec: c}
	p.Codec = p
	return p
}

// Decompress is the codec's.
func (p *preparation) Decompress(dst, src []byte, id record.CodecID, max int) ([]byte, error) {
	most := max
	if !p.large {
		most = min(max, smallMax)
	}
	out, err := p.codec.Decompress(dst, src, id, most)
	p.beyond = most < max && errors.Is(err, record.ErrTooLarge)
	return out, err
}

// Compress is the codec's.
func (p *preparation) Compress(dst, src []byte, id record.CodecID, level int) ([]byte, error) {
	return p.codec.Compress(dst, src, id, level)
}

// prepare runs record.Prepare with a buffer of its own. A refusal leaves the data as it was, so it can be tried again.
func (n *Node) prepare(p *record.Policy, data []byte, frame record.FrameID) (record.Batch, *record.Refusal) {
	pr := n.prepares.Get().(*preparation)
	defer n.prepares.Put(pr)
	pr.beyond = false
	b, refusal := pr.Prepare(p, wall(), data, frame)
	if !pr.beyond {
		return b, refusal
	}
	n.large.Lock()
	defer n.large.Unlock()
	pr.large = true
	defer func() { pr.large = false }()
	return pr.Prepare(p, wall(), data, frame)
}
