package record

import (
	"bytes"
	"errors"
	"hash/crc32"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

func sameBytes(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }

// A batch built equals the one that kmsg's encoder makes of the same records, byte for byte, and reads back as what was put in.
func TestBuildMatchesKmsg(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := Spec{
			BaseOffset:    Offset(rapid.Int64Min(0).Draw(t, "base")),
			LeaderEpoch:   Epoch(rapid.Int32().Draw(t, "epoch")),
			Attributes:    Attributes(rapid.IntRange(0, 4).Draw(t, "codec")),
			ProducerID:    ProducerID(rapid.Int64Min(-1).Draw(t, "pid")),
			ProducerEpoch: rapid.Int16().Draw(t, "pepoch"),
			BaseSequence:  rapid.Int32().Draw(t, "seq"),
		}
		if rapid.Bool().Draw(t, "control") {
			spec.Attributes |= AttrControl | AttrTransactional
		}
		records := genRecords().Draw(t, "records")
		got := build(spec, records)
		if want := encodeNaively(spec, records, fakeCodec{}); !bytes.Equal(got.Data, want) {
			t.Fatalf("built\n%x\nkmsg\n%x", got.Data, want)
		}
		var second kmsg.RecordBatch
		if err := second.ReadFrom(got.Data); err != nil {
			t.Fatal(err)
		}
		if uint32(second.CRC) != crc32.Checksum(got.Data[21:], crc32.MakeTable(crc32.Castagnoli)) {
			t.Fatal("CRC is not that of the bytes from the attributes on")
		}
		checkRoundTrip(t, got, records)
	})
}

func checkRoundTrip(t *rapid.T, built Batch, records []drawn) {
	b, err := ParseHeader(built.Data)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.CheckCRC(); err != nil {
		t.Fatal(err)
	}
	if string(b.Append(nil)) != string(built.Append(nil)) || b.Size != int32(len(b.Data)) ||
		b.MaxTimestamp != built.MaxTimestamp || b.BaseTimestamp != built.BaseTimestamp {
		t.Fatalf("parsed %s, built %s", b.Append(nil), built.Append(nil))
	}
	it := b.Records(fakeCodec{}, nil)
	for i, d := range records {
		if !it.Next() {
			t.Fatalf("record %d: %v", i, it.Err())
		}
		r := &it.Record
		if b.Timestamp(r) != d.timestamp || r.OffsetDelta != int32(i) || !sameBytes(r.Key, d.key) || !sameBytes(r.Value, d.value) ||
			len(r.Headers) != len(d.headers) {
			t.Fatalf("record %d: got %+v, put in %+v", i, r, d)
		}
		for j := range r.Headers {
			if !sameBytes(r.Headers[j].Key, d.headers[j].Key) || !sameBytes(r.Headers[j].Value, d.headers[j].Value) {
				t.Fatalf("record %d header %d differs", i, j)
			}
		}
	}
	if it.Next() || it.Err() != nil {
		t.Fatalf("after the last record: %v", it.Err())
	}
}

func TestBatchesWalksWholeBatches(t *testing.T) {
	var all []byte
	for i := range 3 {
		spec := PlainSpec(0)
		spec.BaseOffset = Offset(i * 10)
		all = append(all, build(spec, []drawn{{timestamp: 5, value: []byte("v")}}).Data...)
	}
	for _, cut := range []int{0, 1, 8, 60, 61} {
		it := Batches(all[:len(all)-cut])
		var got []Offset
		for it.Next() {
			got = append(got, it.Batch.BaseOffset)
		}
		if want := 3; cut == 0 && len(got) != want || cut > 0 && len(got) != 2 || it.Err() != nil {
			t.Errorf("cut %d: %v, %v", cut, got, it.Err())
		}
		if cut > 0 && it.Rest() != len(all)/3-cut {
			t.Errorf("cut %d: rest %d", cut, it.Rest())
		}
	}
	all[len(all)/3+16] = 1
	it := Batches(all)
	for it.Next() {
	}
	if !errors.Is(it.Err(), ErrMagic) {
		t.Errorf("old batch in between: %v", it.Err())
	}
}

func TestParseHeaderErrors(t *testing.T) {
	good := build(PlainSpec(0), []drawn{{value: []byte("v")}}).Data
	for _, c := range []struct {
		name string
		data func(d []byte) []byte
		want error
	}{
		{"empty", func(d []byte) []byte { return nil }, ErrShort},
		{"60 bytes", func(d []byte) []byte { return d[:60] }, ErrShort},
		{"short old message", func(d []byte) []byte { d[16] = 0; return d[:30] }, ErrMagic},
		{"magic 3", func(d []byte) []byte { d[16] = 3; return d }, ErrMagic},
		{"length below a header", func(d []byte) []byte { d[11] = 48; return d }, ErrLength},
		{"negative length", func(d []byte) []byte { d[8] = 0xff; return d }, ErrLength},
		{"length past int32", func(d []byte) []byte { d[8] = 0x7f; return d }, ErrLength},
	} {
		if _, err := ParseHeader(c.data(bytes.Clone(good))); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	b, err := ParseHeader(good[:len(good)-1])
	if err != nil || b.Data != nil {
		t.Errorf("header of a batch cut short: %v, data %v", err, b.Data != nil)
	}
}

func TestBuildNeedsRecords(t *testing.T) {
	var b Builder
	b.Reset(PlainSpec(0))
	if _, err := b.Build(nil); err == nil {
		t.Error("built a batch without records")
	}
	b.Append(1, nil, nil, nil)
	b.spec.Attributes = Attributes(CodecGzip)
	if _, err := b.Build(nil); err == nil {
		t.Error("compressed without a codec")
	}
}

func TestControlKey(t *testing.T) {
	got, err := ParseControlKey(AppendControlKey(nil, ControlVoters))
	if got != ControlVoters || err != nil {
		t.Error(got, err)
	}
	if _, err := ParseControlKey([]byte{0, 0, 0}); err == nil {
		t.Error("accepted a key of 3 bytes")
	}
}
