package interop

import (
	"bytes"
	"fmt"
	"math/rand/v2"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The stream of test records: 200 000 of them, 99.9 % up to 1 KB and 200 of 100–900 KB, at most 300 MB.
const (
	recordCount = 200_000
	largeEvery  = 1000
	partitions  = 4
)

// makeRecord returns the i-th record of a stream: equal for equal i and seed. Keys and values are null now and then, headers come in zero to three,
// timestamps step back and forth.
func makeRecord(topic string, seed uint64, i int) *kgo.Record {
	rng := rand.New(rand.NewPCG(seed, uint64(i)))
	r := &kgo.Record{Topic: topic, Partition: int32(i % partitions)}
	size := 1 + rng.IntN(1024)
	if i%largeEvery == largeEvery/2 {
		size = 100<<10 + rng.IntN(800<<10)
	} else if rng.IntN(3) > 0 {
		size = 1 + rng.IntN(300)
	}
	if i%97 != 0 {
		r.Value = fillValue(rng, i, size)
	}
	if i%5 != 0 {
		r.Key = fmt.Appendf(nil, "key-%d", i)
	}
	for h := range i % 4 {
		header := kgo.RecordHeader{Key: fmt.Sprintf("h%d", h)}
		if h != 2 {
			header.Value = fmt.Appendf(nil, "%d", rng.Uint64())
		}
		r.Headers = append(r.Headers, header)
	}
	r.Timestamp = timestamp(i)
	return r
}

// fillValue is half text that compresses and half noise.
func fillValue(rng *rand.Rand, i, size int) []byte {
	v := fmt.Appendf(nil, "record %d ", i)
	for len(v) < size/2 {
		v = append(v, "the spool of thread that outlives everyone "...)
	}
	for len(v) < size {
		v = append(v, byte(rng.Uint32()))
	}
	return v[:max(size, 1)]
}

// differ returns what distinguishes a read record from the sent one, "" if nothing does. Who could not say a time wants none.
func differ(want, got *kgo.Record) string {
	switch {
	case !bytes.Equal(want.Key, got.Key) || (want.Key == nil) != (got.Key == nil):
		return fmt.Sprintf("key %q, want %q", got.Key, want.Key)
	case !bytes.Equal(want.Value, got.Value) || (want.Value == nil) != (got.Value == nil):
		return fmt.Sprintf("value of %d bytes, want %d", len(got.Value), len(want.Value))
	case !want.Timestamp.IsZero() && !want.Timestamp.Equal(got.Timestamp):
		return fmt.Sprintf("timestamp %v, want %v", got.Timestamp, want.Timestamp)
	case len(want.Headers) != len(got.Headers):
		return fmt.Sprintf("%d headers, want %d", len(got.Headers), len(want.Headers))
	}
	for i := range want.Headers {
		w, g := want.Headers[i], got.Headers[i]
		if w.Key != g.Key || !bytes.Equal(w.Value, g.Value) || (w.Value == nil) != (g.Value == nil) {
			return fmt.Sprintf("header %d is %q=%q, want %q=%q", i, g.Key, g.Value, w.Key, w.Value)
		}
	}
	return ""
}
