package codec

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/snappy/xerial"
	"github.com/klauspost/compress/zstd"

	"odradek/core/record"
)

var codecs = []record.CodecID{record.CodecNone, record.CodecGzip, record.CodecSnappy, record.CodecLZ4, record.CodecZstd}

const roomy = 64 << 20

func samples() [][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 200_000)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	return [][]byte{nil, {7}, []byte("hello hello hello"), bytes.Repeat([]byte("odradek "), 40_000), noise, noise[:32<<10], noise[:32<<10+1]}
}

func TestRoundTrip(t *testing.T) {
	var c Codec
	for _, id := range codecs {
		for _, level := range []int{DefaultLevel, 0, -1, 1, 3, 9, 17, 22, -131072} {
			for _, want := range samples() {
				prefix := []byte("kept")
				z, err := c.Compress(bytes.Clone(prefix), want, id, level)
				if err != nil || !bytes.HasPrefix(z, prefix) {
					t.Fatalf("%v level %d: compress: %v", id, level, err)
				}
				got, err := c.Decompress(bytes.Clone(prefix), z[len(prefix):], id, len(want))
				if err != nil || !bytes.Equal(got, append(prefix, want...)) {
					t.Fatalf("%v level %d, %d bytes: got %d bytes, %v", id, level, len(want), len(got), err)
				}
				if len(want) == 0 {
					continue
				}
				if _, err = c.Decompress(nil, z[len(prefix):], id, len(want)-1); !errors.Is(err, record.ErrTooLarge) {
					t.Fatalf("%v level %d: one byte below the size: %v", id, level, err)
				}
			}
		}
	}
}

// The default of zstd is its level 3, not the fastest that a number so low would mean.
func TestDefaultLevel(t *testing.T) {
	var c Codec
	text := []byte(strings.Repeat("some text, some more text; ", 100) + string(samples()[4][:5000]))
	for _, id := range codecs[1:] {
		kafka := map[record.CodecID]int{record.CodecGzip: -1, record.CodecLZ4: 9, record.CodecZstd: 3}[id]
		want, _ := c.Compress(nil, text, id, kafka)
		got, _ := c.Compress(nil, text, id, DefaultLevel)
		if !bytes.Equal(got, want) {
			t.Errorf("%v: the default level is not %d", id, kafka)
		}
	}
	if zstdLevel(DefaultLevel) != zstd.SpeedDefault {
		t.Error(zstdLevel(DefaultLevel))
	}
}

// Foreign bytes: what other writers send, and what other readers make of ours.
func TestSnappyFramings(t *testing.T) {
	var c Codec
	want := bytes.Repeat([]byte("odradek "), 10_000)
	for name, src := range map[string][]byte{"raw": snappy.Encode(nil, want), "xerial": xerial.Encode(nil, want)} {
		got, err := c.Decompress(nil, src, record.CodecSnappy, roomy)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	z, _ := c.Compress(nil, want, record.CodecSnappy, 0)
	if got, err := xerial.Decode(z); err != nil || !bytes.Equal(got, want) {
		t.Errorf("foreign reader: %v", err)
	}
	const head = "82534e4150505900" + "00000001" + "00000001"
	if got := hex.EncodeToString(z[:16]); got != head {
		t.Errorf("header %s, want %s", got, head)
	}
	double := append(bytes.Clone(z), z...)
	if got, err := c.Decompress(nil, double, record.CodecSnappy, roomy); err != nil || len(got) != 2*len(want) {
		t.Errorf("two streams: %d bytes, %v", len(got), err)
	}
}

// A bomb must not cost more memory than the limit allows, whatever it claims.
func TestBombs(t *testing.T) {
	var c Codec
	zeros := make([]byte, 32<<20)
	const limit = 1 << 20
	for _, id := range codecs {
		z, err := c.Compress(nil, zeros, id, 0)
		if err != nil {
			t.Fatal(err)
		}
		checkBomb(t, &c, id.String(), z, id, limit, record.ErrTooLarge)
	}
	var stream bytes.Buffer // a zstd frame without a content size
	w, _ := zstd.NewWriter(&stream, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(64<<20))
	_, _ = w.Write(zeros)
	_ = w.Close()
	checkBomb(t, &c, "zstd stream", stream.Bytes(), record.CodecZstd, limit, record.ErrTooLarge)

	if got, err := c.Decompress(nil, stream.Bytes(), record.CodecZstd, len(zeros)); err != nil || !bytes.Equal(got, zeros) {
		t.Errorf("zstd stream of unknown size: %d bytes, %v", len(got), err)
	}
	lie := binary.AppendUvarint(nil, 900_000) // a raw block of six bytes that claims 900 000
	lie = append(lie, 1, 2, 3)
	checkBomb(t, &c, "snappy lie", lie, record.CodecSnappy, limit, ErrCorrupt)
	if _, err := c.Decompress(nil, lie, record.CodecSnappy, limit); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "claims") {
		t.Errorf("snappy lie: %v", err)
	}
	enc, _ := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(64<<20), zstd.WithSingleSegment(false))
	checkBomb(t, &c, "zstd window", enc.EncodeAll(zeros, nil), record.CodecZstd, limit, record.ErrTooLarge)
}

