package record

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"odradek/core/errcode"
)

// forge builds a batch of two keyed records, lets change spoil it, and takes the CRC anew.
func forge(attributes Attributes, change func(b *Batch)) []byte {
	spec := PlainSpec(attributes)
	b := build(spec, []drawn{
		{timestamp: testWall, key: []byte("k"), value: []byte("v"), headers: []Header{{Key: []byte("h"), Value: []byte("w")}}},
		{timestamp: testWall + 1, key: []byte("k"), value: []byte("v")},
	})
	if change != nil {
		change(&b)
		b.seal()
	}
	return b.Data
}

// The first record of forge, byte by byte: length, attributes, timestamp delta, offset delta, key length, …
const (
	posRecordLength = HeaderSize
	posOffsetDelta  = HeaderSize + 3
	posKeyLength    = HeaderSize + 4
	posHeaderCount  = HeaderSize + 8
	posHeaderKey    = HeaderSize + 9
)

type refusal struct {
	name    string
	data    []byte
	policy  func(p *Policy)
	want    errcode.Code
	records []int32 // the offending ones
}

func refusals() []refusal {
	set := func(pos int, v byte) func(b *Batch) { return func(b *Batch) { b.Data[pos] = v } }
	old := func(magic byte) []byte { d := forge(0, nil); d[16] = magic; return d }
	idempotent := func(pid ProducerID, epoch int16, seq int32) []byte {
		return forge(0, func(b *Batch) { b.ProducerID, b.ProducerEpoch, b.BaseSequence = pid, epoch, seq })
	}
	timestamps := func(base UnixMillis) []byte { return forge(0, func(b *Batch) { b.BaseTimestamp = base }) }
	compacted := func(p *Policy) { p.Compacted = true }
	return []refusal{
		{"nothing", nil, nil, errcode.InvalidRecord, nil},
		{"half a header", forge(0, nil)[:40], nil, errcode.InvalidRecord, nil},
		{"magic 0", old(0), nil, errcode.InvalidRecord, nil},
		{"magic 1", old(1), nil, errcode.InvalidRecord, nil},
		{"magic 3", old(3), nil, errcode.InvalidRecord, nil},
		{"last byte missing", forge(0, nil)[:82], nil, errcode.InvalidRecord, nil},
		{"two batches", append(forge(0, nil), forge(0, nil)...), nil, errcode.InvalidRecord, nil},
		{"a byte too many", append(forge(0, nil), 0), nil, errcode.InvalidRecord, nil},
		{"length below the header", func() []byte { d := forge(0, nil); d[11] = 3; return d }(), nil, errcode.CorruptMessage, nil},
		{"too large", forge(0, nil), func(p *Policy) { p.MaxMessageBytes = 82 }, errcode.MessageTooLarge, nil},
		{"bit flip", func() []byte { d := forge(0, nil); d[70] ^= 1; return d }(), nil, errcode.CorruptMessage, nil},
		{"control", forge(AttrControl, nil), nil, errcode.InvalidRecord, nil},
		{"delete horizon", forge(AttrDeleteHorizon, nil), nil, errcode.InvalidRecord, nil},
		{"base offset", func() []byte { d := forge(0, nil); d[7] = 1; return d }(), nil, errcode.InvalidRecord, nil},
		{"last offset delta", forge(0, func(b *Batch) { b.LastOffsetDelta = 2 }), nil, errcode.InvalidRecord, nil},
		{"no records", forge(0, func(b *Batch) { b.Count, b.LastOffsetDelta = 0, -1 }), nil, errcode.InvalidRecord, nil},
		{"one record fewer", forge(0, func(b *Batch) { b.Count, b.LastOffsetDelta = 1, 0 }), nil, errcode.InvalidRecord, nil},
		{"one record more", forge(0, func(b *Batch) { b.Count, b.LastOffsetDelta = 3, 2 }), nil, errcode.InvalidRecord, nil},
		{"record count 2^31-1", forge(0, func(b *Batch) { b.Count, b.LastOffsetDelta = math.MaxInt32, math.MaxInt32-1 }), nil,
			errcode.InvalidRecord, nil},
		{"offset delta", forge(0, set(posOffsetDelta, 2)), nil, errcode.InvalidRecord, nil},
		{"record length", forge(0, set(posRecordLength, 0x30)), nil, errcode.InvalidRecord, nil},
		{"record length negative", forge(0, set(posRecordLength, 1)), nil, errcode.InvalidRecord, nil},
		{"key length -2", forge(0, set(posKeyLength, 3)), nil, errcode.InvalidRecord, nil},
		{"key length too long", forge(0, set(posKeyLength, 0x7e)), nil, errcode.InvalidRecord, nil},
		{"header count -1", forge(0, set(posHeaderCount, 1)), nil, errcode.InvalidRecord, nil},
		{"header count -1 and nothing after it", forge(0, func(b *Batch) { b.Data[len(b.Data)-1] = 1 }), nil, errcode.InvalidRecord, nil},
		{"header count 0", forge(0, set(posHeaderCount, 0)), nil, errcode.InvalidRecord, nil},
		{"header count 60", forge(0, set(posHeaderCount, 120)), nil, errcode.InvalidRecord, nil},
		{"header key null", forge(0, set(posHeaderKey, 1)), nil, errcode.InvalidRecord, nil},
		{"codec 5", forge(0, func(b *Batch) { b.Attributes = 5 }), nil, errcode.UnsupportedCompressionType, nil},
		{"not gzip", forge(0, func(b *Batch) { b.Attributes = 1 }), nil, errcode.InvalidRecord, nil},
		{"sequence -1", idempotent(7, 0, -1), nil, errcode.InvalidRecord, nil},
		{"producer epoch -1", idempotent(7, -1, 0), nil, errcode.InvalidRecord, nil},
		{"producer id -2", idempotent(-2, 0, 0), nil, errcode.InvalidRecord, nil},
		{"transactional without producer", forge(AttrTransactional, nil), nil, errcode.InvalidRecord, nil},
		{"log append time", forge(AttrLogAppendTime, nil), nil, errcode.InvalidTimestamp, nil},
		{"too old", timestamps(testWall - 11), func(p *Policy) { p.TimestampBeforeMaxMs = 10 }, errcode.InvalidTimestamp, []int32{0}},
		{"all too old", timestamps(0), func(p *Policy) { p.TimestampBeforeMaxMs = 10 }, errcode.InvalidTimestamp, []int32{0, 1}},
		{"too new", timestamps(testWall + 3600000), nil, errcode.InvalidTimestamp, []int32{1}},
		{"far too new", timestamps(math.MaxInt64 - 5), nil, errcode.InvalidTimestamp, []int32{0, 1}},
		{"compacted, no key", forge(0, set(posKeyLength, 1)), compacted, errcode.InvalidRecord, nil}, // the key's byte is left over
	}
}

