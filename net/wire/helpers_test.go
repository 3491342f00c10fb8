package wire

import (
	"bytes"
	"fmt"
	"math/rand/v2"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/record"
	"odradek/core/stream"
)

// testPool counts and poisons.
type testPool struct {
	next record.FrameID
	live map[record.FrameID][]byte
	peak int // bytes
	held int
}

func newTestPool() *testPool { return &testPool{live: map[record.FrameID][]byte{}} }

func (p *testPool) Get(size int) ([]byte, record.FrameID) {
	p.next++
	b := make([]byte, size+size/8)
	p.live[p.next] = b
	p.held += len(b)
	p.peak = max(p.peak, p.held)
	return b, p.next
}

func (p *testPool) Release(id record.FrameID) {
	b, ok := p.live[id]
	if !ok {
		panic("released twice")
	}
	p.held -= len(b)
	for i := range b {
		b[i] = 0xDB
	}
	delete(p.live, id)
}

// plainPrepare takes every batch as it is; size and data are what tests look at.
func plainPrepare(_ *Policies, topic string, id record.UUID, part int32, data []byte, frame record.FrameID, _ int16) api.ProducePartition {
	return api.ProducePartition{Topic: topic, TopicID: id, Partition: part, Batch: record.Batch{Frame: frame, Size: int32(len(data)), Data: data}}
}

// feed gives stream to r in pieces of at most step bytes and returns the frames it yields.
func feed(r *FrameReader, stream []byte, step int) ([]Frame, error) {
	var out []Frame
	for {
		for {
			f, ok, err := r.Next()
			if err != nil {
				return out, err
			}
			if !ok {
				break
			}
			out = append(out, f)
		}
		if len(stream) == 0 {
			return out, nil
		}
		buf := r.Buffer()
		if len(buf) == 0 {
			return out, fmt.Errorf("no room though no frame is complete")
		}
		n := copy(buf[:min(len(buf), step)], stream)
		r.Filled(n)
		stream = stream[n:]
	}
}

// frameOf turns a request into the frame a reader would yield, in ordinary memory.
func frameOf(correlation int32, req kmsg.Request) Frame {
	b := AppendRequest(nil, correlation, "client", req)
	f, err := feed(NewFrameReader(newTestPool(), DefaultFrameMax), b, 1<<20)
	if err != nil || len(f) != 1 {
		panic(fmt.Sprint(len(f), " frames: ", err))
	}
	return f[0]
}

// gather joins the pieces of a response; an extent stands as its length in bytes of 'x'.
func gather(o Outgoing) []byte {
	var b []byte
	for _, p := range o.Pieces {
		if p.IsExtent {
			b = append(b, bytes.Repeat([]byte{'x'}, int(p.Extent.Len))...)
		} else {
			b = append(b, p.Bytes...)
		}
	}
	return b
}

func word(r *rand.Rand) string {
	return []string{"", "a", "orders", "odradek-events", "x.y_z"}[r.IntN(5)]
}

func randUUID(r *rand.Rand) (u [16]byte) {
	for i := range u {
		u[i] = byte(r.Uint32())
	}
	return u
}

func randExtents(r *rand.Rand) []stream.Extent {
	var out []stream.Extent
	for range r.IntN(3) {
		out = append(out, stream.Extent{Stream: stream.ID{Partition: int32(r.IntN(5))}, Base: record.Offset(r.IntN(9)), Len: int32(r.IntN(100))})
	}
	return out
}