func checkBomb(t *testing.T, c *Codec, name string, z []byte, id record.CodecID, limit int, want error) {
	t.Helper()
	_, _ = c.Decompress(nil, z, id, limit) // fills the pools
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	out, err := c.Decompress(nil, z, id, limit)
	runtime.ReadMemStats(&after)
	if err == nil || (want != nil && !errors.Is(err, want)) || out != nil {
		t.Errorf("%s: %v, %d bytes", name, err, len(out))
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > uint64(limit)*16 {
		t.Errorf("%s: a bomb of %d bytes allocated %d with a limit of %d", name, len(z), grown, limit)
	}
}

func TestRefusals(t *testing.T) {
	var c Codec
	if _, err := c.Decompress(nil, []byte("x"), 5, 10); !errors.Is(err, ErrUnsupported) {
		t.Error(err)
	}
	if _, err := c.Compress(nil, []byte("x"), 7, 0); !errors.Is(err, ErrUnsupported) {
		t.Error(err)
	}
	text := []byte(strings.Repeat("some text, some more text; ", 100))
	for _, id := range codecs[1:] {
		z, _ := c.Compress(nil, text, id, 0)
		for _, cut := range []int{1, len(z) / 2, len(z) - 1} {
			if out, err := c.Decompress(nil, z[:cut], id, roomy); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%v cut to %d of %d: %d bytes, %v", id, cut, len(z), len(out), err)
			}
		}
	}
}

func TestConcurrentAndNoGoroutines(t *testing.T) {
	var c Codec
	before := runtime.NumGoroutine()
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 40 {
				id := codecs[(g+i)%len(codecs)]
				want := []byte(strings.Repeat(fmt.Sprint(g, i), 500))
				z, _ := c.Compress(nil, want, id, i%10)
				got, err := c.Decompress(nil, z, id, roomy)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%v: %v", id, err)
				}
			}
		})
	}
	wg.Wait()
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines left", after-before)
	}
}

func BenchmarkDecompress(b *testing.B) {
	var c Codec
	want := bytes.Repeat([]byte(`{"user":"odradek","n":12345}`), 600)
	for _, id := range codecs[1:] {
		z, _ := c.Compress(nil, want, id, 0)
		b.Run(id.String(), func(b *testing.B) {
			b.SetBytes(int64(len(want)))
			b.ReportAllocs()
			var out []byte
			for b.Loop() {
				var err error
				if out, err = c.Decompress(out[:0], z, id, roomy); err != nil || len(out) != len(want) {
					b.Fatal(err)
				}
			}
		})
	}
}