func TestPrepareRefuses(t *testing.T) {
	for _, c := range refusals() {
		p := DefaultPolicy()
		if c.policy != nil {
			c.policy(&p)
		}
		_, refusal := Prepare(&p, testWall, fakeCodec{}, c.data, 3)
		if refusal == nil || refusal.Code != c.want || refusal.Message == "" {
			t.Errorf("%s: %v, want %v", c.name, refusal, c.want)
			continue
		}
		var got []int32
		for _, r := range refusal.Records {
			got = append(got, r.Index)
		}
		if len(got) != len(c.records) || !errorsEqual(got, c.records) {
			t.Errorf("%s: blames records %v, want %v", c.name, got, c.records)
		}
	}
}

func errorsEqual(a, b []int32) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestPrepareCompactedBlamesEachRecord(t *testing.T) {
	p := DefaultPolicy()
	p.Compacted = true
	records := []drawn{{timestamp: testWall, key: []byte{}}, {timestamp: testWall}, {timestamp: testWall, key: []byte("k")},
		{timestamp: testWall}}
	_, refusal := Prepare(&p, testWall, nil, build(PlainSpec(0), records).Data, 1)
	if refusal == nil || refusal.Code != errcode.InvalidRecord || len(refusal.Records) != 2 || refusal.Records[0].Index != 1 ||
		refusal.Records[1].Index != 3 {
		t.Fatalf("%+v", refusal)
	}
	records[2].timestamp = testWall * 2
	_, refusal = Prepare(&p, testWall, nil, build(PlainSpec(0), records).Data, 1)
	if refusal == nil || refusal.Code != errcode.InvalidTimestamp || len(refusal.Records) != 3 {
		t.Fatalf("with one invalid timestamp: %+v", refusal)
	}
	many := make([]drawn, 3*maxRecordErrors)
	_, refusal = Prepare(&p, testWall, nil, build(PlainSpec(0), many).Data, 1)
	if refusal == nil || len(refusal.Records) != maxRecordErrors {
		t.Fatal("record errors are not bounded")
	}
}

