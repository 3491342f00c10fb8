package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/record"
)

// rawFrame is a frame of that key with body bytes behind the eight of the header.
func rawFrame(key api.Key, correlation int32, body int) []byte {
	b := appendI32(nil, int32(frameMin+body))
	b = appendI16(b, int16(key))
	b = appendI16(b, 3)
	b = appendI32(b, correlation)
	for i := range body {
		b = append(b, byte(i*7))
	}
	return b
}

func TestFramesInAnyPieces(t *testing.T) {
	sizes := []int{0, 1, 100, scratchSize - 12, scratchSize - 11, scratchSize, frameFirst, frameFirst + 1, 5 * frameFirst, 3}
	var stream []byte
	for i, n := range sizes {
		key := api.Produce
		if i%3 == 2 {
			key = api.Metadata
		}
		stream = append(stream, rawFrame(key, int32(i), n)...)
	}
	for _, step := range []int{1, 3, 11, 4096, 70_000, 1 << 20} {
		pool := newTestPool()
		frames, err := feed(NewFrameReader(pool, DefaultFrameMax), stream, step)
		if err != nil || len(frames) != len(sizes) {
			t.Fatalf("step %d: %d frames, %v", step, len(frames), err)
		}
		for i, f := range frames {
			want := rawFrame(f.Key, int32(i), sizes[i])[4:]
			if string(f.Data) != string(want) || f.Correlation != int32(i) || f.Version != 3 || (f.Key == api.Produce) != (f.ID != record.NoFrame) {
				t.Fatalf("step %d: frame %d is %d bytes, key %v, id %d", step, i, len(f.Data), f.Key, f.ID)
			}
			if f.ID != record.NoFrame {
				pool.Release(f.ID)
			}
		}
		if len(pool.live) != 0 {
			t.Fatalf("step %d: %d buffers leaked", step, len(pool.live))
		}
	}
}

func TestFrameLimits(t *testing.T) {
	for _, c := range []struct {
		size int32
		key  api.Key
		want []string
	}{
		{-1, api.Produce, []string{"-1", "8 to 104857600", "socket.request.max.bytes"}},
		{7, api.Produce, []string{"7 bytes", "8 to"}},
		{DefaultFrameMax + 1, api.Produce, []string{"104857601", "104857600"}},
		{ColdFrameMax + 1, api.Metadata, []string{"Metadata", "4194305", "4194304"}},
	} {
		pool := newTestPool()
		r := NewFrameReader(pool, DefaultFrameMax)
		b := binary.BigEndian.AppendUint16(appendI32(nil, c.size), uint16(c.key))
		_, err := feed(r, append(b, 0, 3, 0, 0, 0, 1), 100)
		if !errors.Is(err, ErrFrame) || pool.next != 0 {
			t.Errorf("size %d: %v, %d buffers taken", c.size, err, pool.next)
			continue
		}
		for _, w := range c.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("size %d: %q does not say %q", c.size, err, w)
			}
		}
		if _, _, again := r.Next(); again == nil {
			t.Error("the error is not final")
		}
	}
}

// A peer that announces 100 MiB and sends little must not make us hold more than a multiple of what it sent.
func TestFrameMemoryFollowsBytes(t *testing.T) {
	pool := newTestPool()
	r := NewFrameReader(pool, DefaultFrameMax)
	head := rawFrame(api.Produce, 1, 0)
	copy(head, appendI32(nil, DefaultFrameMax))
	for _, sent := range []int{100, 50_000, 300_000} {
		pool.peak = pool.held
		body := make([]byte, sent)
		if _, err := feed(r, append(head, body...), 1<<20); err != nil {
			t.Fatal(err)
		}
		head = nil
		if pool.held > 8*(sent+frameFirst) {
			t.Errorf("after %d bytes %d are held", sent, pool.held)
		}
	}
	r.Close()
	if len(pool.live) != 0 {
		t.Error("Close leaks the unfinished frame")
	}
}

// One large frame does not earn a stream the right to take as much again by saying so.
func TestProvenIsBounded(t *testing.T) {
	pool := newTestPool()
	r := NewFrameReader(pool, DefaultFrameMax)
	head := rawFrame(api.Produce, 1, 0)
	frames, err := feed(r, append(rawFrame(api.Produce, 1, 3*provenMax), head...), 1<<20)
	if err != nil || len(frames) != 2 {
		t.Fatal(len(frames), err)
	}
	for _, f := range frames {
		pool.Release(f.ID)
	}
	copy(head, appendI32(nil, DefaultFrameMax))
	if _, err := feed(r, append(head, 1), 100); err != nil || pool.held > 2*provenMax {
		t.Errorf("%d bytes are held for one, %v", pool.held, err)
	}
	r.Close()
}

func TestSplit(t *testing.T) {
	req := kmsg.NewPtrMetadataRequest()
	req.SetVersion(12)
	resp := kmsg.NewPtrMetadataResponse()
	resp.SetVersion(12)
	resp.ClusterID = kmsg.StringPtr("c")
	b := resp.AppendTo(appendResponseHeader(nil, 42, true))
	b = sealSize(b, 0, 0)
	for i := range b {
		if _, _, ok, err := Split(b[:i], 1000); ok || err != nil {
			t.Fatalf("%d of %d bytes: %t %v", i, len(b), ok, err)
		}
	}
	frame, rest, ok, err := Split(append(b, 9), 1000)
	if !ok || err != nil || len(rest) != 1 {
		t.Fatal(ok, err, rest)
	}
	corr, got, err := DecodeResponse(req, frame)
	if err != nil || corr != 42 || *got.(*kmsg.MetadataResponse).ClusterID != "c" {
		t.Fatal(corr, got, err)
	}
	if _, _, _, err = Split(appendI32(nil, 2000), 1000); !errors.Is(err, ErrFrame) {
		t.Error(err)
	}
	if _, _, err = DecodeResponse(req, frame[:3]); !errors.Is(err, ErrMalformed) {
		t.Error(err)
	}
	if _, _, err = DecodeResponse(req, frame[:len(frame)-3]); !errors.Is(err, ErrMalformed) {
		t.Error(err)
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(append(rawFrame(api.Produce, 1, 10), rawFrame(api.Metadata, 2, 3)...), 5)
	f.Add(AppendRequest(nil, 1, "c", kmsg.NewPtrMetadataRequest()), 1)
	f.Fuzz(func(t *testing.T, stream []byte, step int) {
		pool := newTestPool()
		r := NewFrameReader(pool, 1<<20)
		frames, _ := feed(r, stream, max(1, step))
		c := NewConn(Info{Peer: "fuzz"})
		env := &Env{Prepare: plainPrepare}
		for _, f := range frames {
			if c.Admits(f.Key) {
				if _, err := c.Frame(env, f); err != nil && fmt.Sprint(err) == "" {
					t.Fatal("an error without text")
				}
				for {
					if _, ok := c.Next(); !ok {
						break
					}
				}
			}
			if f.ID != record.NoFrame {
				pool.Release(f.ID)
			}
		}
		r.Close()
		if len(pool.live) != 0 {
			t.Fatal("buffers leaked")
		}
	})
}
