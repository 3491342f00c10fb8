package interop

import (
	"bufio"
	enc "encoding/binary"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// run is a slice of the stream that goes out in one way.
type run struct {
	codec      string
	idempotent bool
	from, to   int
}

func (r run) String() string {
	return fmt.Sprintf("%s, idempotent %t, records %d to %d", r.codec, r.idempotent, r.from, r.to)
}

// runs cuts the stream into equal slices, one for each codec and, where the client has both, each kind of producer. All slices start at partition 0.
func runs(codecs []string, idempotent ...bool) (all []run) {
	n := len(codecs) * len(idempotent)
	each := (recordCount + n - 1) / n
	each += (partitions - each%partitions) % partitions
	for _, codec := range codecs {
		for _, i := range idempotent {
			from := len(all) * each
			all = append(all, run{codec, i, from, min(from+each, recordCount)})
		}
	}
	return all
}

// reading compares what a client reads, in the order in which it reads it, with what was sent. The i-th record of the stream lies in partition
// i%partitions at offset i/partitions.
type reading struct {
	t      *testing.T
	wanted func(i int) *kgo.Record
	next   [partitions]int64
	total  int
}

// take compares one record; it is the next of its partition.
func (r *reading) take(got *kgo.Record) {
	r.t.Helper()
	p := got.Partition
	if p < 0 || p >= partitions || got.Offset != r.next[p] {
		r.t.Fatalf("partition %d: offset %d, after %d records of each: %v", p, got.Offset, r.total, r.next)
	}
	if d := differ(r.wanted(int(got.Offset)*partitions+int(p)), got); d != "" {
		r.t.Fatalf("partition %d offset %d: %s", p, got.Offset, d)
	}
	r.next[p]++
	r.total++
}

func (r *reading) done() bool { return r.total == recordCount }

// Programs in other languages get records from us and give them to us in one form, numbers big-endian:
//
//	partition i32, offset i64, timestamp in ms i64, key, value, number of headers i32, headers of key and value
//
// where keys and values are a length i32, −1 for null, and as many bytes.

// writeRecord writes r.
func writeRecord(w *bufio.Writer, r *kgo.Record) {
	var fixed [20]byte
	enc.BigEndian.PutUint32(fixed[:], uint32(r.Partition))
	enc.BigEndian.PutUint64(fixed[4:], uint64(r.Offset))
	enc.BigEndian.PutUint64(fixed[12:], uint64(r.Timestamp.UnixMilli()))
	w.Write(fixed[:])
	writeBytes(w, r.Key)
	writeBytes(w, r.Value)
	writeNumber(w, len(r.Headers))
	for _, h := range r.Headers {
		writeBytes(w, []byte(h.Key))
		writeBytes(w, h.Value)
	}
}

func writeNumber(w *bufio.Writer, n int) {
	var b [4]byte
	enc.BigEndian.PutUint32(b[:], uint32(n))
	w.Write(b[:])
}

func writeBytes(w *bufio.Writer, b []byte) {
	if b == nil {
		writeNumber(w, -1)
		return
	}
	writeNumber(w, len(b))
	w.Write(b)
}

// recordReader reads records; the first error stays.
type recordReader struct {
	in  *bufio.Reader
	err error
}

func (r *recordReader) take(n int) []byte {
	b := make([]byte, n)
	if r.err == nil {
		_, r.err = io.ReadFull(r.in, b)
	}
	return b
}

func (r *recordReader) number() int { return int(int32(enc.BigEndian.Uint32(r.take(4)))) }

func (r *recordReader) bytes() []byte {
	n := r.number()
	switch {
	case n < 0 || r.err != nil:
		return nil
	case n > 1<<20:
		r.err = fmt.Errorf("%d bytes of a key or value", n)
		return nil
	}
	return r.take(n)
}

// next returns the next record, or nil at the end or an error.
func (r *recordReader) next() *kgo.Record {
	if _, err := r.in.Peek(1); errors.Is(err, io.EOF) || r.err != nil {
		return nil
	}
	k := &kgo.Record{Partition: int32(r.number())}
	k.Offset = int64(enc.BigEndian.Uint64(r.take(8)))
	k.Timestamp = time.UnixMilli(int64(enc.BigEndian.Uint64(r.take(8))))
	k.Key, k.Value = r.bytes(), r.bytes()
	for n := r.number(); n > 0 && r.err == nil; n-- {
		k.Headers = append(k.Headers, kgo.RecordHeader{Key: string(r.bytes()), Value: r.bytes()})
	}
	if r.err != nil {
		return nil
	}
	return k
}