// bigCodec decompresses to more than it is allowed.
type bigCodec struct{ fakeCodec }

func (bigCodec) Decompress(_, _ []byte, _ CodecID, max int) ([]byte, error) {
	if max != MaxDecompressed {
		return nil, errors.New("not the bound that was agreed")
	}
	return nil, ErrTooLarge
}

func TestPrepareBoundsDecompression(t *testing.T) {
	p := DefaultPolicy()
	_, refusal := Prepare(&p, testWall, bigCodec{}, forge(Attributes(CodecZstd), nil), 1)
	if refusal == nil || refusal.Code != errcode.MessageTooLarge {
		t.Fatal(refusal)
	}
	_, refusal = Prepare(&p, testWall, nil, forge(Attributes(CodecZstd), nil), 1)
	if refusal == nil || refusal.Code != errcode.UnsupportedCompressionType {
		t.Fatal(refusal)
	}
}

func TestPrepareLeavesGoodBatchesAlone(t *testing.T) {
	for id := CodecNone; id <= CodecZstd; id++ {
		data := forge(Attributes(id), nil)
		want := bytes.Clone(data)
		p := DefaultPolicy()
		b, refusal := Prepare(&p, testWall, fakeCodec{}, data, 9)
		if refusal != nil {
			t.Fatal(id, refusal)
		}
		if !bytes.Equal(data, want) || &b.Data[0] != &data[0] || b.Frame != 9 || b.Count != 2 || b.Size != int32(len(data)) {
			t.Errorf("%s: the batch was changed or copied", id)
		}
	}
}

func TestPrepareMendsMaxTimestamp(t *testing.T) {
	data := forge(0, func(b *Batch) { b.MaxTimestamp = 5 })
	p := DefaultPolicy()
	b, refusal := Prepare(&p, testWall, nil, data, 9)
	if refusal != nil || b.MaxTimestamp != testWall+1 || b.Frame != 9 {
		t.Fatal(b.MaxTimestamp, refusal)
	}
	checkSealed(t, b)
}

func checkSealed(t *testing.T, b Batch) {
	t.Helper()
	parsed, err := ParseHeader(b.Data)
	if err != nil || parsed.CheckCRC() != nil {
		t.Fatal("the batch is not sealed: ", err, parsed.CheckCRC())
	}
	if string(parsed.Append(nil)) != string(b.Append(nil)) || parsed.MaxTimestamp != b.MaxTimestamp {
		t.Fatalf("data says %s, batch %s", parsed.Append(nil), b.Append(nil))
	}
}

func TestPrepareStampsAppendTime(t *testing.T) {
	p := DefaultPolicy()
	p.LogAppendTime = true
	p.TimestampBeforeMaxMs = 0 // bounds are for CreateTime only
	var pr Preparer
	b, refusal := pr.Prepare(&p, testWall+77, forge(0, nil), 9)
	if refusal != nil || b.MaxTimestamp != testWall+77 || b.Attributes != AttrLogAppendTime || b.Frame != 9 {
		t.Fatal(b.MaxTimestamp, b.Attributes, refusal)
	}
	checkSealed(t, b)
	// The policy changed to CreateTime before the Step: the real timestamps come back.
	q := DefaultPolicy()
	b, refusal = pr.Again(&q, testWall, b)
	if refusal != nil || b.MaxTimestamp != testWall+1 || b.Attributes != 0 || b.Frame != 9 {
		t.Fatal(b.MaxTimestamp, b.Attributes, refusal)
	}
	checkSealed(t, b)
}

