package runtime

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/internal/allocs"
	"odradek/net/codec"
)

// compressed is a batch of one record of so many zeros.
func compressed(t *testing.T, id record.CodecID, size int) []byte {
	t.Helper()
	var b record.Builder
	b.Reset(record.PlainSpec(record.Attributes(id)))
	b.Append(wall(), nil, make([]byte, size), nil)
	batch, err := b.Build(new(codec.Codec))
	if err != nil {
		t.Fatal(err)
	}
	return batch.Data
}

// A batch that decompresses to much waits for the one before it; small ones do not, whatever waits. It is taken or refused as before.
func TestBombsTakeTurns(t *testing.T) {
	n, _ := running(t, setup{})
	c, bomber := mustDial(t, n), mustDial(t, n)
	if err := c.createTopic("t", 1); err != nil {
		t.Fatal(err)
	}
	produce := func(c *client, data []byte) errcode.Code {
		t.Helper()
		resp, err := c.ask(produceOf("t", 0, -1, data))
		if err != nil {
			t.Fatal(err)
		}
		_, code := producedAt(resp)
		return code
	}
	n.large.mu.Lock()
	done := make(chan errcode.Code, 1)
	large := compressed(t, record.CodecZstd, 3*smallMax)
	go func() { done <- produce(bomber, large) }()
	for range 20 {
		if code := produce(c, compressed(t, record.CodecGzip, smallMax/2)); code != errcode.None {
			t.Fatal(code)
		}
	}
	select {
	case code := <-done:
		t.Fatal("a large batch did not wait: ", code)
	case <-time.After(50 * time.Millisecond):
	}
	n.large.mu.Unlock()
	if code := <-done; code != errcode.None {
		t.Error(code)
	}
	if code := produce(bomber, compressed(t, record.CodecZstd, record.MaxDecompressed+1)); code != errcode.MessageTooLarge {
		t.Error(code)
	}
	if !n.large.mu.TryLock() {
		t.Error("the turn was not given back")
	}
}

// Batches of the usual largest size, 1 MB and a little more when decompressed, use one buffer again and again: to grow it anew for each took a third of a produce's time.
func TestLargeBatchesReuseABuffer(t *testing.T) {
	policy := record.DefaultPolicy()
	for _, id := range []record.CodecID{record.CodecGzip, record.CodecSnappy, record.CodecLZ4, record.CodecZstd} {
		data := compressed(t, id, 1<<20+4096)
		pr := newPreparation(new(codec.Codec), smallMax)
		prepare := func() {
			if _, refusal := pr.Prepare(&policy, wall(), data, record.NoFrame); refusal != nil {
				t.Fatal(refusal)
			}
		}
		prepare()
		if got := allocs.Over(256<<10, prepare); got > 256<<10 {
			t.Errorf("%v: %d bytes allocated for a batch", id, got)
		}
	}
}

// What is prepared while other connections wait: plain batches, and those that decompress to little. Anything else is given up, and left as it was.
func TestPrepareLight(t *testing.T) {
	n, _ := running(t, setup{})
	plain := record.DefaultPolicy()
	toZstd := plain
	toZstd.Compression = record.CodecZstd
	for name, c := range map[string]struct {
		policy record.Policy
		codec  record.CodecID
		size   int
		later  bool
	}{ // any order: each by itself
		"plain":                       {plain, record.CodecNone, 10_000, false},
		"compressed":                  {plain, record.CodecLZ4, lightMax / 2, false},
		"kept as it is":               {toZstd, record.CodecZstd, 10_000, false},
		"compressed with gzip":        {plain, record.CodecGzip, lightGzipMax / 2, false},
		"gzip, which takes longer":    {plain, record.CodecGzip, lightGzipMax + 1000, true},
		"decompresses to much":        {plain, record.CodecLZ4, 2 * lightMax, true},
		"that much, of little":        {plain, record.CodecZstd, 100 * lightMax, true},
		"the topic compresses":        {toZstd, record.CodecNone, 10_000, true},
		"the topic compresses anew":   {toZstd, record.CodecLZ4, 10_000, true},
		"much, and beyond every size": {plain, record.CodecZstd, record.MaxDecompressed + 1, true},
	} {
		data := compressed(t, c.codec, c.size)
		was := slices.Clone(data)
		b, refusal, later := n.prepareLight(&c.policy, data, record.NoFrame)
		if later != c.later || !later && (refusal != nil || b.Size != int32(len(data))) {
			t.Errorf("%s: later %t, %+v, a batch of %d bytes", name, later, refusal, b.Size)
		}
		if later && !bytes.Equal(data, was) {
			t.Errorf("%s: the data has changed", name)
		}
	}
	light := newPreparation(new(codec.Codec), lightMax)
	light.light = true
	if _, err := light.Decompress(nil, make([]byte, lightMax/usualRatio+1), record.CodecLZ4, largeBuffer); !light.beyond || !errors.Is(err, record.ErrTooLarge) {
		t.Errorf("nothing that large decompresses to little, and it was decompressed: %v", err)
	}
	if _, refusal, later := n.prepareLight(&plain, make([]byte, 100), record.NoFrame); later || refusal == nil {
		t.Errorf("a bad batch: later %t, %+v", later, refusal)
	}
}
