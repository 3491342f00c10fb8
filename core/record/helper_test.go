package record

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"io"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// fakeCodec is gzip for gzip, raw deflate for snappy, and a marker byte before the bytes as they are for the rest.
type fakeCodec struct{}

func (fakeCodec) Compress(dst, src []byte, id CodecID, _ int) ([]byte, error) {
	var buf bytes.Buffer
	switch id {
	case CodecGzip:
		w := gzip.NewWriter(&buf)
		w.Write(src)
		w.Close()
	case CodecSnappy:
		w, _ := flate.NewWriter(&buf, 1)
		w.Write(src)
		w.Close()
	case CodecLZ4, CodecZstd:
		return append(append(dst, byte(id)), src...), nil
	default:
		return nil, errors.New("unknown codec")
	}
	return append(dst, buf.Bytes()...), nil
}

func (fakeCodec) Decompress(dst, src []byte, id CodecID, max int) ([]byte, error) {
	var r io.Reader
	switch id {
	case CodecGzip:
		z, err := gzip.NewReader(bytes.NewReader(src))
		if err != nil {
			return nil, err
		}
		r = z
	case CodecSnappy:
		r = flate.NewReader(bytes.NewReader(src))
	case CodecLZ4, CodecZstd:
		if len(src) == 0 || src[0] != byte(id) {
			return nil, errors.New("no marker")
		}
		if len(src)-1 > max {
			return nil, ErrTooLarge
		}
		return append(dst, src[1:]...), nil
	default:
		return nil, errors.New("unknown codec")
	}
	out, err := io.ReadAll(io.LimitReader(r, int64(max)+1))
	if err != nil {
		return nil, err
	}
	if len(out) > max {
		return nil, ErrTooLarge
	}
	return append(dst, out...), nil
}

// drawn is a record as a test draws it.
type drawn struct {
	timestamp UnixMillis
	key       []byte
	value     []byte
	headers   []Header
}

func genBytes(nullable bool) *rapid.Generator[[]byte] {
	return rapid.Custom(func(t *rapid.T) []byte {
		if nullable && rapid.IntRange(0, 3).Draw(t, "null") == 0 {
			return nil
		}
		n := rapid.SampledFrom([]int{0, 1, 2, 63, 64, 200}).Draw(t, "len")
		return bytes.Repeat([]byte{rapid.Byte().Draw(t, "b")}, n)
	})
}

const testWall UnixMillis = 1_700_000_000_000

func genRecords() *rapid.Generator[[]drawn] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) drawn {
		d := drawn{
			timestamp: testWall + UnixMillis(rapid.Int64Range(-1<<40, 1000).Draw(t, "ts")),
			key:       genBytes(true).Draw(t, "key"), value: genBytes(true).Draw(t, "value"),
		}
		for range rapid.IntRange(0, 3).Draw(t, "headers") {
			d.headers = append(d.headers, Header{Key: genBytes(false).Draw(t, "hk"), Value: genBytes(true).Draw(t, "hv")})
		}
		return d
	}), 1, 130)
}

// encodeNaively builds a batch with kmsg's encoder: the second implementation.
func encodeNaively(spec Spec, records []drawn, codec Codec) []byte {
	var raw []byte
	highest := NoTimestamp
	for i, d := range records {
		highest = max(highest, d.timestamp)
		r := kmsg.Record{TimestampDelta64: int64(d.timestamp - records[0].timestamp), OffsetDelta: int32(i), Key: d.key, Value: d.value}
		for _, h := range d.headers {
			r.Headers = append(r.Headers, kmsg.Header{Key: string(h.Key), Value: h.Value})
		}
		long := r.AppendTo(nil) // a length of 0 takes one byte
		r.Length = int32(len(long) - 1)
		raw = r.AppendTo(raw)
	}
	if id := spec.Attributes.Codec(); id != CodecNone {
		raw, _ = codec.Compress(nil, raw, id, 0)
	}
	b := kmsg.RecordBatch{
		FirstOffset: int64(spec.BaseOffset), PartitionLeaderEpoch: int32(spec.LeaderEpoch), Magic: 2,
		Length: int32(49 + len(raw)), Attributes: int16(spec.Attributes), LastOffsetDelta: int32(len(records) - 1),
		FirstTimestamp: int64(records[0].timestamp), MaxTimestamp: int64(highest),
		ProducerID: int64(spec.ProducerID), ProducerEpoch: spec.ProducerEpoch, FirstSequence: spec.BaseSequence,
		NumRecords: int32(len(records)), Records: raw,
	}
	out := b.AppendTo(nil)
	parsed, _ := ParseHeader(out)
	parsed.seal()
	return out
}

func build(spec Spec, records []drawn) Batch {
	var b Builder
	b.Reset(spec)
	for _, d := range records {
		b.Append(d.timestamp, d.key, d.value, d.headers)
	}
	batch, err := b.Build(fakeCodec{})
	if err != nil {
		panic(err)
	}
	return batch
}