// Whatever the codecs of batch and topic, what comes out holds the records that went in, under the topic's codec.
func TestPrepareRecompresses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := genRecords().Draw(t, "records")
		from := CodecID(rapid.IntRange(0, 4).Draw(t, "from"))
		p := DefaultPolicy()
		p.Compression = CodecID(rapid.IntRange(-1, 4).Draw(t, "to"))
		p.LogAppendTime = rapid.Bool().Draw(t, "append time")
		spec := PlainSpec(Attributes(from))
		spec.ProducerID, spec.ProducerEpoch, spec.BaseSequence = 4, 5, 6
		in := build(spec, records)
		b, refusal := Prepare(&p, testWall, fakeCodec{}, bytes.Clone(in.Data), 9)
		if refusal != nil {
			t.Fatal(refusal)
		}
		want := from
		if p.Compression != CodecProducer {
			want = p.Compression
		}
		if b.Attributes.Codec() != want || (b.Frame == 9) != (want == from) {
			t.Fatalf("codec %s, frame %d", b.Attributes.Codec(), b.Frame)
		}
		if b.ProducerID != 4 || b.ProducerEpoch != 5 || b.BaseSequence != 6 || b.CheckCRC() != nil {
			t.Fatal("header was not kept")
		}
		highest := testWall
		if !p.LogAppendTime {
			checkRoundTrip(t, b, records)
			highest = slices.MaxFunc(records, func(a, b drawn) int { return cmp.Compare(a.timestamp, b.timestamp) }).timestamp
		}
		if b.MaxTimestamp != highest {
			t.Fatalf("max timestamp %d, not %d", b.MaxTimestamp, highest)
		}
	})
}

func TestPrepareRecompressedTooLarge(t *testing.T) {
	records := []drawn{{timestamp: testWall, value: make([]byte, 5000)}}
	in := build(PlainSpec(Attributes(CodecGzip)), records)
	p := DefaultPolicy()
	p.MaxMessageBytes, p.Compression = 1000, CodecNone
	if _, refusal := Prepare(&p, testWall, fakeCodec{}, in.Data, 1); refusal == nil || refusal.Code != errcode.MessageTooLarge {
		t.Fatal(refusal)
	}
}

func TestPrepareDoesNotAllocate(t *testing.T) {
	data := build(PlainSpec(0), make([]drawn, 500)).Data
	p := DefaultPolicy()
	if n := testing.AllocsPerRun(10, func() {
		if _, refusal := Prepare(&p, testWall, nil, data, 1); refusal != nil {
			t.Fatal(refusal)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzPrepare: bytes in, no panic; what is accepted is sealed and iterates to exactly Count records with deltas from 0.
func FuzzPrepare(f *testing.F) {
	for id := CodecNone; id <= CodecZstd; id++ {
		f.Add(forge(Attributes(id), nil), byte(id), true)
	}
	f.Add([]byte{}, byte(0), false)
	f.Fuzz(func(t *testing.T, data []byte, flags byte, fixCRC bool) {
		for walk := Batches(data); walk.Next(); { // a reader takes whatever is stored: no panic
			for records := walk.Batch.Records(fakeCodec{}, nil); records.Next(); {
			}
		}
		if b, err := ParseHeader(data); fixCRC && err == nil && b.Data != nil {
			binary.BigEndian.PutUint64(b.Data, 0)
			b.seal() // else the CRC keeps the fuzzer out of what lies behind it
			data = b.Data
		}
		p := DefaultPolicy()
		p.LogAppendTime, p.Compacted = flags&8 != 0, flags&16 != 0
		if flags&32 != 0 {
			p.Compression = CodecID(flags&7) % 5
		}
		b, refusal := Prepare(&p, testWall, fakeCodec{}, data, 1)
		if refusal != nil {
			return
		}
		if b.CheckCRC() != nil || b.Size != int32(len(b.Data)) || b.Size > p.MaxMessageBytes {
			t.Fatal("accepted, and not sealed or too large")
		}
		it := b.Records(fakeCodec{}, nil)
		n := int32(0)
		for ; it.Next(); n++ {
			if it.Record.OffsetDelta != n || p.Compacted && it.Record.Key == nil {
				t.Fatal("accepted a record it should not")
			}
		}
		if it.Err() != nil || n != b.Count {
			t.Fatalf("%d records of %d: %v", n, b.Count, it.Err())
		}
	})
}

func BenchmarkPrepare(b *testing.B) {
	records := make([]drawn, 1000)
	for i := range records {
		records[i] = drawn{timestamp: testWall, key: []byte("key"), value: make([]byte, 100)}
	}
	data := build(PlainSpec(0), records).Data
	p := DefaultPolicy()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, refusal := Prepare(&p, testWall, nil, data, 1); refusal != nil {
			b.Fatal(refusal)
		}
	}
}

func BenchmarkBuild(b *testing.B) {
	value := make([]byte, 100)
	var builder Builder
	b.ReportAllocs()
	for b.Loop() {
		builder.Reset(PlainSpec(0))
		for range 1000 {
			builder.Append(testWall, nil, value, nil)
		}
		if _, err := builder.Build(nil); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(builder.Size()))
}
